// SPDX-License-Identifier: Apache-2.0
// The clock that ended actors leave alone still keeps time for those that ask it to.

#include "actors/scheduler.h"

#include <gtest/gtest.h>

#include <chrono>

namespace orrery::actors {
namespace {

using std::chrono::milliseconds;

class CountingClock final : public caf::detail::thread_safe_actor_clock {
 public:
  void set_request_timeout(time_point, caf::abstract_actor*, caf::message_id) override { ++set; }
  void cancel_timeouts(caf::abstract_actor*) override { ++cancelled; }

  int set = 0, cancelled = 0;
};

TEST(QuietClock, CancelsNothingUntilSomethingWasSet) {
  CountingClock counting;
  QuietClock quiet(counting);
  quiet.cancel_timeouts(nullptr);
  EXPECT_EQ(counting.cancelled, 0);
  quiet.set_request_timeout(quiet.now() + milliseconds(1), nullptr, {});
  quiet.cancel_timeouts(nullptr);
  EXPECT_EQ(counting.set, 1);
  EXPECT_EQ(counting.cancelled, 1);
}

caf::behavior Silent(caf::event_based_actor* self) {
  return {[self](int) { return self->make_response_promise(); }};
}

class SchedulerTest : public testing::Test {
 protected:
  caf::actor_system_config config_;
  caf::actor_system system_{config_.load<Scheduler>()};
};

TEST_F(SchedulerTest, ServesTheSystem) { EXPECT_NE(dynamic_cast<QuietClock*>(&system_.clock()), nullptr); }

TEST_F(SchedulerTest, ADelayedMessageComes) {
  caf::scoped_actor self(system_);
  const auto begin = std::chrono::steady_clock::now();
  self->delayed_send(self, milliseconds(20), 5);
  self->receive([](int five) { EXPECT_EQ(five, 5); });
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(20));
}

TEST_F(SchedulerTest, ARequestRunsOutOfTime) {
  caf::scoped_actor self(system_);
  auto silent = system_.spawn(Silent);
  caf::error heard;
  self->request(silent, milliseconds(20), 5).receive([](int) { FAIL(); }, [&](caf::error& error) { heard = error; });
  EXPECT_TRUE(heard == caf::sec::request_timeout || heard == caf::sec::request_receiver_down) << to_string(heard);
  self->send_exit(silent, caf::exit_reason::user_shutdown);
}

TEST_F(SchedulerTest, AnActorThatEndsTakesItsTimeOutsAlong) {
  for (int i = 0; i < 200; ++i) {
    auto asker = system_.spawn([silent = system_.spawn(Silent)](caf::event_based_actor* self) -> caf::behavior {
      self->request(silent, milliseconds(1), 5).then([](int) {});
      return {[](float) {}};
    });
    caf::anon_send_exit(asker, caf::exit_reason::user_shutdown);
  }
}  // the system waits for its actors: what a time-out still held would keep it for ever

}  // namespace
}  // namespace orrery::actors
