// SPDX-License-Identifier: Apache-2.0
#include "sandbox/sealed.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace orrery::sandbox {
namespace {

bool WriteAll(int file, std::span<const char> piece) {
  while (!piece.empty()) {
    const ssize_t written = write(file, piece.data(), piece.size());
    if (written <= 0) return false;
    piece = piece.subspan(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

int SealedFile(std::span<const std::span<const char>> pieces) {
  const int file = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  bool good = file >= 0;
  for (const auto& piece : pieces) good = good && WriteAll(file, piece);
  if (good && fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0) return file;
  const int reason = errno;
  if (file >= 0) close(file);
  errno = reason;
  return -1;
}

}  // namespace orrery::sandbox
