// SPDX-License-Identifier: Apache-2.0
#include "sandbox/mappings.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
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
  uintptr_t offset = 0;
  unsigned long inode = 0;
  char access[5] = {};
  char path[2] = {};  // how it begins
  unsigned long anonymous_kilobytes = 0;

  bool ReadOnly() const { return access[0] == 'r' && access[1] == '-' && access[3] == 'p'; }
  bool Executable() const { return access[2] == 'x'; }
  bool Data() const { return access[0] == 'r' && access[2] == '-' && access[3] == 'p'; }
};

std::vector<Mapping> OwnMappings() {
  std::vector<Mapping> mappings;
  std::FILE* file = std::fopen("/proc/self/smaps", "re");
  if (file == nullptr) return mappings;
  char line[1024];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    Mapping next;  // "Anonymous" begins like a number
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNxPTR " %*s %lu %1s", &next.begin, &next.end, next.access,
                    &next.offset, &next.inode, next.path) >= 5) {
      mappings.push_back(next);
    } else if (!mappings.empty()) {
      std::sscanf(line, "Anonymous: %lu", &mappings.back().anonymous_kilobytes);
    }
  }
  std::fclose(file);
  return mappings;
}

// Libraries' data that holds pages of this process's own, with the zeroed data after it, neighbours as one piece.
std::vector<std::span<const char>> WrittenTo() {
  std::vector<std::span<const char>> found;
  for (const Mapping& mapping : OwnMappings()) {
    if (!mapping.Data() || mapping.anonymous_kilobytes == 0) continue;
    const auto* begin = reinterpret_cast<const char*>(mapping.begin);
    const size_t size = mapping.end - mapping.begin;
    const bool follows = !found.empty() && found.back().data() + found.back().size() == begin;
    if (mapping.path[0] != '/' && (mapping.path[0] != '\0' || !follows || size > kLargestZeroed)) continue;
    if (follows) {
      found.back() = {found.back().data(), found.back().size() + size};
    } else {
      found.emplace_back(begin, size);
    }
  }
  return found;
}

// A library's head, code and constants, which lie in its file as they do in memory, become one mapping: all executable.
void JoinCode() {
  const auto mappings = OwnMappings();
  for (size_t first = 0; first < mappings.size();) {
    size_t next = first;
    bool executable = false;
    const auto goes_on = [&] {
      const Mapping& mapping = mappings[next];
      if (!mapping.ReadOnly() || mapping.inode == 0 || mapping.anonymous_kilobytes != 0) return false;
      if (next == first) return true;
      const Mapping& last = mappings[next - 1];
      return mapping.inode == last.inode && mapping.begin == last.end &&
             mapping.offset == last.offset + (last.end - last.begin);
    };
    for (; next < mappings.size() && goes_on(); ++next) executable |= mappings[next].Executable();
    if (executable && next > first + 1) {
      mprotect(reinterpret_cast<void*>(mappings[first].begin), mappings[next - 1].end - mappings[first].begin,
               PROT_READ | PROT_EXEC);
    }
    first = std::max(next, first + 1);
  }
}

}  // namespace

void JoinMappings() {
  const auto pieces = WrittenTo();
  // From here until all is mapped nothing may change in those pieces, of which the C library's heap is one: system
  // calls alone.
  const int file = SealedFile(pieces);
  if (file < 0) return;
  off_t offset = 0;
  for (const auto& piece : pieces) {
    mmap(const_cast<char*>(piece.data()), piece.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, offset);
    offset += static_cast<off_t>(piece.size());
  }
  close(file);
  JoinCode();
}

}  // namespace orrery::sandbox
