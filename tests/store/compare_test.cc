// SPDX-License-Identifier: Apache-2.0
#include "store/compare.h"

#include <gtest/gtest.h>

#include "store/copy.h"
#include "tests/store/made_tree.h"

namespace orrery::store {
namespace {

Search Finished(const std::vector<ExpansionChunk>& expansions) { return {.expansions = expansions, .finished = true}; }

ExpansionChunk Step(const Path& path, const std::string& text, int tokens = 5) {
  return MakeExpansion("p", path, {{.text = "same\n"}, {.text = text}}, static_cast<uint32_t>(tokens));
}

TEST(SearchOf, ExpansionsComeInTheOrderOfTheRollouts) {
  std::vector<Path> paths;
  for (const ExpansionChunk& expansion : SearchOf(*MadeTree("p")).expansions) paths.push_back(PathOf(*expansion));
  // Rollouts end at 3, 9, 6, 4.
  EXPECT_EQ(paths, (std::vector<Path>{{}, {0}, {0, 0}, {2}, {2, 0}, {0, 2}}));
}

TEST(FirstParting, EqualSearchesDoNotPart) {
  const TreeChunk tree = MadeTree("p");
  EXPECT_FALSE(FirstParting(SearchOf(*tree), SearchOf(*MadeTree("p"))));
  // From the memo and from the record the same expansion has other bytes around it.
  EXPECT_FALSE(FirstParting(Finished({Step({}, "a\n")}), Finished({ExtractExpansion(*Step({}, "a\n"))})));
}

TEST(FirstParting, IsTheFirstInTheOrderOfSearchNotOfPaths) {
  const auto parting = FirstParting(Finished({Step({}, "r\n"), Step({1}, "a\n"), Step({0}, "b\n")}),
                                    Finished({Step({}, "r\n"), Step({1}, "A\n"), Step({0}, "B\n")}));
  ASSERT_TRUE(parting);
  EXPECT_EQ(parting->path_a, (Path{1}));
  EXPECT_EQ(parting->equal, 1U);
  EXPECT_EQ(parting->words, std::vector<std::string>{"candidate 1: text"});
  EXPECT_EQ(parting->a->candidates()->Get(1)->text()->str(), "a\n");
  EXPECT_EQ(parting->b->candidates()->Get(1)->text()->str(), "A\n");
}

TEST(FirstParting, NamesFieldsAndCounts) {
  const auto a = MakeExpansion("p", {}, {{.text = "x\n", .output = "1\n"}, {.text = "y\n"}}, 5);
  const auto b = MakeExpansion("p", {}, {{.text = "x\n", .output = "2\n", .verdict = schema::Verdict::TimeOut}}, 5);
  EXPECT_EQ(FirstParting(Finished({a}), Finished({b}))->words,
            (std::vector<std::string>{"candidate 0: verdict, output", "2 candidates against 1"}));
  EXPECT_EQ(FirstParting(Finished({Step({}, "a\n", 5)}), Finished({Step({}, "a\n", 6)}))->words,
            std::vector<std::string>{"the counts of tokens and steps"});
}

TEST(FirstParting, ASearchThatGoesOnElsewhereOrLonger) {
  const auto elsewhere =
      FirstParting(Finished({Step({}, "r\n"), Step({0}, "a\n")}), Finished({Step({}, "r\n"), Step({1}, "a\n")}));
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(elsewhere->words, std::vector<std::string>{"A goes on at /0, B at /1"});
  const auto longer = FirstParting(Finished({Step({}, "r\n")}), Finished({Step({}, "r\n"), Step({1}, "a\n")}));
  ASSERT_TRUE(longer);
  EXPECT_FALSE(longer->a);
  EXPECT_TRUE(longer->b);
  EXPECT_EQ(longer->words, std::vector<std::string>{"B goes on at /1, A ends"});
}

TEST(FirstParting, WhatAnUnfinishedSearchLacksIsNoDifference) {
  const Search whole = Finished({Step({}, "r\n"), Step({1}, "a\n"), Step({0}, "b\n")});
  const Search begun{.expansions = {Step({}, "r\n"), Step({0}, "b\n")}};
  EXPECT_FALSE(FirstParting(whole, begun));
  const Search other{.expansions = {Step({}, "r\n"), Step({0}, "c\n")}};
  const auto parting = FirstParting(whole, other);
  ASSERT_TRUE(parting);
  EXPECT_EQ(parting->path_b, (Path{0}));
}

TEST(OtherDifferences, AreNamed) {
  EXPECT_EQ(OtherDifferences(*MadeTree("p"), *MadeTree("p", "How few?", "hard")),
            (std::vector<std::string>{"question: \"How many?\" against \"How few?\"",
                                      "level: \"easy level\" against \"hard\""}));
  EXPECT_EQ(OtherDifferences(*MadeTree("p"), *MadeTree("p")), std::vector<std::string>{"visits or values of nodes"});
}

}  // namespace
}  // namespace orrery::store
