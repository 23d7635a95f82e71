// SPDX-License-Identifier: Apache-2.0
#pragma once

// The clock that durations and deadlines are told by. It never goes back; what time of day it is, it does not know.

#include <chrono>

namespace orrery {

using Clock = std::chrono::steady_clock;

inline double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

inline Clock::time_point SecondsFromNow(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace orrery
