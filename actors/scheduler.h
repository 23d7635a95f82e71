// SPDX-License-Identifier: Apache-2.0
#pragma once

// The settings of a campaign's actor system, and CAF's work-sharing scheduler, but for one thing: an actor that ends
// leaves the clock's thread alone.
//
// CAF 0.17 tells the clock twice of every actor that ends, so that it drops the actor's time-outs, and wakes the
// clock's thread for it. No actor of ours sets any (requests wait without a limit), and trees end by the hundred
// thousand with some fifty actors each: it was 7% of the time of such a campaign.

#include <atomic>
#include <caf/all.hpp>
#include <caf/policy/work_sharing.hpp>
#include <caf/scheduler/coordinator.hpp>

#include "actors/interfaces.h"

namespace orrery::actors {

// Passes all on to another clock, but no cancelling where nothing was ever set.
class QuietClock final : public caf::detail::thread_safe_actor_clock {
 public:
  explicit QuietClock(thread_safe_actor_clock& clock) : clock_(clock) {}

  time_point now() const noexcept override { return clock_.now(); }
  void set_ordinary_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type, uint64_t id) override;
  void set_request_timeout(time_point t, caf::abstract_actor* self, caf::message_id id) override;
  void set_multi_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type, uint64_t id) override;
  void cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) override;
  void cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) override;
  void cancel_timeouts(caf::abstract_actor* self) override;
  void schedule_message(time_point t, caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content) override;
  void schedule_message(time_point t, caf::group target, caf::strong_actor_ptr sender, caf::message content) override;
  void cancel_all() override { clock_.cancel_all(); }

 private:
  thread_safe_actor_clock& clock_;
  std::atomic<bool> any_set_{false};
};

// Loaded by caf::actor_system_config::load.
class Scheduler final : public caf::scheduler::coordinator<caf::policy::work_sharing> {
 public:
  using Base = caf::scheduler::coordinator<caf::policy::work_sharing>;

  explicit Scheduler(caf::actor_system& system) : Base(system), quiet_(Base::clock()) {}

  static caf::actor_system::module* make(caf::actor_system& system, caf::detail::type_list<>) {
    return new Scheduler(system);
  }

  caf::detail::thread_safe_actor_clock& clock() noexcept override { return quiet_; }

 private:
  QuietClock quiet_;
};

// How a campaign's actors run. Work stealing collapses with many actors; sharing does not. A bounded number of messages
// a turn keeps actors fair to each other.
struct SystemConfig : caf::actor_system_config {
  explicit SystemConfig(int threads) {
    add_message_types<caf::id_block::orrery>();
    load<Scheduler>();
    set("scheduler.max-threads", static_cast<size_t>(threads));
    set("scheduler.max-throughput", static_cast<size_t>(200));
  }
};

}  // namespace orrery::actors
