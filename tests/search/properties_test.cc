// SPDX-License-Identifier: Apache-2.0
// Properties that hold for every search: random problems are searched with SelectChild in waves, then checked as a
// whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "base/random.h"
#include "search/select.h"
#include "search/tree.h"

namespace orrery::search {
namespace {

// A node of a made-up problem: what lies below is drawn from its path alone, so that two searches meet the same tree.
struct Place {
  std::string path;
  bool expanded = false;
  uint32_t visits = 0, virtual_visits = 0;
  double value_sum = 0;
  bool right = false, exhausted = false, visited = false;
  End end = End::kNone;
  std::vector<Child> rows;  // as SelectChild sees them
  std::vector<std::unique_ptr<Place>> children;
};

uint64_t Draw(uint64_t seed, const std::string& path, std::string_view what) {
  return HashParts({std::to_string(seed), path, what});
}

void Expand(uint64_t seed, const Rules& rules, Place* place) {
  place->expanded = true;
  for (int i = 0; i < rules.candidates; ++i) {
    auto child = std::make_unique<Place>();
    child->path = place->path + static_cast<char>('a' + i);
    const uint64_t draw = Draw(seed, child->path, "kind") % 10;
    if (draw < 3) {
      child->end = End::kAnswered;
      child->right = Draw(seed, child->path, "right") % 2 == 0;
    } else if (static_cast<int>(child->path.size()) >= rules.max_depth) {
      child->end = End::kDepthLimit;
    }
    place->rows.push_back({.valid = draw != 9});
    place->children.push_back(std::move(child));
  }
  if (std::none_of(place->rows.begin(), place->rows.end(), [](const Child& row) { return row.valid; }))
    place->end = End::kDeadEnd;
}

class Search {
 public:
  Search(uint64_t seed, const Rules& rules) : seed_(seed), rules_(rules) { Run(); }

  Tree Result() const {
    Tree tree;
    Collect(root_, -1, 0, &tree);
    for (const auto& [place, value] : rollouts_) {
      const auto at = std::find(order_.begin(), order_.end(), place);
      tree.rollouts.push_back({.node = static_cast<int>(at - order_.begin()), .value = value});
    }
    return tree;
  }
  // Ends in the order of rollouts, and the N and W that grew during the search, in node order.
  const std::vector<std::pair<const Place*, double>>& rollouts() const { return rollouts_; }
  std::vector<std::pair<uint32_t, double>> live() const {
    std::vector<std::pair<uint32_t, double>> all;
    for (const Place* place : order_) all.emplace_back(place->visits, place->value_sum);
    return all;
  }
  bool no_virtual_visit_left() const {
    return std::all_of(order_.begin(), order_.end(), [](const Place* place) {
      return place->virtual_visits == 0 && std::all_of(place->rows.begin(), place->rows.end(),
                                                       [](const Child& row) { return row.virtual_visits == 0; });
    });
  }

 private:
  void Run() {
    while (static_cast<int>(rollouts_.size()) < rules_.rollouts) {
      std::vector<std::vector<std::pair<Place*, size_t>>> paths;  // (parent, row) from the root
      std::vector<Place*> ends;
      for (int i = 0; i < rules_.wave && static_cast<int>(rollouts_.size() + ends.size()) < rules_.rollouts; ++i) {
        std::vector<std::pair<Place*, size_t>> path;
        Place* end = Descend(&path);
        if (end == nullptr) break;
        paths.push_back(path);
        ends.push_back(end);
      }
      if (ends.empty()) return;
      for (size_t i = 0; i < ends.size(); ++i) BackUp(paths[i], ends[i]);
    }
  }

  Place* Descend(std::vector<std::pair<Place*, size_t>>* path) {
    Place* at = &root_;
    if (at->exhausted) return nullptr;
    std::vector<Place*> walked;
    while (true) {
      ++at->virtual_visits;
      walked.push_back(at);
      at->visited = true;
      if (at->end == End::kNone && !at->expanded) Expand(seed_, rules_, at);
      if (at->end != End::kNone) break;
      const std::optional<size_t> row = SelectChild(at->rows, at->visits + at->virtual_visits, rules_);
      if (!row) {  // others of this wave took the last paths
        for (size_t i = 0; i < walked.size(); ++i) {
          --walked[i]->virtual_visits;
          if (i < path->size()) --(*path)[i].first->rows[(*path)[i].second].virtual_visits;
        }
        return nullptr;
      }
      ++at->rows[*row].virtual_visits;
      path->emplace_back(at, *row);
      at = at->children[*row].get();
    }
    at->exhausted = true;
    for (size_t i = path->size(); i-- > 0;) {
      auto [parent, row] = (*path)[i];
      parent->rows[row].exhausted = parent->children[row]->exhausted;
      parent->exhausted =
          std::all_of(parent->rows.begin(), parent->rows.end(), [](const Child& c) { return !c.valid || c.exhausted; });
    }
    return at;
  }

  void BackUp(const std::vector<std::pair<Place*, size_t>>& path, Place* end) {
    const double value = ValueOf(rules_, end->end, end->right, {});
    rollouts_.emplace_back(end, value);
    const bool itself = rules_.dead_end == DeadEndBackup::kItself && end->end != End::kAnswered;
    for (const auto& [parent, row] : path) {
      --parent->virtual_visits;
      --parent->rows[row].virtual_visits;
      Place* child = parent->children[row].get();
      if (!itself) {
        ++parent->visits;
        parent->value_sum += value;
      }
      if (!itself || child == end) {
        ++parent->rows[row].visits;
        parent->rows[row].value_sum += value;
      }
    }
    --end->virtual_visits;
    ++end->visits;
    end->value_sum += value;
  }

  void Collect(const Place& place, int parent, int candidate, Tree* tree) const {
    order_.push_back(&place);
    const int index = static_cast<int>(tree->nodes.size());
    Node node;
    node.parent = parent;
    node.candidate = candidate;
    node.end = place.end;
    node.right = place.right;
    node.text = place.path;
    tree->nodes.push_back(node);
    for (size_t i = 0; i < place.children.size(); ++i) {
      if (place.children[i]->visited) Collect(*place.children[i], index, static_cast<int>(i), tree);
    }
  }

  uint64_t seed_;
  Rules rules_;
  Place root_;
  std::vector<std::pair<const Place*, double>> rollouts_;
  mutable std::vector<const Place*> order_;
};

std::vector<Rules> Variants() {
  std::vector<Rules> variants;
  for (const std::string& name : PresetNames()) {
    for (int wave : {1, 4}) {
      Rules rules = Preset(name).value();
      rules.wave = wave;
      rules.max_depth = 5;
      variants.push_back(rules);
    }
  }
  return variants;
}

constexpr uint64_t kSeeds = 60;

TEST(Properties, ReplayGivesWhatTheSearchHadAndStaysInBounds) {
  for (const Rules& rules : Variants()) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Search search(seed, rules);
      Tree tree = search.Result();
      Annotate(&tree, rules);
      const auto live = search.live();
      ASSERT_EQ(live.size(), tree.nodes.size());
      for (size_t i = 0; i < live.size(); ++i) {
        ASSERT_EQ(tree.nodes[i].visits, live[i].first);
        ASSERT_EQ(tree.nodes[i].value_sum, live[i].second);
        ASSERT_LE(std::abs(tree.nodes[i].value_sum), tree.nodes[i].visits);
      }
      ASSERT_TRUE(search.no_virtual_visit_left());
    }
  }
}

TEST(Properties, NoEndIsReachedTwice) {
  for (const Rules& rules : Variants()) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Search search(seed, rules);
      std::vector<const Place*> ends;
      for (const auto& [place, value] : search.rollouts()) ends.push_back(place);
      std::sort(ends.begin(), ends.end());
      ASSERT_EQ(std::adjacent_find(ends.begin(), ends.end()), ends.end());
    }
  }
}

TEST(Properties, TheSameSearchTwice) {
  for (const Rules& rules : Variants()) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Tree a = Search(seed, rules).Result(), b = Search(seed, rules).Result();
      ASSERT_EQ(a.rollouts.size(), b.rollouts.size());
      for (size_t i = 0; i < a.rollouts.size(); ++i) ASSERT_EQ(a.rollouts[i].node, b.rollouts[i].node);
    }
  }
}

// Sums of whole numbers are exact, so the order of rollouts leaves no trace in N, W and what is read off them.
TEST(Properties, OrderOfRolloutsLeavesNoTrace) {
  std::mt19937 random(7);
  for (const Rules& rules : Variants()) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Search search(seed, rules);  // owns the steps' texts
      Tree tree = search.Result();
      Annotate(&tree, rules);
      Tree shuffled = tree;
      std::shuffle(shuffled.rollouts.begin(), shuffled.rollouts.end(), random);
      Annotate(&shuffled, rules);
      const std::vector<Trajectory> a = BestTrajectories(tree), b = BestTrajectories(shuffled);
      ASSERT_EQ(a.size(), b.size());
      for (size_t i = 0; i < a.size(); ++i) ASSERT_EQ(a[i].nodes, b[i].nodes);
      ASSERT_EQ(PreferencePairs(tree, {}).size(), PreferencePairs(shuffled, {}).size());
    }
  }
}

TEST(Properties, ChosenIsAlwaysAboveRejected) {
  PairRules lenient{.per_side = 3, .min_margin = 0, .min_edit_distance = 1};
  size_t pairs = 0, wholes = 0;
  for (const Rules& rules : Variants()) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Search search(seed, rules);  // owns the steps' texts
      Tree tree = search.Result();
      Annotate(&tree, rules);
      for (const PreferencePair& pair : PreferencePairs(tree, lenient)) {
        ASSERT_GT(pair.q_chosen, pair.q_rejected);
        ASSERT_NE(pair.chosen, pair.rejected);
        ASSERT_NE(DifficultyOf(tree), Difficulty::kHard);
        if (pair.whole) {
          ++wholes;
          ASSERT_TRUE(tree.nodes[pair.chosen.back()].right);
          ASSERT_FALSE(tree.nodes[pair.rejected.back()].right);
        } else {
          ++pairs;
          ASSERT_EQ(tree.nodes[pair.chosen[0]].parent, tree.nodes[pair.rejected[0]].parent);
          ASSERT_EQ(pair.prefix.empty() ? 0 : pair.prefix.back(), tree.nodes[pair.chosen[0]].parent);
        }
      }
    }
  }
  EXPECT_GT(pairs, 100u);
  EXPECT_GT(wholes, 100u);
}

}  // namespace
}  // namespace orrery::search
