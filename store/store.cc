// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <rocksdb/db.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/fault_point.h"
#include "store/copy.h"
#include "store/keys.h"
#include "store/rocks.h"

namespace orrery::store {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "1";  // of keys and column families; a record's own format is its schema
constexpr std::string_view kMarkPrefix = "mark/";

// A folder that can be written to, made if it is not there.
Status PrepareFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return InvalidInput("cannot make the store's folder {}: {}", folder.string(), error.message());
  if (!fs::is_directory(folder, error)) return InvalidInput("the store's folder {} is a file", folder.string());
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    return InvalidInput("the store's folder {} is not writable: {}", folder.string(),
                        std::error_code(errno, std::generic_category()).message());
  return absl::OkStatus();
}

class RocksStore final : public Store {
 public:
  RocksStore(fs::path folder, rocksdb::DB* db, std::vector<rocksdb::ColumnFamilyHandle*> families, bool writable,
             Status damage = absl::OkStatus())
      : folder_(std::move(folder)),
        db_(db),
        families_(std::move(families)),
        writable_(writable),
        damage_(std::move(damage)) {}

  ~RocksStore() override {
    for (rocksdb::ColumnFamilyHandle* family : families_) db_->DestroyColumnFamilyHandle(family);
    db_->Close();
  }

  // Reads who the store belongs to; a new store becomes `fingerprint`'s.
  Status Claim(std::string_view fingerprint, std::string_view configuration);
  Status ReadIdentity();

  std::string fingerprint() const override { return fingerprint_; }
  Status damage() const override { return damage_; }
  void PutExpansion(std::string_view problem, const Path& path, const ExpansionChunk& expansion) override;
  void PutTree(std::string_view problem, const TreeChunk& tree) override;
  Status Commit() override;
  StatusOr<std::vector<ExpansionChunk>> Expansions(std::string_view problem) const override;
  StatusOr<std::optional<TreeChunk>> Tree(std::string_view problem) const override;
  Status ForEachTree(const std::function<bool(std::string_view, const TreeChunk&)>& visit) const override;
  StatusOr<std::vector<std::string>> ProblemsBeginningWith(std::string_view prefix, size_t most) const override;
  Status ForEachReadableTree(const VisitTree& visit) const override;
  Status ForEachReadableExpansion(const VisitExpansion& visit) const override;
  Status Compact() override;
  Status PutMark(std::string_view key, std::string_view value) override;
  StatusOr<std::optional<std::string>> Mark(std::string_view key) const override;
  StoreCounters Counters() const override;

 private:
  StatusOr<std::optional<std::string>> Get(const rocksdb::ReadOptions& options, Family family,
                                           std::string_view key) const;
  StatusOr<std::optional<TreeChunk>> TreeAt(const rocksdb::ReadOptions& options, std::string_view problem) const;
  Status ReadMemo(const rocksdb::ReadOptions& options, std::string_view problem,
                  std::map<Path, ExpansionChunk>* found) const;
  // Every record of a family that can be read, in the order of keys; what cannot is told as an error, after the key
  // before it.
  using VisitBytes = std::function<bool(std::string_view key, const StatusOr<std::string_view>& bytes)>;
  Status ForEachReadable(Family family, const VisitBytes& visit) const;
  bool Empty() const;
  // Writes with an fsync; the first error stays, and every later write answers with it.
  Status Write(rocksdb::WriteBatch* batch, std::string_view trying);

  const fs::path folder_;
  const std::unique_ptr<rocksdb::DB> db_;
  const std::vector<rocksdb::ColumnFamilyHandle*> families_;
  const bool writable_;
  const Status damage_;  // what opening had to pass over
  std::string fingerprint_;

  mutable std::mutex mutex_;  // guards all below
  rocksdb::WriteBatch queued_;
  uint64_t queued_expansions_ = 0;
  uint64_t queued_trees_ = 0;
  Status broken_;
  StoreCounters counters_;
};

StatusOr<std::optional<std::string>> RocksStore::Get(const rocksdb::ReadOptions& options, Family family,
                                                     std::string_view key) const {
  std::string value;
  const rocksdb::Status status = db_->Get(options, families_[family], ToSlice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return Translated(status, folder_, "reading");
  return std::optional<std::string>(std::move(value));
}

bool RocksStore::Empty() const {
  for (Family family : {kExpansions, kTrees}) {
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}, families_[family]));
    it->SeekToFirst();
    if (it->Valid() || !it->status().ok()) return false;
  }
  return true;
}

Status RocksStore::ReadIdentity() {
  ORRERY_ASSIGN_OR_RETURN(const auto format, Get({}, kMeta, "format"));
  if (format && *format != kFormat) {
    return MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        "the store in {} has format {}, this program reads {}: use the program that wrote it, or choose another "
        "output folder",
        folder_.string(), *format, kFormat);
  }
  ORRERY_ASSIGN_OR_RETURN(const auto fingerprint, Get({}, kMeta, "fingerprint"));
  if (!fingerprint && !Empty()) return Corrupt("the store in {} has records and no fingerprint", folder_.string());
  fingerprint_ = fingerprint.value_or("");
  return absl::OkStatus();
}

Status RocksStore::Claim(std::string_view fingerprint, std::string_view configuration) {
  ORRERY_RETURN_IF_ERROR(ReadIdentity());
  if (fingerprint_ == fingerprint) return absl::OkStatus();
  if (!fingerprint_.empty()) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      "the store in {} belongs to another campaign: its fingerprint is {}, this configuration's is {}; "
                      "choose another output "
                      "folder, or the configuration that the store was made with",
                      folder_.string(), fingerprint_, fingerprint);
  }
  rocksdb::WriteBatch batch;
  batch.Put(families_[kMeta], "format", ToSlice(kFormat));
  batch.Put(families_[kMeta], "fingerprint", ToSlice(fingerprint));
  batch.Put(families_[kMeta], "configuration", ToSlice(configuration));
  ORRERY_RETURN_IF_ERROR(Write(&batch, "writing its fingerprint"));
  fingerprint_ = fingerprint;
  return absl::OkStatus();
}

void RocksStore::PutExpansion(std::string_view problem, const Path& path, const ExpansionChunk& expansion) {
  const std::lock_guard lock(mutex_);
  queued_.Put(families_[kExpansions], ExpansionKey(problem, path.data(), path.size()), ToSlice(expansion.bytes()));
  ++queued_expansions_;
}

void RocksStore::PutTree(std::string_view problem, const TreeChunk& tree) {
  const std::lock_guard lock(mutex_);
  queued_.Put(families_[kTrees], ToSlice(problem), ToSlice(tree.bytes()));
  ++queued_trees_;
  if (tree->expansions() == nullptr) return;
  // One by one: an expansion that the record does not hold was paid for too, and stays in the memo.
  for (const schema::Expansion* expansion : *tree->expansions()) {
    const auto* path = expansion->path();
    queued_.Delete(families_[kExpansions],
                   path == nullptr ? ProblemPrefix(problem) : ExpansionKey(problem, path->data(), path->size()));
  }
}

Status RocksStore::Write(rocksdb::WriteBatch* batch, std::string_view trying) {
  {
    const std::lock_guard lock(mutex_);
    if (!writable_)
      return MakeStatus(absl::StatusCode::kFailedPrecondition, "the store in {} was opened for reading alone",
                        folder_.string());
    if (!broken_.ok()) return broken_;
  }
  rocksdb::WriteOptions options;
  options.sync = true;
  PassFaultPoint("commit");
  const rocksdb::Status status = db_->Write(options, batch);
  PassFaultPoint("committed");
  if (status.ok()) return absl::OkStatus();
  const std::lock_guard lock(mutex_);
  broken_ = Translated(status, folder_, trying);
  return broken_;
}

Status RocksStore::Commit() {
  rocksdb::WriteBatch batch;
  uint64_t expansions = 0, trees = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!broken_.ok()) return broken_;
    if (queued_.Count() == 0) return absl::OkStatus();
    std::swap(batch, queued_);
    expansions = std::exchange(queued_expansions_, 0);
    trees = std::exchange(queued_trees_, 0);
  }
  const auto start = Clock::now();
  ORRERY_RETURN_IF_ERROR(Write(&batch, "writing"));
  const std::lock_guard lock(mutex_);
  counters_.commit_seconds += SecondsSince(start);
  counters_.expansions_written += expansions;
  counters_.trees_written += trees;
  counters_.bytes_written += batch.GetDataSize();
  ++counters_.commits;
  return absl::OkStatus();
}

StatusOr<std::optional<TreeChunk>> RocksStore::TreeAt(const rocksdb::ReadOptions& options,
                                                      std::string_view problem) const {
  ORRERY_ASSIGN_OR_RETURN(const auto bytes, Get(options, kTrees, problem));
  if (!bytes) return std::optional<TreeChunk>();
  auto tree = TreeChunk::Verified(*bytes);
  if (!tree.ok())
    return Annotate(tree.status(), fmt::format("the store in {}, tree of problem {}", folder_.string(), problem));
  return std::optional<TreeChunk>(*std::move(tree));
}

StatusOr<std::optional<TreeChunk>> RocksStore::Tree(std::string_view problem) const { return TreeAt({}, problem); }

Status RocksStore::ReadMemo(const rocksdb::ReadOptions& options, std::string_view problem,
                            std::map<Path, ExpansionChunk>* found) const {
  const std::string prefix = ProblemPrefix(problem);
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, families_[kExpansions]));
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
    const std::string_view steps = ToView(it->key()).substr(prefix.size());
    auto expansion = ExpansionChunk::Verified(ToView(it->value()));
    if (!expansion.ok())
      return Annotate(expansion.status(),
                      fmt::format("the store in {}, an expansion of problem {}", folder_.string(), problem));
    (*found)[Path(steps.begin(), steps.end())] = *std::move(expansion);
  }
  return Translated(it->status(), folder_, "reading");
}

StatusOr<std::vector<ExpansionChunk>> RocksStore::Expansions(std::string_view problem) const {
  // One moment for both column families: a tree that finishes meanwhile moves its expansions from one to the other.
  rocksdb::ManagedSnapshot snapshot(db_.get());
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.snapshot();
  std::map<Path, ExpansionChunk> found;
  ORRERY_ASSIGN_OR_RETURN(const std::optional<TreeChunk> tree, TreeAt(options, problem));
  if (tree && (*tree)->expansions() != nullptr) {
    for (const schema::Expansion* expansion : *(*tree)->expansions()) {
      found[PathOf(*expansion)] = ExtractExpansion(*expansion);
    }
  }
  ORRERY_RETURN_IF_ERROR(ReadMemo(options, problem, &found));
  std::vector<ExpansionChunk> expansions;
  expansions.reserve(found.size());
  for (auto& [path, expansion] : found) expansions.push_back(std::move(expansion));
  return expansions;
}

Status RocksStore::ForEachTree(const std::function<bool(std::string_view, const TreeChunk&)>& visit) const {
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}, families_[kTrees]));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    auto tree = TreeChunk::Verified(ToView(it->value()));
    if (!tree.ok())
      return Annotate(tree.status(),
                      fmt::format("the store in {}, tree of problem {}", folder_.string(), ToView(it->key())));
    if (!visit(ToView(it->key()), *tree)) return absl::OkStatus();
  }
  return Translated(it->status(), folder_, "reading");
}

StatusOr<std::vector<std::string>> RocksStore::ProblemsBeginningWith(std::string_view prefix, size_t most) const {
  std::vector<std::string> keys;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}, families_[kTrees]));
  for (it->Seek(ToSlice(prefix)); it->Valid() && it->key().starts_with(ToSlice(prefix)) && keys.size() < most;
       it->Next())
    keys.push_back(it->key().ToString());
  ORRERY_RETURN_IF_ERROR(Translated(it->status(), folder_, "reading"));
  return keys;
}

Status RocksStore::ForEachReadable(Family family, const VisitBytes& visit) const {
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}, families_[family]));
  std::optional<std::string> last;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    last = it->key().ToString();
    if (!visit(*last, ToView(it->value()))) return absl::OkStatus();
  }
  if (!it->status().IsCorruption()) return Translated(it->status(), folder_, "reading");
  const Status damage = Translated(it->status(), folder_, "reading");
  const ReadableKeys readable = FindReadableKeys(
      [&] { return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator({}, families_[family])); },
      [&](const std::string& key) {
        const rocksdb::Range below("", key);
        uint64_t bytes = 0;
        (void)db_->GetApproximateSizes(rocksdb::SizeApproximationOptions(), families_[family], &below, 1, &bytes);
        return bytes;
      });
  for (const std::string& after : readable.damaged_after) {
    if (!visit(after, damage)) return absl::OkStatus();
  }
  for (const std::string& key : readable.keys) {
    if (last && key <= *last) continue;
    ORRERY_ASSIGN_OR_RETURN(const auto bytes, Get({}, family, key));
    if (bytes && !visit(key, std::string_view(*bytes))) return absl::OkStatus();
  }
  return absl::OkStatus();
}

Status RocksStore::ForEachReadableTree(const VisitTree& visit) const {
  return ForEachReadable(kTrees, [&](std::string_view key, const StatusOr<std::string_view>& bytes) {
    if (!bytes.ok()) return visit(key, bytes.status());
    return visit(key, TreeChunk::Verified(*bytes));
  });
}

Status RocksStore::ForEachReadableExpansion(const VisitExpansion& visit) const {
  return ForEachReadable(kExpansions, [&](std::string_view key, const StatusOr<std::string_view>& bytes) {
    const auto [problem, path] = SplitExpansionKey(key);
    if (!bytes.ok()) return visit(problem, path, bytes.status());
    return visit(problem, path, ExpansionChunk::Verified(*bytes));
  });
}

Status RocksStore::Compact() {
  if (!writable_)
    return MakeStatus(absl::StatusCode::kFailedPrecondition, "the store in {} was opened for reading alone",
                      folder_.string());
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    rocksdb::FlushOptions flush;
    ORRERY_RETURN_IF_ERROR(Translated(db_->Flush(flush, family), folder_, "compacting"));
    rocksdb::CompactRangeOptions options;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    ORRERY_RETURN_IF_ERROR(Translated(db_->CompactRange(options, family, nullptr, nullptr), folder_, "compacting"));
  }
  return absl::OkStatus();
}

Status RocksStore::PutMark(std::string_view key, std::string_view value) {
  rocksdb::WriteBatch batch;
  batch.Put(families_[kMeta], std::string(kMarkPrefix).append(key), ToSlice(value));
  return Write(&batch, "writing a mark");
}

StatusOr<std::optional<std::string>> RocksStore::Mark(std::string_view key) const {
  return Get({}, kMeta, std::string(kMarkPrefix).append(key));
}

StoreCounters RocksStore::Counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace

StatusOr<std::unique_ptr<Store>> Store::Open(const fs::path& folder, std::string_view fingerprint,
                                             std::string_view configuration) {
  if (fingerprint.empty()) return InvalidInput("the store in {} was given an empty fingerprint", folder.string());
  ORRERY_RETURN_IF_ERROR(PrepareFolder(folder));
  rocksdb::Options options = MakeOptions();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(rocksdb::DBOptions(options), folder.string(), Families(options), &families, &db);
  if (!status.ok()) return TranslatedOpen(status, folder);
  auto store = std::make_unique<RocksStore>(folder, db, std::move(families), true);
  ORRERY_RETURN_IF_ERROR(store->Claim(fingerprint, configuration));
  return store;
}

StatusOr<std::unique_ptr<Store>> Store::OpenReadOnly(const fs::path& folder, OnDamage on_damage) {
  std::error_code error;
  if (!fs::exists(folder / "CURRENT", error)) return NotFound("there is no store in {}", folder.string());
  rocksdb::Options options = MakeOptions();
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::DB* db = nullptr;
  const auto open = [&] {
    return rocksdb::DB::OpenForReadOnly(rocksdb::DBOptions(options), folder.string(), Families(options), &families,
                                        &db);
  };
  rocksdb::Status status = open();
  Status damage;
  if (status.IsCorruption() && on_damage == OnDamage::kPassOver) {
    damage = TranslatedOpen(status, folder);
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
    status = open();
  }
  if (!status.ok()) return TranslatedOpen(status, folder);
  auto store = std::make_unique<RocksStore>(folder, db, std::move(families), false, damage);
  ORRERY_RETURN_IF_ERROR(store->ReadIdentity());
  return store;
}

}  // namespace orrery::store
