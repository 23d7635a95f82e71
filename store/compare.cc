// SPDX-License-Identifier: Apache-2.0
#include "store/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "store/check.h"
#include "store/copy.h"

namespace orrery::store {
namespace {

// Each field in which two candidates differ.
std::vector<std::string_view> DifferingFields(const schema::Candidate& a, const schema::Candidate& b) {
  std::vector<std::string_view> fields;
  const auto tell = [&](bool same, std::string_view field) {
    if (!same) fields.push_back(field);
  };
  tell(GetStringView(a.text()) == GetStringView(b.text()), "text");
  tell(a.kind() == b.kind(), "kind");
  tell(GetStringView(a.code()) == GetStringView(b.code()), "code");
  tell(a.valid() == b.valid(), "valid");
  tell(GetStringView(a.rejection()) == GetStringView(b.rejection()), "rejection");
  tell(a.merged() == b.merged(), "samples of this text");
  tell(a.tokens() == b.tokens(), "tokens");
  tell(a.log_probability() == b.log_probability(), "log-probability");
  tell(a.verdict() == b.verdict(), "verdict");
  tell(GetStringView(a.output()) == GetStringView(b.output()), "output");
  tell(GetStringView(a.error()) == GetStringView(b.error()), "error");
  tell(GetStringView(a.answer()) == GetStringView(b.answer()), "answer");
  tell(a.grade() == b.grade(), "grade");
  tell(a.score() == b.score(), "score");
  tell(a.tolerated_errors() == b.tolerated_errors(), "tolerated errors");
  return fields;
}

flatbuffers::uoffset_t Count(const schema::Expansion& expansion) {
  return expansion.candidates() == nullptr ? 0 : expansion.candidates()->size();
}

std::vector<std::string> Words(const schema::Expansion& a, const schema::Expansion& b) {
  std::vector<std::string> words;
  const auto common = std::min(Count(a), Count(b));
  for (flatbuffers::uoffset_t i = 0; i < common; ++i) {
    const auto fields = DifferingFields(*a.candidates()->Get(i), *b.candidates()->Get(i));
    if (!fields.empty()) words.push_back(fmt::format("candidate {}: {}", i, fmt::join(fields, ", ")));
  }
  if (Count(a) != Count(b)) words.push_back(fmt::format("{} candidates against {}", Count(a), Count(b)));
  if (words.empty()) words.emplace_back("the counts of tokens and steps");
  return words;
}

// Both at the same node; none where they are the same.
std::optional<Parting> AtOneNode(size_t equal, const ExpansionChunk& a, const ExpansionChunk& b) {
  // Copied anew, the same content has the same bytes.
  if (ExtractExpansion(*a).bytes() == ExtractExpansion(*b).bytes()) return std::nullopt;
  return Parting{equal, PathOf(*a), PathOf(*b), a, b, Words(*a, *b)};
}

// In the order of both searches.
std::optional<Parting> PartingOfFinished(const Search& a, const Search& b) {
  const size_t common = std::min(a.expansions.size(), b.expansions.size());
  for (size_t i = 0; i < common; ++i) {
    const Path at_a = PathOf(*a.expansions[i]), at_b = PathOf(*b.expansions[i]);
    if (at_a != at_b) {
      return Parting{i,
                     at_a,
                     at_b,
                     a.expansions[i],
                     b.expansions[i],
                     {fmt::format("A goes on at {}, B at {}", PathText(at_a), PathText(at_b))}};
    }
    if (auto parting = AtOneNode(i, a.expansions[i], b.expansions[i])) return parting;
  }
  if (a.expansions.size() == b.expansions.size()) return std::nullopt;
  const bool a_goes_on = a.expansions.size() > common;
  const ExpansionChunk& next = (a_goes_on ? a : b).expansions[common];
  const Path path = PathOf(*next);
  Parting parting{common, path, path, {}, {}, {}};
  (a_goes_on ? parting.a : parting.b) = next;
  parting.words.push_back(a_goes_on ? fmt::format("A goes on at {}, B ends", PathText(path))
                                    : fmt::format("B goes on at {}, A ends", PathText(path)));
  return parting;
}

// What an unfinished search lacks is no difference: only what both have is compared.
std::optional<Parting> PartingOfCommon(const Search& a, const Search& b) {
  std::map<Path, const ExpansionChunk*> of_b;
  for (const ExpansionChunk& expansion : b.expansions) of_b[PathOf(*expansion)] = &expansion;
  size_t equal = 0;
  for (const ExpansionChunk& expansion : a.expansions) {
    const auto found = of_b.find(PathOf(*expansion));
    if (found == of_b.end()) continue;
    if (auto parting = AtOneNode(equal, expansion, *found->second)) return parting;
    ++equal;
  }
  return std::nullopt;
}

}  // namespace

Search SearchOf(const schema::TreeRecord& record) {
  Search search;
  search.finished = true;
  if (record.expansions() == nullptr) return search;
  std::set<int> taken;
  const auto take = [&](int index) {
    if (index >= 0 && index < static_cast<int>(record.expansions()->size()) && taken.insert(index).second)
      search.expansions.push_back(
          ExtractExpansion(*record.expansions()->Get(static_cast<flatbuffers::uoffset_t>(index))));
  };
  const int count = record.nodes() == nullptr ? 0 : static_cast<int>(record.nodes()->size());
  if (record.rollouts() != nullptr) {
    for (const schema::Rollout* rollout : *record.rollouts()) {
      std::vector<int> way;  // from the end up: a parent comes before its children
      for (int node = rollout->node(); node >= 0 && node < count;) {
        const auto* at = record.nodes()->Get(static_cast<flatbuffers::uoffset_t>(node));
        way.push_back(at->expansion());
        node = at->parent() < node ? at->parent() : -1;
      }
      std::for_each(way.rbegin(), way.rend(), take);
    }
  }
  // Those that no rollout which reached an end passed.
  for (int i = 0; i < static_cast<int>(record.expansions()->size()); ++i) take(i);
  return search;
}

std::optional<Parting> FirstParting(const Search& a, const Search& b) {
  return a.finished && b.finished ? PartingOfFinished(a, b) : PartingOfCommon(a, b);
}

std::vector<std::string> OtherDifferences(const schema::TreeRecord& a, const schema::TreeRecord& b) {
  std::vector<std::string> words;
  const auto tell = [&](std::string_view field, const auto& in_a, const auto& in_b) {
    if (!(in_a == in_b)) words.push_back(fmt::format("{}: {:?} against {:?}", field, in_a, in_b));
  };
  const auto number = [&](std::string_view field, auto in_a, auto in_b) {
    if (in_a != in_b) words.push_back(fmt::format("{}: {} against {}", field, in_a, in_b));
  };
  tell("question", GetStringView(a.question()), GetStringView(b.question()));
  tell("answer", GetStringView(a.answer()), GetStringView(b.answer()));
  tell("source", GetStringView(a.source()), GetStringView(b.source()));
  tell("level", GetStringView(a.level()), GetStringView(b.level()));
  tell("checker", GetStringView(a.checker()), GetStringView(b.checker()));
  tell("licence", GetStringView(a.licence()), GetStringView(b.licence()));
  number("solved", a.solved(), b.solved());
  number("rollouts asked for", a.budget(), b.budget());
  number("rollouts asked for where unsolved", a.extra_budget(), b.extra_budget());
  number("rollouts asked for after those", a.further_budget(), b.further_budget());
  number("exhausted", a.exhausted(), b.exhausted());
  const auto size = [](const auto* list) { return list == nullptr ? 0U : list->size(); };
  number("nodes", size(a.nodes()), size(b.nodes()));
  number("rollouts", size(a.rollouts()), size(b.rollouts()));
  for (uint32_t i = 0; i < std::min(size(a.rollouts()), size(b.rollouts())); ++i) {
    if (a.rollouts()->Get(i)->node() == b.rollouts()->Get(i)->node()) continue;
    words.push_back(fmt::format("rollout {} ends at node {} against {}", i, a.rollouts()->Get(i)->node(),
                                b.rollouts()->Get(i)->node()));
    break;
  }
  if (words.empty()) words.emplace_back("visits or values of nodes");
  return words;
}

}  // namespace orrery::store
