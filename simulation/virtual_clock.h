// SPDX-License-Identifier: Apache-2.0
#pragma once

// A clock that jumps from one event to the next: what is to happen is told with its time, and happens in the order of
// times; of equal times in the order of telling.

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace orrery::simulation {

class VirtualClock {
 public:
  double now() const { return now_; }  // seconds since the beginning

  void After(double seconds, std::function<void()> act) { events_.push({now_ + seconds, next_++, std::move(act)}); }

  // False where nothing more is to happen.
  bool Step() {
    if (events_.empty()) return false;
    // The queue's top is const only to keep the order, which depends on neither part that is moved.
    Event event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    now_ = event.time;
    event.act();
    return true;
  }

 private:
  struct Event {
    double time;
    uint64_t number;
    std::function<void()> act;
    bool operator<(const Event& other) const { return std::pair(time, number) > std::pair(other.time, other.number); }
  };
  double now_ = 0;
  uint64_t next_ = 0;
  std::priority_queue<Event> events_;
};

}  // namespace orrery::simulation
