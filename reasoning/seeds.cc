// SPDX-License-Identifier: Apache-2.0
#include "reasoning/seeds.h"

#include <string>

#include "base/random.h"

namespace orrery::reasoning {

uint64_t TreeRandomKey(uint64_t seed, std::string_view problem) { return HashParts({std::to_string(seed), problem}); }

uint64_t StepSeed(uint64_t tree_random_key, const std::vector<uint8_t>& path) {
  const RandomStream stream{tree_random_key,
                            HashParts({std::string_view(reinterpret_cast<const char*>(path.data()), path.size())})};
  return uint64_t{stream.Bits(Purpose::kSandboxSeed, 0)} << 32 | stream.Bits(Purpose::kSandboxSeed, 1);
}

}  // namespace orrery::reasoning
