// SPDX-License-Identifier: Apache-2.0
#pragma once

// Drives a libFuzzer entry with seeded mutations of given inputs, so that a fuzz target is also an ordinary test. The
// same file compiled by clang with -fsanitize=fuzzer and -DORRERY_LIBFUZZER takes its inputs from libFuzzer instead.
//
// ORRERY_FUZZ_RUNS sets the number of inputs (default: the target's own), ORRERY_FUZZ_SECONDS a time in its place,
// ORRERY_FUZZ_SEED the first seed.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace orrery::fuzz {

inline uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

// How long a target goes on: so many inputs, or so long a time where the environment says one, which the tests of a
// target that has several share.
class Budget {
 public:
  explicit Budget(uint64_t inputs, uint64_t tests = 1)
      : inputs_(inputs),
        seconds_(FromEnvironment("ORRERY_FUZZ_SECONDS", 0)),
        end_(std::chrono::steady_clock::now() + std::chrono::milliseconds(1000 * seconds_ / tests)) {}

  bool Allows(uint64_t input) const { return seconds_ > 0 ? std::chrono::steady_clock::now() < end_ : input < inputs_; }

 private:
  const uint64_t inputs_, seconds_;
  const std::chrono::steady_clock::time_point end_;
};

// Between one and eight edits: bits flipped, bytes and numbers of 4 or 8 bytes replaced by telling values, pieces cut,
// doubled, moved.
inline std::string Mutate(std::string input, std::mt19937_64& random) {
  const auto below = [&](size_t limit) { return limit == 0 ? 0 : static_cast<size_t>(random() % limit); };
  constexpr uint64_t kTelling[] = {0,
                                   1,
                                   2,
                                   31,
                                   32,
                                   33,
                                   127,
                                   128,
                                   255,
                                   256,
                                   65535,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x100000000,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   0xfffffffffffffff0,
                                   ~uint64_t{0}};
  for (size_t edits = 1 + below(8); edits > 0; --edits) {
    const size_t at = below(input.size());
    const size_t length = 1 + below(16);
    switch (below(7)) {
      case 0:
        if (!input.empty()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<char>(random());
        break;
      case 2:
      case 3: {
        const uint64_t value = kTelling[below(std::size(kTelling))];
        const size_t bytes = below(2) == 0 ? 4 : 8;
        for (size_t i = 0; i < bytes && at + i < input.size(); ++i) input[at + i] = static_cast<char>(value >> (8 * i));
        break;
      }
      case 4: input.erase(at, length); break;
      case 5: input.insert(at, input.substr(below(input.size()), length)); break;
      default:
        if (below(4) == 0) input.resize(at);
        break;
    }
  }
  return input;
}

inline int Drive(const std::vector<std::string>& seeds, uint64_t runs) {
  std::mt19937_64 random(FromEnvironment("ORRERY_FUZZ_SEED", 1));
  const auto one = [](const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  };
  for (const std::string& seed : seeds) one(seed);
  const Budget budget(FromEnvironment("ORRERY_FUZZ_RUNS", runs));
  uint64_t inputs = 0;
  for (; budget.Allows(inputs); ++inputs) one(Mutate(seeds[random() % seeds.size()], random));
  std::printf("%llu inputs\n", static_cast<unsigned long long>(inputs));
  return 0;
}

}  // namespace orrery::fuzz
