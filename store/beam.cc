// SPDX-License-Identifier: Apache-2.0
#include "store/beam.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace orrery::store {
namespace {

using schema::Terminal;

// Scores lie in (−1, 1): what has none comes after all that have one.
double ScoreOf(const schema::Candidate& candidate) { return candidate.score().value_or(-2); }

}  // namespace

void Beam::Continue(const Path& path, const schema::Expansion* expansion, std::vector<Continuation>& all) {
  if (expansion == nullptr) {
    ends_.push_back({path, Terminal::DepthLimit});
    return;
  }
  const size_t before = all.size();
  for (flatbuffers::uoffset_t i = 0; i < expansion->candidates()->size(); ++i) {
    const schema::Candidate* candidate = expansion->candidates()->Get(i);
    if (!candidate->valid()) continue;
    all.push_back({path, candidate});
    all.back().path.push_back(static_cast<uint8_t>(i));
  }
  if (all.size() == before) ends_.push_back({path, Terminal::DeadEnd});
}

void Beam::Take(const Continuation& continuation) {
  const schema::Candidate& candidate = *continuation.candidate;
  if (candidate.kind() == schema::StepKind::Answer) {
    RolloutEnd& end = ends_.emplace_back();
    end = {continuation.path, Terminal::Answered, candidate.grade() == schema::Grade::Equal};
    if (candidate.score()) end.score = *candidate.score();
  } else if (continuation.path.size() >= static_cast<size_t>(rules_.max_depth)) {
    ends_.push_back({continuation.path, Terminal::DepthLimit});
  } else {
    frontier_.push_back(continuation.path);
  }
}

void Beam::Advance(const std::function<const schema::Expansion*(const Path&)>& expansion_of) {
  std::vector<Continuation> all;
  for (const Path& path : frontier_) Continue(path, expansion_of(path), all);
  const auto score = [](const Continuation& continuation) { return ScoreOf(*continuation.candidate); };
  std::ranges::stable_sort(all, std::ranges::greater(), score);
  // Answers keep their beam; a dead end's goes to the next best continuation.
  const auto answered = std::ranges::count(ends_, Terminal::Answered, &RolloutEnd::end);
  const auto open = static_cast<size_t>(std::max<ptrdiff_t>(0, rules_.beams - answered));
  frontier_.clear();
  for (const Continuation& continuation : all | std::views::take(open)) Take(continuation);
}

}  // namespace orrery::store
