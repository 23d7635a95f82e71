// SPDX-License-Identifier: Apache-2.0
// Whatever bytes come: decoding ends, and what it takes for a message is written back as the same bytes.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "sandbox/wire.h"

namespace {

using namespace orrery::sandbox;

template <class Message>
void Same(const orrery::StatusOr<Message>& message, std::string_view bytes) {
  if (message.ok() && Encode(*message) != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Same(DecodeRequest(bytes), bytes);
  Same(DecodeResult(bytes), bytes);
  Same(DecodeReady(bytes), bytes);
  const auto setup = DecodeSetup(bytes);  // its flag may be any byte that is not 0
  if (setup.ok() && Encode(*setup).size() != size) std::abort();
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  std::mt19937_64 random(1);
  const std::string seeds[] = {Encode(StepRequest{{{"a", 1}, {"bc", 2}}, {"d", 3}}), Encode(StepResult{}),
                               Encode(Ready{"e", {"f", "g"}}), Encode(Setup{1, 2, 3, 4, 5, true, "h", "i", "j", "k"})};
  for (int i = 0; i < 300000; ++i) {
    std::string bytes = seeds[random() % std::size(seeds)];
    for (uint64_t changes = random() % 5; changes > 0; --changes) {
      const size_t at = bytes.empty() ? 0 : random() % bytes.size();
      switch (random() % 4) {
        case 0: bytes.resize(at); break;
        case 1: bytes.insert(at, 1 + random() % 9, static_cast<char>(random())); break;
        case 2:
          if (!bytes.empty()) bytes[at] = static_cast<char>(random());
          break;
        default:
          if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
      }
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  std::puts("300000 inputs");
}
#endif
