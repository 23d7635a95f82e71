// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/emulator/emulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/context/fiber.hpp>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace orrery::kernels::cuda::emulator {
namespace {

namespace context = boost::context;

constexpr size_t kStackBytes = size_t{64} << 10;

// Thrown inside a fiber, caught at its foot.
struct Thrown {
  std::string what;
};

// Stacks that the blocks of a grid use one after the other.
class Stacks {
 public:
  explicit Stacks(int count) : memory_(new uint8_t[count * kStackBytes]) {
    for (int i = 0; i < count; ++i) free_.push_back(memory_.get() + (i + 1) * kStackBytes);
  }
  context::stack_context Take() {
    context::stack_context stack;
    stack.size = kStackBytes;
    stack.sp = free_.back();
    free_.pop_back();
    return stack;
  }
  void Give(const context::stack_context& stack) { free_.push_back(static_cast<uint8_t*>(stack.sp)); }

 private:
  std::unique_ptr<uint8_t[]> memory_;
  std::vector<uint8_t*> free_;
};

// The library's name for the two calls.
struct StackSource {
  Stacks* stacks;
  context::stack_context allocate() { return stacks->Take(); }             // NOLINT(readability-identifier-naming)
  void deallocate(context::stack_context& stack) { stacks->Give(stack); }  // NOLINT(readability-identifier-naming)
};

std::vector<int> Ordered(int count, Order order, std::mt19937_64& random) {
  std::vector<int> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  if (order == Order::kReverse) std::reverse(numbers.begin(), numbers.end());
  if (order == Order::kShuffled) {
    for (int i = count - 1; i > 0; --i) std::swap(numbers[i], numbers[random() % static_cast<uint64_t>(i + 1)]);
  }
  return numbers;
}

}  // namespace

class Block {
 public:
  Block(const Grid& grid, Dim index, Schedule schedule, std::mt19937_64& random, Stacks& stacks,
        const std::function<void(Context&, void*)>& body)
      : grid_(grid),
        index_(index),
        schedule_(schedule),
        random_(random),
        body_(body),
        shared_(grid.shared_bytes, 0xff) {
    contexts_.reserve(grid.threads);
    for (int t = 0; t < grid.threads; ++t) contexts_.emplace_back(*this, t);
    callers_.resize(grid.threads);
    for (int t = 0; t < grid.threads; ++t) {
      fibers_.emplace_back(std::allocator_arg, StackSource{&stacks}, [this, t](context::fiber&& caller) {
        callers_[t] = std::move(caller);
        try {
          body_(contexts_[t], shared_.data());
        } catch (const Thrown& thrown) {
          fault_ = {grid_.kernel, index_, t, thrown.what};
        }
        contexts_[t].place_ = Context::Place::kEnded;
        return std::move(callers_[t]);
      });
    }
  }

  std::optional<Fault> Run() {
    for (int ended = 0; ended < grid_.threads;) {
      bool moved = false;
      for (const int t : Ordered(grid_.threads, schedule_.order, random_)) {
        Context& thread = contexts_[t];
        if (thread.place_ != Context::Place::kRunning && thread.place_ != Context::Place::kYielded) continue;
        thread.place_ = Context::Place::kRunning;
        current = &thread;
        fibers_[t] = std::move(fibers_[t]).resume();
        current = nullptr;
        moved = true;
        if (fault_) return fault_;
        ended += thread.place_ == Context::Place::kEnded;
      }
      for (int first = 0; first < grid_.threads; first += kWarp)
        moved |= Release(first, first + kWarp, Context::Place::kShuffle);
      if (!moved && !Release(0, grid_.threads, Context::Place::kBarrier)) return Divergence();
    }
    return std::nullopt;
  }

  Dim index() const { return index_; }
  void Leave(int thread) { callers_[thread] = std::move(callers_[thread]).resume(); }
  uint64_t Slot(int thread, uint32_t shuffle) const { return contexts_[thread].slots_[shuffle % 2]; }

  static thread_local Context* current;

 private:
  // Lets threads [first, last) go on if all of them wait at the same line.
  bool Release(int first, int last, Context::Place place) {
    for (int t = first; t < last; ++t) {
      if (contexts_[t].place_ != place || contexts_[t].line_ != contexts_[first].line_) return false;
    }
    for (int t = first; t < last; ++t) contexts_[t].place_ = Context::Place::kRunning;
    return true;
  }

  static std::string Doing(const Context& thread) {
    switch (thread.place_) {
      case Context::Place::kBarrier: return fmt::format("waits at the barrier of line {}", thread.line_);
      case Context::Place::kShuffle: return fmt::format("waits in the shuffle of line {}", thread.line_);
      default: return "has ended";
    }
  }

  // Nobody can go on: two threads that wait for each other at different places.
  Fault Divergence() const {
    const auto waits = [](const Context& thread) { return thread.place_ != Context::Place::kEnded; };
    const auto one = std::find_if(contexts_.begin(), contexts_.end(), waits);
    const auto other = std::find_if(contexts_.begin(), contexts_.end(), [&](const Context& thread) {
      return thread.place_ != one->place_ || (waits(thread) && thread.line_ != one->line_);
    });
    return {grid_.kernel, index_, one->thread(),
            fmt::format("{}, but thread {} {}", Doing(*one), other->thread(), Doing(*other))};
  }

  const Grid& grid_;
  Dim index_;
  Schedule schedule_;
  std::mt19937_64& random_;
  const std::function<void(Context&, void*)>& body_;
  std::vector<uint8_t> shared_;
  std::vector<Context> contexts_;
  std::vector<context::fiber> callers_;
  std::optional<Fault> fault_;
  std::vector<context::fiber> fibers_;  // last: unwinding what has not ended still uses the rest
};

thread_local Context* Block::current = nullptr;

Dim Context::block() const { return owner_.index(); }

void Context::Wait(Place place, const std::source_location& where) {
  place_ = place;
  line_ = where.line();
  owner_.Leave(thread_);
}

void Context::Yield() {
  place_ = Place::kYielded;
  owner_.Leave(thread_);
}

uint64_t Context::Exchange(uint64_t bits, int lane, const std::source_location& where) {
  if (lane < 0 || lane >= kWarp) throw Thrown{fmt::format("a shuffle from lane {} of {}", lane, kWarp)};
  const uint32_t shuffle = shuffles_++;
  slots_[shuffle % 2] = bits;
  Wait(Place::kShuffle, where);
  return owner_.Slot(thread_ / kWarp * kWarp + lane, shuffle);
}

void OutOfBounds(const char* what, size_t index, size_t size) {
  throw Thrown{fmt::format("index {} of {} in {}", static_cast<int64_t>(index), size, what)};
}

std::string Fault::Text() const {
  return fmt::format("kernel {}, block ({}, {}), thread {}: {}", kernel, block.x, block.y, thread, what);
}

std::optional<Fault> Run(const Grid& grid, const Schedule& schedule, const std::function<void(Context&, void*)>& body) {
  std::mt19937_64 random(schedule.seed);
  Stacks stacks(grid.threads);
  for (const int b : Ordered(grid.blocks.x * grid.blocks.y, schedule.order, random)) {
    Block block(grid, {b % grid.blocks.x, b / grid.blocks.x}, schedule, random, stacks, body);
    if (std::optional<Fault> fault = block.Run()) return fault;
  }
  return std::nullopt;
}

}  // namespace orrery::kernels::cuda::emulator
