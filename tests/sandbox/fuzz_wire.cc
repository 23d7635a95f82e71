// SPDX-License-Identifier: Apache-2.0
// Whatever bytes come: decoding ends, and what it takes for a message is written back as the same bytes.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "sandbox/wire.h"
#include "tests/model/fuzz.h"

namespace {

using namespace orrery::sandbox;

// As a stream in which anything may claim to be a frame.
void Framed(std::string_view bytes) {
  std::array<int, 2> ends{};
  if (bytes.size() > 4096 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) return;
  if (write(ends[0], bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  close(ends[0]);
  size_t left = bytes.size();
  for (auto frame = ReceiveFrame(ends[1], 1); frame.ok(); frame = ReceiveFrame(ends[1], 1)) {
    if (frame->size() + sizeof(uint32_t) > left) std::abort();
    left -= frame->size() + sizeof(uint32_t);
  }
  close(ends[1]);
}

template <class Message>
void Same(const orrery::StatusOr<Message>& message, std::string_view bytes) {
  if (message.ok() && Encode(*message) != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Same(DecodeRequest(bytes), bytes);
  Same(DecodeResult(bytes), bytes);
  Framed(bytes);
  // Their flags may be any byte that is not 0.
  const auto ready = DecodeReady(bytes);
  if (ready.ok() && Encode(*ready).size() != size) std::abort();
  const auto setup = DecodeSetup(bytes);
  if (setup.ok() && Encode(*setup).size() != size) std::abort();
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  std::mt19937_64 random(1);
  const std::string seeds[] = {Encode(StepRequest{{{"a", 1}, {"bc", 2}}, {"d", 3}}), Encode(StepResult{}),
                               Encode(Ready{"e", {{"f", true, "g"}}}),
                               Encode(Setup{1, 2, 3, 4, 5, true, "h", "i", "j", "k", "l"})};
  const orrery::fuzz::Budget budget(100000);
  uint64_t inputs = 0;
  for (; budget.Allows(inputs); ++inputs) {
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
  std::printf("%llu inputs\n", static_cast<unsigned long long>(inputs));
}
#endif
