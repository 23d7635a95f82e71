// SPDX-License-Identifier: Apache-2.0
#include "model/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace orrery::model {
namespace {

// `shared` tokens that all prompts begin with, then `own` ones of this prompt.
std::vector<TokenId> Prompt(int shared, int own, int number) {
  std::vector<TokenId> tokens(static_cast<size_t>(shared + own));
  std::iota(tokens.begin(), tokens.end(), 0);
  for (int i = shared; i < shared + own; ++i) tokens[static_cast<size_t>(i)] += 1000 * (number + 1);
  return tokens;
}

TEST(Placement, ARequestGoesWhereItsPrefixIs) {
  Placement placement({1000, 1000});
  const auto first = placement.Take(Prompt(64, 320, 0));
  EXPECT_EQ(first.engine, 0u) << "a tie";
  EXPECT_EQ(first.pages, 13);
  const auto other = placement.Take(Prompt(64, 320, 1));
  EXPECT_EQ(other.engine, 0u) << "the two pages that they share are worth more than the pages that are free there";
  for (int i = 0; i < 5; ++i) {
    const auto sibling = placement.Take(Prompt(64, 320, 0));
    EXPECT_EQ(sibling.engine, 0u);
    EXPECT_EQ(sibling.pages, 1) << "nothing of it is new";
  }
}

TEST(Placement, ElseWhereMostPagesAreFree) {
  Placement placement({100, 300});
  const auto first = placement.Take(Prompt(0, 640, 0));
  EXPECT_EQ(first.engine, 1u);
  const auto second = placement.Take(Prompt(0, 3200, 1));
  EXPECT_EQ(second.engine, 1u);
  std::vector<Placement::Place> taken;
  for (int i = 2; i < 12; ++i) taken.push_back(placement.Take(Prompt(0, 640, i)));
  const auto on_the_smaller = std::ranges::count(taken, 0u, &Placement::Place::engine);
  EXPECT_GT(on_the_smaller, 0) << "once the larger one has filled";
  EXPECT_LT(on_the_smaller, 10);
  for (const auto& place : taken) placement.GiveBack(place);
  placement.GiveBack(second);
  EXPECT_EQ(placement.Take(Prompt(0, 640, 90)).engine, 1u) << "pages that were given back are free";
}

TEST(Placement, LoadMovesAWorkAwayFromItsPrefixOnlyWhereItIsWorthIt) {
  Placement placement({1000, 1000});
  placement.Take(Prompt(320, 32, 0));
  int moved = 0;
  while (placement.Take(Prompt(320, 32, ++moved)).engine == 0) ASSERT_LT(moved, 1000);
  // Ten pages more to compute: worth about eighty pages that others hold.
  EXPECT_GT(moved, 30);
  EXPECT_LT(moved, 60);
}

TEST(Placement, WhatDoesNotFitTheCacheIsForgotten) {
  Placement placement({10, 10});
  placement.GiveBack(placement.Take(Prompt(0, 320, 0)));
  EXPECT_EQ(placement.Take(Prompt(0, 320, 0)).pages, 1) << "known";
  Placement small({10, 10});
  small.GiveBack(small.Take(Prompt(0, 320, 0)));
  small.GiveBack(small.Take(Prompt(0, 320, 1)));  // to the other engine or over the first prompt: all its pages are new
  small.GiveBack(small.Take(Prompt(0, 320, 2)));
  small.GiveBack(small.Take(Prompt(0, 320, 3)));
  EXPECT_EQ(small.Take(Prompt(0, 320, 0)).pages, 11) << "its pages have gone";
}

}  // namespace
}  // namespace orrery::model
