// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <cstring>
#include <string>

#include "base/digest.h"

namespace orrery {

PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = kMultiplier0 * counter[0];
    const uint64_t p1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

uint64_t HashParts(std::initializer_list<std::string_view> parts) {
  Sha256 hash;
  for (std::string_view part : parts) hash.UpdateSized(part);
  const auto bytes = hash.Finish();
  uint64_t value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

uint32_t RandomStream::Bits(Purpose purpose, uint32_t index) const {
  const PhiloxCounter counter = {index / 4, static_cast<uint32_t>(purpose), static_cast<uint32_t>(stream),
                                 static_cast<uint32_t>(stream >> 32)};
  return Philox4x32(counter, {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)})[index % 4];
}

float RandomStream::Uniform(Purpose purpose, uint32_t index) const {
  return static_cast<float>(Bits(purpose, index) >> 8) * 0x1p-24F;
}

}  // namespace orrery
