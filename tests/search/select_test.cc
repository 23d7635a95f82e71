// SPDX-License-Identifier: Apache-2.0
#include "search/select.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace orrery::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Child Visited(uint32_t visits, double value_sum, uint32_t virtual_visits = 0) {
  return {
      .valid = true, .exhausted = false, .visits = visits, .virtual_visits = virtual_visits, .value_sum = value_sum};
}

TEST(Preset, TableOfTheMethods) {
  const Rules r1 = Preset("paper-r1").value();
  EXPECT_EQ(r1.rollouts, 8);
  EXPECT_EQ(r1.candidates, 5);
  EXPECT_EQ(r1.temperature, 0.7);
  EXPECT_EQ(r1.wave, 1);
  EXPECT_EQ(r1.exploration, 2);
  EXPECT_EQ(r1.unvisited, Unvisited::kInfinite);
  EXPECT_EQ(r1.dead_end, DeadEndBackup::kPath);
  EXPECT_EQ(r1.tolerated_errors, 0);
  EXPECT_EQ(r1.extra_rollouts_when_unsolved, 0);
  EXPECT_EQ(r1.max_depth, 16);
  EXPECT_EQ(r1.max_step_tokens, 2048);
  EXPECT_EQ(r1.max_total_tokens, 4096);

  const Rules r2 = Preset("paper-r2").value();
  EXPECT_EQ(r2.rollouts, 16);
  EXPECT_EQ(r2.extra_rollouts_when_unsolved, 16);
  EXPECT_EQ(r2.candidates, 8);
  EXPECT_EQ(r2.temperature, 1.0);
  EXPECT_EQ(r2.unvisited, Unvisited::kInfinite);

  const Rules r3 = Preset("paper-r3").value();
  EXPECT_EQ(r3.rollouts, 16);
  EXPECT_EQ(r3.candidates, 8);
  EXPECT_TRUE(r3.scored);
  EXPECT_EQ(r3.value, Value::kReference);

  const Rules r4 = Preset("paper-r4").value();
  EXPECT_EQ(r4.candidates, 16);
  EXPECT_EQ(r4.extra_rollouts_when_unsolved, 64);
  EXPECT_EQ(r4.further_rollouts_when_unsolved, 128);
  EXPECT_TRUE(r4.scored);

  const Rules test = Preset("test").value();
  EXPECT_EQ(test.rollouts, 8);
  EXPECT_EQ(test.candidates, 32);
  EXPECT_EQ(test.value, Value::kScore);
  EXPECT_EQ(test.extra_rollouts_when_unsolved, 0) << "what is unsolved is told by the reference";

  const Rules released = Preset("released-sample").value();
  EXPECT_EQ(released.rollouts, 48);
  EXPECT_EQ(released.candidates, 12);
  EXPECT_EQ(released.temperature, 0.7);
  EXPECT_EQ(released.unvisited, Unvisited::kZero);
  EXPECT_EQ(released.dead_end, DeadEndBackup::kItself);
  EXPECT_EQ(released.tolerated_errors, 2);
}

TEST(Preset, UnknownNameListsTheNames) {
  const Status status = Preset("paper-r9").status();
  EXPECT_EQ(ExitCode(status), 2);
  for (const std::string& name : PresetNames()) EXPECT_NE(Message(status).find(name), std::string::npos) << name;
}

TEST(PuctScore, WorkedOutByHand) {
  Rules rules;
  rules.selection = Selection::kPuct;
  rules.exploration = 1.25;
  Child child = Visited(3, 1.5);
  child.prior = 0.6;
  // 0.5 + 1.25 · 0.6 · √16 / 4
  EXPECT_NEAR(PuctScore(child, 16, rules), 1.25, 1e-15);
  Child fresh = Visited(0, 0);
  fresh.prior = 0.2;
  EXPECT_NEAR(PuctScore(fresh, 16, rules), 1.25 * 0.2 * 4, 1e-15) << "finite, without a value";
  // The likelier of two that nobody visited goes first; enough visits turn to the other.
  std::vector<Child> children = {fresh, fresh};
  children[1].prior = 0.5;
  EXPECT_EQ(SelectChild(children, 1, rules), 1U);
  children[1].visits = 5;
  EXPECT_EQ(SelectChild(children, 6, rules), 0U);
}

TEST(UctScore, WorkedOutByHand) {
  const Rules rules;
  // Q = 1/2; ln 4 / 2 = 0.693147…; its root 0.832554…; times 2.
  EXPECT_NEAR(UctScore(Visited(2, 1), 4, rules), 0.5 + 2 * 0.8325546111576977, 1e-15);
  // ln 1 = 0: the mean alone.
  EXPECT_EQ(UctScore(Visited(1, -1), 1, rules), -1);
  // A parent without a visit (dead ends on themselves alone) counts as one.
  EXPECT_EQ(UctScore(Visited(1, -1), 0, rules), -1);
}

TEST(UctScore, UnvisitedAsThePresetSays) {
  Rules rules;
  EXPECT_EQ(UctScore(Visited(0, 0), 7, rules), kInfinity);
  rules.unvisited = Unvisited::kZero;
  EXPECT_EQ(UctScore(Visited(0, 0), 7, rules), 0);
}

TEST(UctScore, VirtualVisitsShrinkTheBonusAndLeaveQ) {
  const Rules rules;
  // N = 1 + 3; Q stays −1.
  EXPECT_DOUBLE_EQ(UctScore(Visited(1, -1, 3), 8, rules), -1 + 2 * std::sqrt(std::log(8.0) / 4));
  // Only on its way: no longer unvisited, no value yet.
  EXPECT_DOUBLE_EQ(UctScore(Visited(0, 0, 1), 2, rules), 2 * std::sqrt(std::log(2.0)));
}

TEST(SelectChild, TriesEveryChildOnceInOrderOfIndex) {
  const Rules rules;
  std::vector<Child> children = {Visited(0, 0), {.valid = false}, Visited(0, 0), Visited(0, 0)};
  uint32_t parent = 0;
  std::vector<size_t> order;
  for (int i = 0; i < 3; ++i) {
    const size_t chosen = SelectChild(children, ++parent, rules).value();
    order.push_back(chosen);
    ++children[chosen].visits;
    children[chosen].value_sum += 1;
  }
  EXPECT_EQ(order, (std::vector<size_t>{0, 2, 3}));
}

TEST(SelectChild, LowestIndexOfEquals) {
  const Rules rules;
  EXPECT_EQ(SelectChild(std::vector<Child>{Visited(2, -1), Visited(3, 2), Visited(3, 2)}, 9, rules), 1u);
}

// Released: an unvisited child (0) is passed over for one whose score is above 0, and taken before one below.
TEST(SelectChild, UnvisitedAtZeroWaitsForABadSibling) {
  Rules rules;
  rules.unvisited = Unvisited::kZero;
  EXPECT_EQ(SelectChild(std::vector<Child>{Visited(1, 1), Visited(0, 0)}, 1, rules), 0u);
  EXPECT_EQ(SelectChild(std::vector<Child>{Visited(1, -1), Visited(0, 0)}, 1, rules), 1u);
}

TEST(SelectChild, NeverAnInvalidOrExhaustedOne) {
  const Rules rules;
  std::vector<Child> children = {Visited(1, 1), {.valid = false}, Visited(5, -5)};
  children[0].exhausted = true;
  EXPECT_EQ(SelectChild(children, 6, rules), 2u);
  children[2].exhausted = true;
  EXPECT_EQ(SelectChild(children, 6, rules), std::nullopt);
  EXPECT_EQ(SelectChild({}, 6, rules), std::nullopt);
}

// Rollouts of one wave spread: each that is on its way lowers the bonus of the child it took.
TEST(SelectChild, AWaveSpreadsOverEqualChildren) {
  const Rules rules;
  std::vector<Child> children = {Visited(2, 0), Visited(2, 0), Visited(2, 0)};
  std::vector<size_t> taken;
  for (uint32_t i = 1; i <= 3; ++i) {
    const size_t chosen = SelectChild(children, 6 + i, rules).value();
    ++children[chosen].virtual_visits;
    taken.push_back(chosen);
  }
  EXPECT_EQ(taken, (std::vector<size_t>{0, 1, 2}));
}

}  // namespace
}  // namespace orrery::search
