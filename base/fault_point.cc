// SPDX-License-Identifier: Apache-2.0
#include "base/fault_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace orrery {
namespace {

struct Order {
  std::string point;
  uint64_t pass = 0;  // 0: nothing is ordered
  std::string action;
};

const Order& Ordered() {
  static const Order order = [] {
    const char* text = std::getenv("ORRERY_FAULT");
    if (text == nullptr) return Order();
    const std::string all = text;
    const size_t first = all.find(':'), second = all.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) return Order();
    return Order{all.substr(0, first), std::strtoull(all.c_str() + first + 1, nullptr, 10), all.substr(second + 1)};
  }();
  return order;
}

std::atomic<uint64_t> passes{0};
std::atomic<bool> full{false};

// On standard error, by one call: the process may be about to end.
void Tell(const Order& order) {
  const std::string line =
      "fault: " + order.point + ", pass " + std::to_string(order.pass) + ": " + order.action + "\n";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

}  // namespace

bool FaultsAreOn() { return Ordered().pass > 0; }

void EndAtFault() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

Fault PassFaultPoint(std::string_view point) {
  const Order& order = Ordered();
  if (order.pass == 0) return Fault::kNone;
  if (full.load() && point.ends_with("write")) return Fault::kFull;
  if (point != order.point || passes.fetch_add(1) + 1 != order.pass) return Fault::kNone;
  Tell(order);
  if (order.action == "kill") EndAtFault();
  if (order.action == "fail") return Fault::kFail;
  if (order.action == "tear") return Fault::kTear;
  if (order.action != "full") return Fault::kNone;
  full.store(true);
  return Fault::kFull;
}

}  // namespace orrery
