// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/diff.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "runners/store_commands/run_store.h"
#include "runners/store_commands/terminal_text.h"
#include "store/check.h"
#include "store/compare.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

// How far each run came with a problem.
enum class State : uint8_t { kMissing, kUnfinished, kFinished };
struct States {
  State a = State::kMissing, b = State::kMissing;
};

// A record that cannot be read ends the comparison: verify names it.
Status AddStates(const store::Store& store, State States::*side, std::map<std::string, States>* problems) {
  Status failure;
  ORRERY_RETURN_IF_ERROR(store.ForEachReadableExpansion(
      [&](std::string_view problem, const store::Path&, const StatusOr<store::ExpansionChunk>& expansion) {
        failure = expansion.status();
        (*problems)[std::string(problem)].*side = State::kUnfinished;
        return failure.ok();
      }));
  ORRERY_RETURN_IF_ERROR(failure);
  return store.ForEachTree([&](std::string_view problem, const store::TreeChunk&) {
    (*problems)[std::string(problem)].*side = State::kFinished;
    return true;
  });
}

// A candidate's lines in one column.
std::vector<std::string> CandidateLines(const schema::Expansion* expansion, uint32_t i, size_t width) {
  if (expansion == nullptr || expansion->candidates() == nullptr || i >= expansion->candidates()->size()) return {};
  const schema::Candidate& candidate = *expansion->candidates()->Get(i);
  std::string head = fmt::format("{}: {}", i, candidate.valid() ? "valid" : "invalid");
  if (candidate.verdict() != schema::Verdict::NotRun)
    head += fmt::format(", {}", schema::EnumNameVerdict(candidate.verdict()));
  if (candidate.grade() != schema::Grade::NotGraded)
    head +=
        fmt::format(", answer {:?} {}", GetStringView(candidate.answer()), schema::EnumNameGrade(candidate.grade()));
  head += fmt::format(", {} tokens", candidate.tokens());
  if (candidate.merged() > 1) head += fmt::format(" of {} samples", candidate.merged());
  head += fmt::format(", log-probability {:.6f}", candidate.log_probability());
  std::vector<std::string> lines = Wrapped(Printable(head), width);
  const auto add = [&](std::string_view name, std::string_view text) {
    if (text.empty()) return;
    for (std::string& line : Wrapped(Printable(name.empty() ? std::string(text) : fmt::format("{}: {}", name, text)),
                                     width > 2 ? width - 2 : width))
      lines.push_back("  " + line);
  };
  add("", GetStringView(candidate.text()));
  add("prints", GetStringView(candidate.output()));
  add("error", GetStringView(candidate.error()));
  add("rejected", GetStringView(candidate.rejection()));
  return lines;
}

std::string_view LineAt(const std::vector<std::string>& lines, size_t i) {
  return i < lines.size() ? std::string_view(lines[i]) : std::string_view();
}

void ShowSideBySide(const store::Parting& parting) {
  const size_t width = (std::max<size_t>(TerminalColumns(), 40) - 3) / 2;
  const auto title = [&](std::string_view run, const store::ExpansionChunk& expansion, const store::Path& path) {
    return Padded(expansion
                      ? fmt::format("{} at {}, {} tokens", run, store::PathText(path), expansion->tokens_generated())
                      : fmt::format("{}: no expansion", run),
                  width);
  };
  fmt::print("{} | {}\n", title("A", parting.a, parting.path_a), title("B", parting.b, parting.path_b));
  const auto count = [](const store::ExpansionChunk& expansion) {
    return expansion && expansion->candidates() != nullptr ? expansion->candidates()->size() : 0U;
  };
  for (uint32_t i = 0; i < std::max(count(parting.a), count(parting.b)); ++i) {
    const auto left = CandidateLines(parting.a.get(), i, width), right = CandidateLines(parting.b.get(), i, width);
    const bool same = left == right;
    for (size_t line = 0; line < std::max(left.size(), right.size()); ++line) {
      const std::string_view in_a = LineAt(left, line), in_b = LineAt(right, line);
      fmt::print("{} {} {}\n", Padded(in_a, width), same ? "|" : Coloured("#", 31), in_b);
    }
  }
  fmt::print("\n");
}

Json Candidates(const store::ExpansionChunk& expansion) {
  if (!expansion || expansion->candidates() == nullptr) return nullptr;
  Json list = Json::array();
  for (const schema::Candidate* candidate : *expansion->candidates()) {
    list.push_back({{"text", GetStringView(candidate->text())},
                    {"valid", candidate->valid()},
                    {"rejection", GetStringView(candidate->rejection())},
                    {"verdict", schema::EnumNameVerdict(candidate->verdict())},
                    {"output", GetStringView(candidate->output())},
                    {"error", GetStringView(candidate->error())},
                    {"answer", GetStringView(candidate->answer())},
                    {"grade", schema::EnumNameGrade(candidate->grade())},
                    {"tokens", candidate->tokens()},
                    {"samples", candidate->merged()},
                    {"log_probability", candidate->log_probability()}});
  }
  return list;
}

class Comparison {
 public:
  Comparison(const DiffOptions& options, const store::Store& a, const store::Store& b)
      : options_(options), a_(a), b_(b) {}

  Status Compare(const std::string& key, const States& states) {
    if (states.a == State::kMissing || states.b == State::kMissing) {
      const bool in_a = states.a != State::kMissing;
      Tell(key,
           {fmt::format("only in {}{}", in_a ? "A" : "B",
                        (in_a ? states.a : states.b) == State::kUnfinished ? ", unfinished" : "")},
           nullptr);
      return absl::OkStatus();
    }
    ORRERY_ASSIGN_OR_RETURN(const auto tree_a, a_.Tree(key));
    ORRERY_ASSIGN_OR_RETURN(const auto tree_b, b_.Tree(key));
    if (tree_a && tree_b && tree_a->bytes() == tree_b->bytes()) {
      ++same_;
      return absl::OkStatus();
    }
    ORRERY_ASSIGN_OR_RETURN(const store::Search search_a, SearchIn(a_, key, tree_a));
    ORRERY_ASSIGN_OR_RETURN(const store::Search search_b, SearchIn(b_, key, tree_b));
    if (const auto parting = store::FirstParting(search_a, search_b)) {
      Tell(key, parting->words, &*parting);
    } else if (tree_a && tree_b) {
      Tell(key, store::OtherDifferences(**tree_a, **tree_b), nullptr);
    } else if (tree_a || tree_b) {
      Tell(key, {fmt::format("unfinished in {}; what it has is the same", tree_a ? "B" : "A")}, nullptr);
    } else if (search_a.expansions.size() != search_b.expansions.size()) {
      Tell(key,
           {fmt::format("unfinished in both: {} expansions against {}; those of both are the same",
                        search_a.expansions.size(), search_b.expansions.size())},
           nullptr);
    } else {
      ++same_;
    }
    return absl::OkStatus();
  }

  uint64_t same() const { return same_; }
  uint64_t different() const { return different_; }

 private:
  static StatusOr<store::Search> SearchIn(const store::Store& store, const std::string& key,
                                          const std::optional<store::TreeChunk>& tree) {
    if (tree) return store::SearchOf(**tree);
    store::Search search;
    ORRERY_ASSIGN_OR_RETURN(search.expansions, store.Expansions(key));
    return search;
  }

  void Tell(const std::string& key, const std::vector<std::string>& words, const store::Parting* parting) {
    ++different_;
    if (options_.json) return TellJson(key, words, parting);
    fmt::print("{}: ", Printable(ProblemId(key)));
    if (parting != nullptr)
      fmt::print("the first {} expansions are the same; then, at {}: ", parting->equal,
                 store::PathText(parting->path_a));
    fmt::print("{}\n", Printable(fmt::format("{}", fmt::join(words, "; "))));
    if (parting != nullptr && shown_++ < options_.shown) ShowSideBySide(*parting);
  }

  static void TellJson(const std::string& key, const std::vector<std::string>& words, const store::Parting* parting) {
    Json line = {{"problem", ProblemId(key)}, {"key", key}, {"words", words}};
    if (parting != nullptr) {
      line["equal_expansions"] = parting->equal;
      line["path_a"] = store::PathText(parting->path_a);
      line["path_b"] = store::PathText(parting->path_b);
      line["a"] = Candidates(parting->a);
      line["b"] = Candidates(parting->b);
    }
    fmt::print("{}\n", line.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  const DiffOptions& options_;
  const store::Store& a_;
  const store::Store& b_;
  uint64_t same_ = 0, different_ = 0;
  int shown_ = 0;
};

}  // namespace

StatusOr<int> DiffStores(const DiffOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto a, OpenRun(options.a));
  ORRERY_ASSIGN_OR_RETURN(const auto b, OpenRun(options.b));
  const bool one_campaign = a->fingerprint() == b->fingerprint();
  if (!one_campaign && !options.json)
    fmt::print("fingerprints differ (settings, weights or arithmetic): {} against {}\n", a->fingerprint(),
               b->fingerprint());
  std::map<std::string, States> problems;
  ORRERY_RETURN_IF_ERROR(AddStates(*a, &States::a, &problems));
  ORRERY_RETURN_IF_ERROR(AddStates(*b, &States::b, &problems));
  Comparison comparison(options, *a, *b);
  for (const auto& [key, states] : problems) ORRERY_RETURN_IF_ERROR(comparison.Compare(key, states));
  if (options.json) {
    fmt::print("{}\n", Json{{"problems", problems.size()},
                            {"same", comparison.same()},
                            {"different", comparison.different()},
                            {"fingerprint_a", a->fingerprint()},
                            {"fingerprint_b", b->fingerprint()}}
                           .dump());
  } else {
    fmt::print("{} problems the same, {} different\n", comparison.same(), comparison.different());
  }
  return comparison.different() == 0 ? 0 : 1;
}

}  // namespace orrery::runners
