// SPDX-License-Identifier: Apache-2.0
// The supervisor's program: process 1 of the sandbox's namespaces. Started by Sandbox::Start with descriptor 3 as its
// socket.

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>

#include "sandbox/guards.h"
#include "sandbox/supervisor.h"

namespace orrery::sandbox {
namespace {

constexpr int kClient = 3;
constexpr double kWarmSeconds = 120;  // a cold disk and a busy machine; warm, it takes about one

int Serve() {
  close_range(kClient, ~0U, CLOSE_RANGE_CLOEXEC);
  const auto message = ReceiveFrame(kClient, -1);
  if (!message.ok()) return 1;
  const auto setup = DecodeSetup(*message);
  if (!setup.ok()) {
    std::fprintf(stderr, "the sandbox's supervisor: %s\n", Message(setup.status()).c_str());
    return 1;
  }
  // The one that waits for us is bubblewrap, whose end must be ours. Without walls it is a thread of the caller's,
  // whose end means nothing.
  if (setup->walls) prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto zygote = StartZygote(*setup, kWarmSeconds);
  Ready ready;
  if (zygote.ok()) {
    ready.guards = DescribeGuards(*zygote, *setup);
  } else {
    ready.error = Message(zygote.status());
  }
  if (!SendFrame(kClient, Encode(ready)).ok() || !zygote.ok()) return 1;
  Supervisor supervisor(kClient, *setup, std::move(*zygote));
  while (!supervisor.broken() && supervisor.WaitForRequest()) {
    const auto frame = ReceiveFrame(kClient, -1);
    const auto request = frame.ok() ? DecodeRequest(*frame) : StatusOr<StepRequest>(frame.status());
    if (!request.ok() || !SendFrame(kClient, Encode(supervisor.Run(*request))).ok()) return 0;
  }
  return 0;
}

}  // namespace
}  // namespace orrery::sandbox

int main() { return orrery::sandbox::Serve(); }
