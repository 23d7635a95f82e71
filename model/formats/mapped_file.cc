// SPDX-License-Identifier: Apache-2.0
#include "model/formats/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace orrery::model {

StatusOr<MappedFile> MappedFile::Open(const std::filesystem::path& path, std::string_view expected) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return NotFound("{}: cannot be opened ({})", path.string(), std::strerror(errno));
  struct stat about {};
  if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
    close(file);
    return InvalidInput("{}: not a regular file; {} was expected", path.string(), expected);
  }
  MappedFile mapped;
  if (about.st_size == 0) {
    close(file);
    return mapped;
  }
  const auto size = static_cast<size_t>(about.st_size);
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  const int reason = errno;
  close(file);
  if (address == MAP_FAILED)
    return Failed("{}: cannot be mapped into memory ({})", path.string(), std::strerror(reason));
  mapped.bytes_ = std::span(static_cast<const uint8_t*>(address), size);
  return mapped;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

}  // namespace orrery::model
