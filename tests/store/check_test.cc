// SPDX-License-Identifier: Apache-2.0
#include "store/check.h"

#include <gtest/gtest.h>

#include "store/replay.h"
#include "tests/store/searched_tree.h"

namespace orrery::store {
namespace {

search::Rules Rules(int rollouts) {
  search::Rules rules;
  rules.rollouts = rollouts;
  rules.candidates = 3;
  return rules;
}

// A copy whose bytes a test may change.
struct Editable {
  explicit Editable(const TreeChunk& tree) : bytes(tree.bytes()) {}
  const schema::TreeRecord& record() const { return *flatbuffers::GetRoot<schema::TreeRecord>(bytes.data()); }
  template <class Table, class Value>
  void Set(const Table* at, flatbuffers::voffset_t field, Value value) {
    auto* table = const_cast<flatbuffers::Table*>(reinterpret_cast<const flatbuffers::Table*>(at));
    ASSERT_TRUE(table->SetField(field, value, Value{})) << "the field is not in the record";
  }
  std::vector<Finding> Check(const search::Rules& rules) const {
    return CheckTree("p#1", TreeChunk::Verified(bytes).value(), rules);
  }
  std::string bytes;
};

std::string Told(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings)
    text += fmt::format("{} {}: {} | {}\n", finding.place, finding.field, finding.recorded, finding.expected);
  return text;
}

// By UCT with c = 2 and unvisited children first, worked out by hand: the first children first, from the root down,
// then the child that was never tried.
TEST(Replay, WalksAsTheRulesSay) {
  const search::Rules rules = Rules(3);
  const TreeChunk tree = Searched(rules);
  const Replay replay = ReplaySearch(*tree, rules);
  ASSERT_EQ(replay.ends.size(), 3U);
  EXPECT_EQ(replay.ends[0].path, (Path{0, 0, 0}));
  EXPECT_TRUE(replay.ends[0].right);
  EXPECT_EQ(replay.ends[1].path, (Path{2, 0, 0}));  // candidate 1 of the root timed out
  EXPECT_FALSE(replay.ends[1].right);
  // Q + 2 sqrt(ln 3 / 1): +1 for candidate 0, -1 for candidate 2; below it candidate 2 was never tried.
  EXPECT_EQ(replay.ends[2].path, (Path{0, 2, 0}));
  EXPECT_FALSE(replay.exhausted);
}

TEST(Replay, EndsWhereNoNewPathIsLeft) {
  const search::Rules rules = Rules(50);
  const TreeChunk tree = Searched(rules);
  const Replay replay = ReplaySearch(*tree, rules);
  EXPECT_EQ(replay.ends.size(), 4U) << "the tree has four answers";
  EXPECT_TRUE(replay.exhausted);
  EXPECT_TRUE(tree->exhausted());
}

TEST(CheckTree, ASearchIsAsItWasLeft) {
  for (const int rollouts : {1, 2, 3, 4, 50}) {
    for (const int wave : {1, 2, 3}) {
      search::Rules rules = Rules(rollouts);
      rules.wave = wave;
      EXPECT_EQ(Told(CheckTree("p#1", Searched(rules), rules)), "") << rollouts << " " << wave;
    }
  }
}

TEST(CheckTree, WhatWasChangedIsNamedWithItsPlace) {
  const search::Rules rules = Rules(3);
  const TreeChunk tree = Searched(rules);
  const auto node = [](const Editable& edited, uint32_t i) { return edited.record().nodes()->Get(i); };

  Editable visits(tree);
  visits.Set(node(visits, 1), schema::TreeNode::VT_VISITS, uint32_t{9});
  EXPECT_EQ(Told(visits.Check(rules)), "/0 visits: 9 | 2\n");

  Editable value(tree);
  value.Set(node(value, 0), schema::TreeNode::VT_VALUE_SUM, 2.5);
  EXPECT_EQ(Told(value.Check(rules)), "/ value_sum: 2.5 | 1\n");

  Editable solved(tree);
  solved.Set(&solved.record(), schema::TreeRecord::VT_SOLVED, uint8_t{0});
  EXPECT_EQ(Told(solved.Check(rules)), " solved: false | true\n");

  Editable rollout(tree);
  rollout.Set(rollout.record().rollouts()->Get(0), schema::Rollout::VT_VALUE, -1.0);
  EXPECT_EQ(Told(rollout.Check(rules)), "rollout 0 value: -1 | 1\n");

  Editable parent(tree);
  parent.Set(node(parent, 2), schema::TreeNode::VT_PARENT, int32_t{7});
  EXPECT_NE(Told(parent.Check(rules)).find("node 2: its parent does not come before it"), std::string::npos);

  Editable budget(tree);
  budget.Set(&budget.record(), schema::TreeRecord::VT_BUDGET, uint32_t{4});
  EXPECT_EQ(Told(budget.Check(rules)), "rollout 3 end: none | /0/0/1 Answered\n");

  EXPECT_EQ(Told(CheckTree("q#2", tree, rules)), " problem: p#1 | q#2\n");
}

TEST(CheckTree, AChoiceThatTheRulesDoNotMakeIsFound) {
  const search::Rules rules = Rules(3);
  // The same tree, its second and third rollout in each other's place: visits and values stay the same.
  const TreeChunk tree = Searched(rules);
  Editable swapped(tree);
  const auto* rollouts = swapped.record().rollouts();
  const int32_t second = rollouts->Get(1)->node(), third = rollouts->Get(2)->node();
  const double of_second = rollouts->Get(1)->value(), of_third = rollouts->Get(2)->value();
  swapped.Set(rollouts->Get(1), schema::Rollout::VT_NODE, third);
  swapped.Set(rollouts->Get(2), schema::Rollout::VT_NODE, second);
  swapped.Set(rollouts->Get(1), schema::Rollout::VT_VALUE, of_third);
  swapped.Set(rollouts->Get(2), schema::Rollout::VT_VALUE, of_second);
  EXPECT_EQ(Told(swapped.Check(rules)), "rollout 1 end: /0/2/0 Answered, right | /2/0/0 Answered\n");
}

TEST(CheckTree, ALostExpansionIsFound) {
  const search::Rules rules = Rules(3);
  Editable lost(Searched(rules));
  // The root's expansion says that it is that of another node.
  const auto* path = lost.record().expansions()->Get(1)->path();
  ASSERT_EQ(path->size(), 1U);
  lost.bytes[static_cast<size_t>(reinterpret_cast<const char*>(path->data()) - lost.bytes.data())] = 1;
  const std::string told = Told(lost.Check(rules));
  EXPECT_NE(told.find("/1 path: an invalid candidate"), std::string::npos) << told;
  EXPECT_NE(told.find("/0 expansion: /1 | /0"), std::string::npos) << told;
}

}  // namespace
}  // namespace orrery::store
