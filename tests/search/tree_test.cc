// SPDX-License-Identifier: Apache-2.0
#include "search/tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace orrery::search {
namespace {

// Texts that differ from each other in more than 20 characters.
constexpr std::string_view kText[] = {
    "",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "cccccccccccccccccccccccccccccc",
    "dddddddddddddddddddddddddddddd",
    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
    "ffffffffffffffffffffffffffffff",
    "gggggggggggggggggggggggggggggg",
    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhh",
    "iiiiiiiiiiiiiiiiiiiiiiiiiiiiii",
    "jjjjjjjjjjjjjjjjjjjjjjjjjjjjjj",
};

// 0 root
// ├ 1 ── 2 ── 3 right          rollouts, in order: 3 (+1), 9 (−1), 6 (+1), 10 (−1), 4 (−1)
// │  │    └── 4 wrong
// │  └── 5 ── 6 right
// ├ 7 ── 8 ── 9 wrong
// └ 10 dead end
Tree HandTree() {
  Tree tree;
  const int parents[] = {-1, 0, 1, 2, 2, 1, 5, 0, 7, 8, 0};
  const int candidates[] = {0, 0, 0, 0, 1, 1, 0, 2, 0, 0, 3};
  for (int i = 0; i < 11; ++i) {
    Node node;
    node.parent = parents[i];
    node.candidate = candidates[i];
    node.text = kText[i];
    tree.nodes.push_back(node);
  }
  for (int answer : {3, 4, 6, 9}) tree.nodes[answer].end = End::kAnswered;
  for (int answer : {3, 6}) tree.nodes[answer].right = true;
  tree.nodes[10].end = End::kDeadEnd;
  for (int node : {3, 9, 6, 10, 4}) {
    tree.rollouts.push_back(
        {.node = node, .value = ValueOf(Rules{}, tree.nodes[node].end, tree.nodes[node].right, {})});
  }
  return tree;
}

Tree AnnotatedHandTree() {
  Tree tree = HandTree();
  Annotate(&tree, Rules{});
  return tree;
}

TEST(ValueOf, OneForARightAnswerElseMinusOne) {
  Rules rules;
  EXPECT_EQ(ValueOf(rules, End::kAnswered, true, {}), 1);
  EXPECT_EQ(ValueOf(rules, End::kAnswered, false, 0.9), -1);
  EXPECT_EQ(ValueOf(rules, End::kDeadEnd, false, {}), -1);
  EXPECT_EQ(ValueOf(rules, End::kDepthLimit, false, {}), -1);
  rules.value = Value::kScore;
  EXPECT_EQ(ValueOf(rules, End::kAnswered, true, 0.25), 0.25);
  EXPECT_EQ(ValueOf(rules, End::kAnswered, false, 0.25), 0.25) << "the reference is not looked at";
  EXPECT_EQ(ValueOf(rules, End::kAnswered, true, {}), -1);
  EXPECT_EQ(ValueOf(rules, End::kDeadEnd, false, 0.25), -1);
}

void ExpectVisits(const Tree& tree, const std::vector<std::pair<uint32_t, double>>& expected) {
  ASSERT_EQ(tree.nodes.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(tree.nodes[i].visits, expected[i].first) << "N of node " << i;
    EXPECT_EQ(tree.nodes[i].value_sum, expected[i].second) << "W of node " << i;
  }
}

TEST(Annotate, AScoreIsTheFirstVisit) {
  Tree tree = HandTree();
  for (size_t i = 0; i < tree.nodes.size(); ++i) tree.nodes[i].score = 0.125 * static_cast<double>(i);
  Rules rules;
  Annotate(&tree, rules);
  ExpectVisits(tree, {{5, -1}, {3, 1}, {2, 0}, {1, 1}, {1, -1}, {1, 1}, {1, 1}, {1, -1}, {1, -1}, {1, -1}, {1, -1}});
  rules.scored = true;
  Annotate(&tree, rules);
  // The root has none; every other node has one visit more, of its score's value.
  ExpectVisits(tree, {{5, -1},
                      {4, 1.125},
                      {3, 0.25},
                      {2, 1.375},
                      {2, -0.5},
                      {2, 1.625},
                      {2, 1.75},
                      {2, -0.125},
                      {2, 0},
                      {2, 0.125},
                      {2, 0.25}});
}

TEST(Annotate, EveryValueOnItsWholePath) {
  // Root: +1 −1 +1 −1 −1 = −1 over 5. Node 1: those that ended at 3, 6, 4 = +1. Node 2: 3 and 4 = 0.
  ExpectVisits(AnnotatedHandTree(),
               {{5, -1}, {3, 1}, {2, 0}, {1, 1}, {1, -1}, {1, 1}, {1, 1}, {1, -1}, {1, -1}, {1, -1}, {1, -1}});
}

TEST(Annotate, DeadEndOnItselfAlone) {
  Tree tree = HandTree();
  Rules rules;
  rules.dead_end = DeadEndBackup::kItself;
  Annotate(&tree, rules);
  // The root loses the dead end's visit and value: 4 rollouts, sum 0. Wrong answers go all the way up as before.
  ExpectVisits(tree, {{4, 0}, {3, 1}, {2, 0}, {1, 1}, {1, -1}, {1, 1}, {1, 1}, {1, -1}, {1, -1}, {1, -1}, {1, -1}});
}

TEST(Annotate, DepthLimitOnItselfAlone) {
  Tree tree = HandTree();
  tree.nodes[10].end = End::kDepthLimit;
  Rules rules;
  rules.dead_end = DeadEndBackup::kItself;
  Annotate(&tree, rules);
  EXPECT_EQ(tree.nodes[0].visits, 4u);
  EXPECT_EQ(tree.nodes[10].value_sum, -1);
}

TEST(Annotate, ForgetsWhatWasThere) {
  Tree tree = AnnotatedHandTree();
  Annotate(&tree, Rules{});
  EXPECT_EQ(tree.nodes[0].visits, 5u);
}

TEST(Difficulty, ByTheAnswers) {
  Tree tree = HandTree();
  EXPECT_EQ(DifficultyOf(tree), Difficulty::kMedium);
  for (Node& node : tree.nodes) node.right = node.end == End::kAnswered;
  EXPECT_EQ(DifficultyOf(tree), Difficulty::kEasy);  // the dead end is no answer
  for (Node& node : tree.nodes) node.right = false;
  EXPECT_EQ(DifficultyOf(tree), Difficulty::kHard);
  for (Node& node : tree.nodes) node.end = End::kNone;
  EXPECT_EQ(DifficultyOf(tree), Difficulty::kHard);
  EXPECT_EQ(DifficultyOf(Tree{}), Difficulty::kHard);
  EXPECT_EQ(Name(Difficulty::kMedium), "medium");
}

TEST(Trajectories, MeanAndMinimumOfQ) {
  // Q: 1 = 1/3, 2 = 0, 3 = 1, 4 = −1, 5 = 1, 6 = 1, 7 = 8 = 9 = −1.
  const std::vector<Trajectory> all = Trajectories(AnnotatedHandTree());
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].nodes, (std::vector<int>{1, 2, 3}));
  EXPECT_TRUE(all[0].right);
  EXPECT_DOUBLE_EQ(all[0].mean_q, 4.0 / 9);
  EXPECT_EQ(all[0].min_q, 0);
  EXPECT_EQ(all[1].nodes, (std::vector<int>{1, 2, 4}));
  EXPECT_FALSE(all[1].right);
  EXPECT_DOUBLE_EQ(all[1].mean_q, -2.0 / 9);
  EXPECT_EQ(all[1].min_q, -1);
  EXPECT_EQ(all[2].nodes, (std::vector<int>{1, 5, 6}));
  EXPECT_DOUBLE_EQ(all[2].mean_q, 7.0 / 9);
  EXPECT_DOUBLE_EQ(all[2].min_q, 1.0 / 3);
  EXPECT_EQ(all[3].nodes, (std::vector<int>{7, 8, 9}));
  EXPECT_EQ(all[3].mean_q, -1);
}

TEST(Trajectories, AToleratedStepHasNoValueOfItsOwn) {
  Tree tree = AnnotatedHandTree();
  tree.nodes[2].tolerated = true;
  const Trajectory right = Trajectories(tree)[0];
  EXPECT_EQ(right.nodes, (std::vector<int>{1, 2, 3}));
  EXPECT_DOUBLE_EQ(right.mean_q, (1.0 / 3 + 1) / 2);
  EXPECT_DOUBLE_EQ(right.min_q, 1.0 / 3);
}

TEST(BestTrajectories, HighestMeanFirst) {
  const Tree tree = AnnotatedHandTree();
  std::vector<Trajectory> best = BestTrajectories(tree);
  ASSERT_EQ(best.size(), 2u);
  EXPECT_EQ(best[0].nodes.back(), 6);
  EXPECT_EQ(best[1].nodes.back(), 3);
  best = BestTrajectories(tree, 1);
  ASSERT_EQ(best.size(), 1u);
  EXPECT_EQ(best[0].nodes.back(), 6);
  EXPECT_TRUE(BestTrajectories(tree, 0).empty());
}

// Three right answers of mean Q 1/2: {1, 0} twice and {1/2, 1/2}, whose minimum is higher.
TEST(BestTrajectories, TiesByMinimumThenNodeOrder) {
  Tree tree;
  tree.nodes.resize(7);
  const int parents[] = {-1, 0, 1, 0, 3, 0, 5};
  const double q[] = {0, 0, 1, 0, 1, 0.5, 0.5};
  for (int i = 0; i < 7; ++i) {
    tree.nodes[i].parent = parents[i];
    tree.nodes[i].visits = 2;
    tree.nodes[i].value_sum = 2 * q[i];
  }
  for (int answer : {2, 4, 6}) {
    tree.nodes[answer].end = End::kAnswered;
    tree.nodes[answer].right = true;
  }
  const std::vector<Trajectory> best = BestTrajectories(tree, 3);
  ASSERT_EQ(best.size(), 3u);
  EXPECT_EQ(best[0].nodes.back(), 6);
  EXPECT_EQ(best[1].nodes.back(), 2);
  EXPECT_EQ(best[2].nodes.back(), 4);
}

std::vector<std::string> Describe(const std::vector<PreferencePair>& pairs) {
  std::vector<std::string> lines;
  for (const PreferencePair& pair : pairs) {
    std::string line = pair.whole ? "whole" : "steps";
    for (int node : pair.prefix) line += " " + std::to_string(node);
    line += ": " + std::to_string(pair.chosen.back()) + " > " + std::to_string(pair.rejected.back());
    lines.push_back(line);
  }
  return lines;
}

TEST(PreferencePairs, WorkedOutByHand) {
  // On the root: 1 (Q 1/3) leads to right and wrong, 7 (Q −1) to wrong, the dead end 10 to no answer: 1 > 7.
  // On 1: 5 (Q 1) leads to right, 2 (Q 0) to both: 5 > 2. On 2 only answers. Elsewhere no two sides.
  // Whole: right 6 (7/9) and 3 (4/9) against wrong 9 (−1) and 4 (−2/9): the smallest margin is 6/9.
  const std::vector<PreferencePair> pairs = PreferencePairs(AnnotatedHandTree(), PairRules{});
  EXPECT_EQ(Describe(pairs), (std::vector<std::string>{"steps: 1 > 7", "steps 1: 5 > 2", "whole: 6 > 9", "whole: 6 > 4",
                                                       "whole: 3 > 9", "whole: 3 > 4"}));
  EXPECT_DOUBLE_EQ(pairs[0].q_chosen, 1.0 / 3);
  EXPECT_EQ(pairs[0].q_rejected, -1);
  EXPECT_EQ(pairs[2].chosen, (std::vector<int>{1, 5, 6}));
  EXPECT_EQ(pairs[2].rejected, (std::vector<int>{7, 8, 9}));
  EXPECT_DOUBLE_EQ(pairs[2].q_chosen, 7.0 / 9);
}

TEST(PreferencePairs, MarginIsKeptWhenReachedExactly) {
  PairRules rules;
  rules.min_margin = 1;  // 5 > 2 has 1 − 0; whole 3 > 4 has 6/9
  const std::vector<std::string> pairs = Describe(PreferencePairs(AnnotatedHandTree(), rules));
  EXPECT_EQ(std::count(pairs.begin(), pairs.end(), "steps 1: 5 > 2"), 1);
  EXPECT_EQ(std::count(pairs.begin(), pairs.end(), "whole: 3 > 4"), 0);
  rules.min_margin = 1.01;
  EXPECT_EQ(Describe(PreferencePairs(AnnotatedHandTree(), rules)),
            (std::vector<std::string>{"steps: 1 > 7", "whole: 6 > 9", "whole: 3 > 9"}));
}

TEST(PreferencePairs, OnePerSide) {
  PairRules rules;
  rules.per_side = 1;
  EXPECT_EQ(Describe(PreferencePairs(AnnotatedHandTree(), rules)),
            (std::vector<std::string>{"steps: 1 > 7", "steps 1: 5 > 2", "whole: 6 > 9"}));
}

TEST(PreferencePairs, TextsThatHardlyDifferAreLeftOut) {
  Tree tree = AnnotatedHandTree();
  tree.nodes[7].text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa+++++++++++++++++++";  // 19 characters more than node 1
  EXPECT_EQ(Describe(PreferencePairs(tree, PairRules{}))[0], "steps 1: 5 > 2");
  tree.nodes[7].text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa++++++++++++++++++++";  // 20
  EXPECT_EQ(Describe(PreferencePairs(tree, PairRules{}))[0], "steps: 1 > 7");
}

TEST(PreferencePairs, OnlyFromTreesWithBothKindsOfAnswers) {
  Tree tree = AnnotatedHandTree();
  for (int i : {3, 6}) tree.nodes[i].right = false;
  EXPECT_TRUE(PreferencePairs(tree, PairRules{}).empty());
  for (int i : {3, 4, 6, 9}) tree.nodes[i].right = true;
  EXPECT_TRUE(PreferencePairs(tree, PairRules{}).empty());
  EXPECT_TRUE(PreferencePairs(Tree{}, PairRules{}).empty());
}

TEST(PreferencePairs, AToleratedStepIsInNoPair) {
  Tree tree = AnnotatedHandTree();
  tree.nodes[5].tolerated = true;  // 5 > 2 goes, and all that hold the trajectory to 6
  EXPECT_EQ(Describe(PreferencePairs(tree, PairRules{})),
            (std::vector<std::string>{"steps: 1 > 7", "whole: 3 > 9", "whole: 3 > 4"}));
  tree = AnnotatedHandTree();
  tree.nodes[1].tolerated = true;  // as a prefix it stays
  EXPECT_EQ(Describe(PreferencePairs(tree, PairRules{})), (std::vector<std::string>{"steps 1: 5 > 2"}));
}

}  // namespace
}  // namespace orrery::search
