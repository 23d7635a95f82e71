// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counter-based random numbers: a draw is a pure function of (key, counter), so it depends on what it is for and never
// on who drew before.
//
// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

#include <array>
#include <cstdint>
#include <string_view>

namespace orrery {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// Ten rounds; known answer: counter 0, key 0 → 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key);

// 64 bits of SHA-256 over the parts, each preceded by its length: distinct lists of parts never collide by
// concatenation.
uint64_t HashParts(std::initializer_list<std::string_view> parts);

// What a draw is for: draws of different purposes never share a counter.
enum class Purpose : uint32_t {
  kSampleToken = 1,
  kSandboxSeed = 2,
  kShuffle = 3,
  kSimulate = 4,
  kInitialise = 5,
  kResample = 6
};

// One stream of draws: a campaign has one per (seed, problem, node path, candidate).
struct RandomStream {
  uint64_t key = 0;     // hash of (seed, problem id)
  uint64_t stream = 0;  // hash of (node path, candidate)

  // 32 random bits of draw `index` (for tokens: the position among the stream's new tokens; below 2^24).
  uint32_t Bits(Purpose purpose, uint32_t index) const;
  // Uniform in [0, 1), 24 bits: exact in float.
  float Uniform(Purpose purpose, uint32_t index) const;
};

}  // namespace orrery
