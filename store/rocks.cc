// SPDX-License-Identifier: Apache-2.0
#include "store/rocks.h"

#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/table.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "store/faulty_files.h"

namespace orrery::store {

namespace {

namespace fs = std::filesystem;

// Which other process holds RocksDB's lock, 0 if none is to be found.
pid_t LockHolder(const fs::path& folder) {
  const int file = ::open((folder / "LOCK").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return 0;
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool asked = ::fcntl(file, F_GETLK, &lock) == 0;
  ::close(file);
  return asked && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

// Everything that matters comes back as a status. The library's own log file is one more file to fail: Debian's build
// stops the program by an assertion where a full disk cuts a line of it short.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {}
};

rocksdb::CompressionType FirstSupported(std::initializer_list<rocksdb::CompressionType> wanted) {
  const auto supported = rocksdb::GetSupportedCompressions();
  const auto found = std::ranges::find_first_of(wanted, supported);
  return found == wanted.end() ? rocksdb::kNoCompression : *found;
}

// The least key that lies past the next place where `size_below` grows; none where it does not grow any more.
std::optional<std::string> PastNextBlock(const std::string& from, const SizeBelow& size_below) {
  constexpr size_t kLongest = 1024;  // bytes of a boundary
  const uint64_t here = size_below(from);
  const auto past = [&](const std::string& key) { return size_below(key) > here; };
  if (!past(std::string(kLongest, '\xff'))) return std::nullopt;
  std::string boundary;  // the greatest key that is not past, byte by byte
  while (boundary.size() < kLongest) {
    int low = -1, high = 256;  // of the next byte: not past, past
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (past(boundary + static_cast<char>(middle)) ? high : low) = middle;
    }
    if (low < 0) break;
    boundary += static_cast<char>(low);
  }
  return boundary + '\0';
}

}  // namespace

Status Translated(const rocksdb::Status& status, const fs::path& folder, std::string_view trying) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsCorruption())
    return Corrupt("the store in {} is damaged ({}): {}", folder.string(), trying, status.ToString());
  if (status.IsNoSpace())
    return MakeStatus(
        absl::StatusCode::kResourceExhausted,
        "no space is left for the store in {} ({}): free some and run again; nothing acknowledged is lost",
        folder.string(), trying);
  return Failed("the store in {} failed ({}): {}", folder.string(), trying, status.ToString());
}

Status TranslatedOpen(const rocksdb::Status& status, const fs::path& folder) {
  const std::string text = status.ToString();
  if (status.IsIOError() && text.find("lock hold by current process") != std::string::npos) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "the store in {} is already open in this process",
                      folder.string());
  }
  if (status.IsIOError() && text.find("/LOCK") != std::string::npos) {
    if (const pid_t holder = LockHolder(folder); holder > 0) {
      return MakeStatus(absl::StatusCode::kFailedPrecondition,
                        "the store in {} is in use by process {}: one run at a time writes to it", folder.string(),
                        holder);
    }
  }
  return Translated(status, folder, "opening");
}

rocksdb::Options MakeOptions() {
  rocksdb::Options options;
  options.env = StoreFiles();
  // The end of the log may be half a record after a crash: it was never acknowledged. Damage before that is an error,
  // never a shorter store.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.max_open_files = 64;
  options.info_log = std::make_shared<NoLog>();
  // A store of any size takes the same memory: small buffers, of which many make one compaction, so that what a run
  // holds hardly depends on how many of them stand beside one; and the files' indices are cached like what they point
  // to.
  options.write_buffer_size = size_t{4} << 20;
  options.level0_file_num_compaction_trigger = 16;
  options.level0_slowdown_writes_trigger = 80;
  options.level0_stop_writes_trigger = 144;
  rocksdb::BlockBasedTableOptions table;
  // Of this store alone: one that is opened again after its files were damaged must see the damage.
  table.block_cache = rocksdb::NewLRUCache(size_t{2} << 20, /*num_shard_bits=*/0);
  table.cache_index_and_filter_blocks = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.max_total_wal_size = uint64_t{64} << 20;
  // What stays is compressed well, what is soon written again in little time.
  options.compression = FirstSupported({rocksdb::kLZ4Compression, rocksdb::kSnappyCompression});
  options.bottommost_compression = FirstSupported({rocksdb::kZSTD, rocksdb::kLZ4Compression});
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> Families(const rocksdb::Options& options) {
  static const std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName, "meta", "expansions", "trees"};
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions(options));
  return families;
}

ReadableKeys FindReadableKeys(const Iterate& iterate, const SizeBelow& size_below) {
  ReadableKeys found;
  std::string from;
  for (;;) {
    const auto it = iterate();
    for (it->Seek(from); it->Valid(); it->Next()) found.keys.push_back(it->key().ToString());
    if (it->status().ok()) return found;
    std::string last = found.keys.empty() ? std::string() : found.keys.back();
    from = std::max(from, last);
    if (found.damaged_after.empty() || found.damaged_after.back() != last)
      found.damaged_after.push_back(std::move(last));
    auto next = PastNextBlock(from, size_below);
    if (!next) return found;
    from = *std::move(next);
  }
}

}  // namespace orrery::store
