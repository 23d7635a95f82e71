// SPDX-License-Identifier: Apache-2.0
#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/fault_point.h"

namespace orrery {
namespace {

constexpr size_t kPiece = size_t{1} << 20;  // bytes that are written at once

// `what` failed with errno.
Status Error(const std::string& path, std::string_view what) {
  return MakeStatus(CodeOfWriteError(errno), "{}: {} ({})", path, what, std::strerror(errno));
}

}  // namespace

StatusOr<AtomicFile> AtomicFile::Create(const std::filesystem::path& path) {
  AtomicFile atomic(path.string(), -1);
  atomic.file_ = open(atomic.Beside().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (atomic.file_ < 0) return Error(atomic.Beside(), "cannot be written");
  return atomic;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)), waiting_(std::move(other.waiting_)), file_(std::exchange(other.file_, -1)) {}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  close(file_);
  unlink(Beside().c_str());
}

Status AtomicFile::Write(std::string_view bytes) {
  waiting_ += bytes;
  return waiting_.size() < kPiece ? absl::OkStatus() : Flush();
}

Status AtomicFile::Flush() {
  switch (PassFaultPoint("export.write")) {
    case Fault::kFail: errno = EIO; return Error(Beside(), "writing failed");
    case Fault::kFull: errno = ENOSPC; return Error(Beside(), "writing failed");
    case Fault::kTear:
      if (write(file_, waiting_.data(), waiting_.size() / 2) >= 0) EndAtFault();
      EndAtFault();
    case Fault::kNone: break;
  }
  for (size_t done = 0; done < waiting_.size();) {
    const ssize_t written = write(file_, waiting_.data() + done, waiting_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error(Beside(), "writing failed");
    done += static_cast<size_t>(written);
  }
  waiting_.clear();
  return absl::OkStatus();
}

Status AtomicFile::Commit() {
  ORRERY_RETURN_IF_ERROR(Flush());
  if (PassFaultPoint("export.sync") != Fault::kNone) {
    errno = EIO;
    return Error(Beside(), "flushing failed");
  }
  if (fsync(file_) != 0) return Error(Beside(), "flushing failed");
  PassFaultPoint("export.rename");
  if (rename(Beside().c_str(), path_.c_str()) != 0) return Error(path_, "renaming failed");
  PassFaultPoint("export.renamed");
  close(std::exchange(file_, -1));
  return absl::OkStatus();
}

}  // namespace orrery
