// SPDX-License-Identifier: Apache-2.0
#include "store/beam.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/store/records.h"

namespace orrery::store {
namespace {

using schema::Grade, schema::StepKind, schema::Terminal;

CandidateText Step(double score, bool valid = true) {
  return {.text = "x = 1\n<end_of_step>\n", .valid = valid, .score = score};
}

CandidateText Answer(double score, bool right) {
  return {.text = "\\boxed{1}\n<end_of_answer>\n",
          .kind = StepKind::Answer,
          .grade = right ? Grade::Equal : Grade::Different,
          .answer = "1",
          .score = score};
}

class Search {
 public:
  Search(int beams, int max_depth) {
    rules_.beams = beams;
    rules_.max_depth = max_depth;
  }
  void Expand(const Path& path, const std::vector<CandidateText>& texts) {
    expansions_[path] = MakeExpansion("p", path, texts);
  }
  void Advance() {
    beam_.Advance([this](const Path& path) -> const schema::Expansion* {
      const auto found = expansions_.find(path);
      return found == expansions_.end() ? nullptr : &*found->second;
    });
  }
  const std::vector<Path>& frontier() const { return beam_.frontier(); }
  const std::vector<RolloutEnd>& ends() const { return beam_.ends(); }

 private:
  search::Rules rules_;
  Beam beam_{rules_};
  std::map<Path, ExpansionChunk> expansions_;
};

// Two beams of depth four:
//   /  →  /0 0.1   /1 0.5   /2 0.4 (invalid)   /3 0.4
//   /1 →  /1/0 answer 0.9   /1/1 0.2       /3 →  /3/0 0.3   /3/1 0.25
// The answer keeps a beam and 0.3 takes the other, although the answer's parent came first.
TEST(Beam, TheBestContinuationsOfAllBeamsGoOn) {
  Search search(2, 4);
  EXPECT_EQ(search.frontier(), (std::vector<Path>{{}}));
  search.Expand({}, {Step(0.1), Step(0.5), Step(0.4, false), Step(0.4)});
  search.Advance();
  EXPECT_EQ(search.frontier(), (std::vector<Path>{{1}, {3}}));
  search.Expand({1}, {Answer(0.9, true), Step(0.2)});
  search.Expand({3}, {Step(0.3), Step(0.25)});
  search.Advance();
  EXPECT_EQ(search.frontier(), (std::vector<Path>{{3, 0}}));
  ASSERT_EQ(search.ends().size(), 1u);
  EXPECT_EQ(search.ends()[0].path, (Path{1, 0}));
  EXPECT_TRUE(search.ends()[0].right);
  EXPECT_EQ(search.ends()[0].score, 0.9);

  // What follows hangs below the beam that it continues, not below the one that has ended.
  search.Expand({3, 0}, {Answer(-0.5, false), Answer(-0.6, true)});
  search.Advance();
  EXPECT_TRUE(search.frontier().empty());
  ASSERT_EQ(search.ends().size(), 2u);
  EXPECT_EQ(search.ends()[1].path, (Path{3, 0, 0}));
  EXPECT_FALSE(search.ends()[1].right);
}

TEST(Beam, OfEqualsTheFirstGoesOn) {
  Search search(2, 4);
  search.Expand({}, {Step(0.5), Step(0.5), Step(0.5)});
  search.Advance();
  EXPECT_EQ(search.frontier(), (std::vector<Path>{{0}, {1}}));
}

TEST(Beam, ADeadEndLeavesItsPlaceToTheOthers) {
  Search search(2, 4);
  search.Expand({}, {Step(0.5), Step(0.4)});
  search.Advance();
  search.Expand({0}, {Step(0.9, false)});
  search.Expand({1}, {Step(0.1), Step(0.3), Step(0.2)});
  search.Advance();
  EXPECT_EQ(search.frontier(), (std::vector<Path>{{1, 1}, {1, 2}}));
  ASSERT_EQ(search.ends().size(), 1u);
  EXPECT_EQ(search.ends()[0].path, (Path{0}));
  EXPECT_EQ(search.ends()[0].end, Terminal::DeadEnd);
}

TEST(Beam, EndsAtItsLimits) {
  Search search(1, 1);
  search.Expand({}, {Step(0.5)});
  search.Advance();
  EXPECT_TRUE(search.frontier().empty());
  ASSERT_EQ(search.ends().size(), 1u);
  EXPECT_EQ(search.ends()[0].end, Terminal::DepthLimit);
  EXPECT_EQ(search.ends()[0].path, (Path{0}));

  Search no_room(1, 4);  // a node that was not expanded
  no_room.Advance();
  ASSERT_EQ(no_room.ends().size(), 1u);
  EXPECT_EQ(no_room.ends()[0].end, Terminal::DepthLimit);
  EXPECT_TRUE(no_room.frontier().empty());
}

}  // namespace
}  // namespace orrery::store
