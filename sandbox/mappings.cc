// SPDX-License-Identifier: Apache-2.0
#include "sandbox/mappings.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ranges>
#include <vector>

namespace orrery::sandbox {
namespace {

struct Range {
  uintptr_t begin = 0, end = 0;
  size_t size() const { return end - begin; }
};

// Private mappings of files that hold pages of this process's own and nothing executable.
std::vector<Range> WrittenTo() {
  std::vector<Range> ranges;
  std::FILE* file = std::fopen("/proc/self/smaps", "re");
  if (file == nullptr) return ranges;
  Range range;
  bool of_file = false;
  char line[1024];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    Range next;  // "Anonymous" begins like a number
    char access[5] = {}, path[2] = {};
    unsigned long kilobytes = 0;
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %1s", &next.begin, &next.end, access, path) >= 3) {
      range = next;
      of_file = path[0] == '/' && access[0] == 'r' && access[2] == '-' && access[3] == 'p';
    } else if (of_file && std::sscanf(line, "Anonymous: %lu", &kilobytes) == 1 && kilobytes > 0) {
      ranges.push_back(range);
    }
  }
  std::fclose(file);
  return ranges;
}

// In one piece, since what the C library or this program keeps there is gone until it is copied back.
void Replace(const Range& range, const char* saved) {
  register long flags asm("r10") = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  register long file asm("r8") = -1;
  register long offset asm("r9") = 0;
  long result = SYS_mmap;
  uintptr_t to = range.begin;
  const char* from = saved;
  size_t size = range.size();
  asm volatile(
      "mov %[from], %%r12\n\t"
      "mov %[size], %%rsi\n\t"
      "mov %[protection], %%edx\n\t"
      "syscall\n\t"
      "cmp %%rdi, %%rax\n\t"
      "jne 1f\n\t"
      "mov %%r12, %%rsi\n\t"
      "mov %[size], %%rcx\n\t"
      "cld\n\t"
      "rep movsb\n\t"
      "1:"
      : "+a"(result), "+D"(to)
      : [from] "r"(from), [size] "r"(size), [protection] "i"(PROT_READ | PROT_WRITE), "r"(flags), "r"(file), "r"(offset)
      : "rsi", "rdx", "rcx", "r11", "r12", "memory", "cc");
}

}  // namespace

void JoinMappings() {
  const std::vector<Range> ranges = WrittenTo();
  size_t largest = 0;
  for (const Range& range : ranges) largest = std::max(largest, range.size());
  std::vector<char> saved(largest);
  // From above: what is put in joins the older piece above it, and the next one that.
  for (const Range& range : ranges | std::views::reverse) {
    std::memcpy(saved.data(), reinterpret_cast<const void*>(range.begin), range.size());
    Replace(range, saved.data());
  }
}

}  // namespace orrery::sandbox
