// SPDX-License-Identifier: Apache-2.0
#include "sandbox/arenas.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <sys/mman.h>

#include <cstdint>

namespace orrery::sandbox {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kBlock = size_t{16} << 20;

struct Arenas {
  bool huge = true;
  char* next = nullptr;  // the rest of the current block
  char* end = nullptr;
};

void* Map(size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

bool StartBlock(Arenas& arenas) {
  auto* memory = static_cast<char*>(Map(kBlock + kHugePage));
  if (memory == nullptr) return false;
  const auto address = reinterpret_cast<uintptr_t>(memory);
  arenas.next = memory + (kHugePage - address % kHugePage) % kHugePage;
  arenas.end = arenas.next + kBlock;
  madvise(arenas.next, kBlock, MADV_HUGEPAGE);  // a kernel without huge pages only makes forks slower
  return true;
}

void* Allocate(void* context, size_t size) {
  auto& arenas = *static_cast<Arenas*>(context);
  if (!arenas.huge || size > kBlock) return Map(size);
  if (static_cast<size_t>(arenas.end - arenas.next) < size && !StartBlock(arenas)) return nullptr;
  void* arena = arenas.next;
  arenas.next += size;
  return arena;
}

void Free(void*, void* arena, size_t size) { munmap(arena, size); }

Arenas arenas;

}  // namespace

void UseHugePageArenas() {
  PyObjectArenaAllocator allocator{&arenas, &Allocate, &Free};
  PyObject_SetArenaAllocator(&allocator);
}

void UseOrdinaryArenas() { arenas.huge = false; }

}  // namespace orrery::sandbox
