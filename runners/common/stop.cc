// SPDX-License-Identifier: Apache-2.0
#include "runners/common/stop.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string_view>

namespace orrery::runners {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void OnSignal(int) {
  constexpr std::string_view kSoon = "\nstopping: what is in flight comes to its end first (again: at once)\n";
  constexpr std::string_view kNow = "\nstopped at once; what was acknowledged is kept\n";
  const bool second = requested.exchange(true);
  const std::string_view words = second ? kNow : kSoon;
  if (write(STDERR_FILENO, words.data(), words.size()) < 0) {
    // Nothing can be said; the stop itself still works.
  }
  if (second) _exit(130);
}

}  // namespace

void CatchStopSignals() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool StopRequested() { return requested.load(); }

}  // namespace orrery::runners
