// SPDX-License-Identifier: Apache-2.0
#include "sandbox/arenas.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace orrery::sandbox {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kBlock = size_t{16} << 20;
constexpr int kHeap = 96 << 20;  // the warm interpreter's share of the C library's heap is about half of it
constexpr int kOrdinaryTopPad = 128 << 10;
constexpr size_t kLargestHole = 120 << 10;  // below what the C library maps apart

struct Arenas {
  bool huge = true;
  char* next = nullptr;  // the rest of the current block
  char* end = nullptr;
  std::vector<char*> blocks;

  bool Holds(const void* memory) const {
    const auto* address = static_cast<const char*>(memory);
    return std::ranges::any_of(blocks, [&](const char* block) { return address >= block && address < block + kBlock; });
  }
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
  arenas.blocks.push_back(arenas.next);
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

constexpr size_t kLargestSmallObject = 512;  // what Python takes from its arenas, in classes of 16 bytes
constexpr size_t kSmallestPiece = 24;

// Takes what is free in the arenas on huge pages, for good.
void FillArenas() {
  for (size_t size = 16; size <= kLargestSmallObject; size += 16) {
    const void* object = nullptr;
    do {
      object = PyObject_Malloc(size);
    } while (object != nullptr && arenas.Holds(object));
  }
}

// The same for the C library's heap up to where it now ends.
void FillHeap() {
  const void* top = sbrk(0);
  for (size_t size = kLargestHole; size >= kSmallestPiece; size -= size > 1024 ? size / 8 : 16) {
    void* piece = nullptr;
    do {
      piece = malloc(size);
    } while (piece != nullptr && piece < top);
    free(piece);
  }
}

}  // namespace

void UseHugePages() {
  // The heap grows in one go before anything is in it: pages become huge when they are first touched, or not at all.
  mallopt(M_TOP_PAD, kHeap);
  std::array<void*, 4> pieces{};
  for (void*& piece : pieces) piece = malloc(kOrdinaryTopPad / 2);  // more than the little that is there already
  const uintptr_t start = (reinterpret_cast<uintptr_t>(pieces[0]) + kHugePage - 1) / kHugePage * kHugePage;
  const auto end = reinterpret_cast<uintptr_t>(sbrk(0));
  if (end > start) madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
  for (void* piece : pieces) free(piece);
  PyObjectArenaAllocator allocator{&arenas, &Allocate, &Free};
  PyObject_SetArenaAllocator(&allocator);
}

void UseOrdinaryPages() {
  arenas.huge = false;
  // The free end of the heap goes back when a piece next to it is freed; malloc_trim would tear holes into huge pages.
  mallopt(M_TRIM_THRESHOLD, kOrdinaryTopPad);
  SettleHeap();
}

void SettleHeap() {
  mallopt(M_TOP_PAD, kOrdinaryTopPad);  // whatever is set, it first merges the small pieces that were freed
  // A piece larger than those: they are put in their order while it is looked for.
  void* volatile piece = malloc(kOrdinaryTopPad - (8 << 10));  // volatile: else the compiler drops the pair
  free(piece);
  FillArenas();
  FillHeap();
}

}  // namespace orrery::sandbox
