// SPDX-License-Identifier: Apache-2.0
// Whatever a guest writes to its report socket and its output pipe: the supervisor's reading ends, keeps its limits,
// and what it sends on is valid UTF-8 that its client reads back.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "sandbox/running_step.h"
#include "sandbox/text.h"
#include "tests/model/fuzz.h"

namespace {

using namespace orrery::sandbox;

constexpr uint64_t kOutputLimit = 100;

void Expect(bool what) {
  if (!what) std::abort();
}

// The input: pieces, each a byte of kind and length and so many bytes, to the report socket or to the output.
void Play(std::string_view input, StepDescriptors* guest, RunningStep* step) {
  while (!input.empty()) {
    const auto head = static_cast<uint8_t>(input.front());
    input.remove_prefix(1);
    const std::string_view piece = input.substr(0, head >> 1);
    input.remove_prefix(piece.size());
    if ((head & 1) != 0) {
      // A full socket or pipe is the guest's own loss.
      (void)!send(guest->report.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      step->ReadReport();
    } else {
      (void)!write(guest->output.get(), piece.data(), piece.size());
      step->ReadOutput();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  RunningStep step(kOutputLimit);
  auto guest = step.Open({"pass", 1});
  Expect(guest.has_value());
  const std::string_view input(reinterpret_cast<const char*>(data), std::min<size_t>(size, 30'000));
  Play(input, &*guest, &step);
  step.paused = Paused{1, step.pid, kPauseMagic, static_cast<Pause>(input.size() % 6), 0};
  StepResult result;
  step.Conclude(input.size() % 7 == 0, 5, result);
  Expect(EscapeInvalidUtf8(result.output) == result.output && EscapeInvalidUtf8(result.error) == result.error);
  Expect(result.output.size() <= 4 * kOutputLimit);  // a byte that is no text becomes four
  Expect(result.error.size() <= 4 * kMaxErrorBytes);
  Expect(step.pid == 0 || step.pid == getpid());
  const auto back = DecodeResult(Encode(result));
  Expect(back.ok() && back->output == result.output && back->error == result.error);
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  const std::string hello(kHello, sizeof(kHello));
  const auto piece = [](bool report, const std::string& bytes) {
    return static_cast<char>(bytes.size() << 1 | (report ? 1 : 0)) + bytes;
  };
  return orrery::fuzz::Drive(
      {piece(true, hello) + piece(false, "42\n") + piece(true, "ValueError: x"),
       piece(true, hello) + piece(false, "\xE2\x88") + piece(false, "\x91\xFF\n"),
       piece(false, std::string(60, 'a')) + piece(false, std::string(60, 'b')) + piece(true, "")},
      100000);
}
#endif
