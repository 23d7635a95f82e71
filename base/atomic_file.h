// SPDX-License-Identifier: Apache-2.0
#pragma once

// A large file written piece by piece, of which nobody ever sees half.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery {

// Written as PATH.partial; Commit flushes it to the disk and renames it. Without a Commit it is removed again.
class AtomicFile {
 public:
  static StatusOr<AtomicFile> Create(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  Status Write(std::string_view bytes);
  // A reader of PATH sees the old content before it and the new one after it.
  Status Commit();

 private:
  AtomicFile(std::string path, int file) : path_(std::move(path)), file_(file) {}
  std::string Beside() const { return path_ + ".partial"; }
  Status Flush();

  std::string path_;
  std::string waiting_;
  int file_ = -1;
};

}  // namespace orrery
