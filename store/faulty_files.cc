// SPDX-License-Identifier: Apache-2.0
#include "store/faulty_files.h"

#include <rocksdb/file_system.h>

#include <memory>
#include <string>
#include <utility>

#include "base/fault_point.h"

namespace orrery::store {
namespace {

using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// What a file is for, by its name: the first word of its points.
std::string KindOf(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  if (name.ends_with(".log")) return "log";
  if (name.ends_with(".sst")) return "table";
  return name.starts_with("MANIFEST") ? "manifest" : "other";
}

class FaultyFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyFile(std::unique_ptr<FSWritableFile>&& file, std::string kind)
      : FSWritableFileOwnerWrapper(std::move(file)), kind_(std::move(kind)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    return Write(data, options, debug, [&] { return FSWritableFileOwnerWrapper::Append(data, options, debug); });
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo& checksum,
                  IODebugContext* debug) override {
    return Write(data, options, debug,
                 [&] { return FSWritableFileOwnerWrapper::Append(data, options, checksum, debug); });
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return Flush([&] { return FSWritableFileOwnerWrapper::Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Flush([&] { return FSWritableFileOwnerWrapper::Fsync(options, debug); });
  }

 private:
  template <class Real>
  IOStatus Write(const Slice& data, const IOOptions& options, IODebugContext* debug, Real real) {
    switch (PassFaultPoint(kind_ + ".write")) {
      case Fault::kFail: return IOStatus::IOError("a write was made to fail");
      case Fault::kFull: return IOStatus::NoSpace("the disk was made full");
      case Fault::kTear:
        // As a power cut leaves it: a part is there, and is on the disk.
        FSWritableFileOwnerWrapper::Append(Slice(data.data(), data.size() / 2), options, debug).PermitUncheckedError();
        FSWritableFileOwnerWrapper::Sync(options, debug).PermitUncheckedError();
        EndAtFault();
      case Fault::kNone: break;
    }
    IOStatus status = real();
    PassFaultPoint(kind_ + ".written");
    return status;
  }

  template <class Real>
  IOStatus Flush(Real real) {
    if (PassFaultPoint(kind_ + ".sync") != Fault::kNone) return IOStatus::IOError("an fsync was made to fail");
    IOStatus status = real();
    PassFaultPoint(kind_ + ".synced");
    return status;
  }

  const std::string kind_;
};

class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  const char* Name() const override { return "FaultyFileSystem"; }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    return Wrapped(FileSystemWrapper::NewWritableFile(path, options, file, debug), path, file);
  }
  IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                              std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    return Wrapped(FileSystemWrapper::ReopenWritableFile(path, options, file, debug), path, file);
  }
  IOStatus ReuseWritableFile(const std::string& path, const std::string& old, const rocksdb::FileOptions& options,
                             std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    return Wrapped(FileSystemWrapper::ReuseWritableFile(path, old, options, file, debug), path, file);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
    if (PassFaultPoint("rename") != Fault::kNone) return IOStatus::IOError("a rename was made to fail");
    return FileSystemWrapper::RenameFile(from, to, options, debug);
  }

 private:
  static IOStatus Wrapped(IOStatus status, const std::string& path, std::unique_ptr<FSWritableFile>* file) {
    if (status.ok()) *file = std::make_unique<FaultyFile>(std::move(*file), KindOf(path));
    return status;
  }
};

}  // namespace

rocksdb::Env* StoreFiles() {
  if (!FaultsAreOn()) return rocksdb::Env::Default();
  // Never destroyed: RocksDB's own threads may outlive every static.
  static rocksdb::Env* const env =
      rocksdb::NewCompositeEnv(std::make_shared<FaultyFileSystem>(rocksdb::FileSystem::Default())).release();
  return env;
}

}  // namespace orrery::store
