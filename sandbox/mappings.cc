// SPDX-License-Identifier: Apache-2.0
#include "sandbox/mappings.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

#include "sandbox/sealed.h"

namespace orrery::sandbox {
namespace {

// What follows a library's data without a file is its zeroed data, unless it is larger: then it is a heap.
constexpr uintptr_t kLargestZeroed = uintptr_t{1} << 20;

struct Mapping {
  uintptr_t begin = 0, end = 0;
  char access[5] = {};
  char path[2] = {};  // how it begins
};

// Whether it is a library's data, or the zeroed data after it: private, nothing executable.
bool IsData(const Mapping& mapping, const std::vector<std::span<const char>>& found) {
  if (mapping.access[0] != 'r' || mapping.access[2] != '-' || mapping.access[3] != 'p') return false;
  if (mapping.path[0] != '\0') return mapping.path[0] == '/';
  const bool follows =
      !found.empty() && reinterpret_cast<uintptr_t>(found.back().data() + found.back().size()) == mapping.begin;
  return follows && mapping.end - mapping.begin <= kLargestZeroed;
}

// Libraries' data that holds pages of this process's own, neighbours as one piece.
std::vector<std::span<const char>> WrittenTo() {
  std::vector<std::span<const char>> found;
  std::FILE* file = std::fopen("/proc/self/smaps", "re");
  if (file == nullptr) return found;
  Mapping mapping;
  char line[1024];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    Mapping next;  // "Anonymous" begins like a number
    unsigned long kilobytes = 0;
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %1s", &next.begin, &next.end, next.access,
                    next.path) >= 3) {
      mapping = next;
    } else if (std::sscanf(line, "Anonymous: %lu", &kilobytes) == 1 && kilobytes > 0 && IsData(mapping, found)) {
      const auto* begin = reinterpret_cast<const char*>(mapping.begin);
      if (!found.empty() && found.back().data() + found.back().size() == begin) {
        found.back() = {found.back().data(), found.back().size() + (mapping.end - mapping.begin)};
      } else {
        found.emplace_back(begin, mapping.end - mapping.begin);
      }
    }
  }
  std::fclose(file);
  return found;
}

}  // namespace

void ShareLibraryData() {
  const auto pieces = WrittenTo();
  // From here until all is mapped nothing may change in those pieces, of which the C library's heap is one: system calls
  // alone.
  const int file = SealedFile(pieces);
  if (file < 0) return;
  off_t offset = 0;
  for (const auto& piece : pieces) {
    mmap(const_cast<char*>(piece.data()), piece.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, offset);
    offset += static_cast<off_t>(piece.size());
  }
  close(file);
}

}  // namespace orrery::sandbox
