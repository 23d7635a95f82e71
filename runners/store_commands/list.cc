// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/list.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "runners/store_commands/run_store.h"
#include "runners/store_commands/terminal_text.h"
#include "store/html.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// What is counted of a problem or of a group of them.
struct Counts {
  uint64_t problems = 0, solved = 0, rollouts = 0, nodes = 0, expansions = 0, candidates = 0, texts = 0, valid = 0,
           tokens = 0, steps = 0, bytes = 0;
  std::map<std::string, uint64_t> verdicts, grades;  // of texts: those of steps that ran, of answers that were graded

  void Add(const schema::Expansion& expansion) {
    ++expansions;
    tokens += expansion.tokens_generated();
    steps += expansion.steps_executed();
    if (expansion.candidates() == nullptr) return;
    for (const schema::Candidate* candidate : *expansion.candidates()) {
      ++texts;
      candidates += candidate->merged();
      if (candidate->valid()) ++valid;
      if (candidate->verdict() != schema::Verdict::NotRun) ++verdicts[schema::EnumNameVerdict(candidate->verdict())];
      if (candidate->grade() != schema::Grade::NotGraded) ++grades[schema::EnumNameGrade(candidate->grade())];
    }
  }
  void Add(const store::TreeChunk& tree, const search::Tree& plain) {
    ++problems;
    if (tree->solved()) ++solved;
    rollouts += plain.rollouts.size();
    nodes += plain.nodes.size();
    bytes += tree.bytes().size();
    if (tree->expansions() == nullptr) return;
    for (const schema::Expansion* expansion : *tree->expansions()) Add(*expansion);
  }
  Json ToJson() const {
    return {{"problems", problems},       {"solved", solved},         {"rollouts", rollouts},    {"nodes", nodes},
            {"expansions", expansions},   {"candidates", candidates}, {"distinct_texts", texts}, {"valid", valid},
            {"tokens_generated", tokens}, {"steps_executed", steps},  {"verdicts", verdicts},    {"grades", grades},
            {"record_bytes", bytes}};
  }
};

struct MemoCounts {
  std::map<std::string, Counts> problems;
  uint64_t unreadable = 0;
};

// The memo's expansions by problem. Those of a finished tree are there too where a later search paid for more.
StatusOr<MemoCounts> CountMemo(const store::Store& store) {
  MemoCounts memo;
  ORRERY_RETURN_IF_ERROR(store.ForEachReadableExpansion(
      [&](std::string_view problem, const store::Path&, const StatusOr<store::ExpansionChunk>& expansion) {
        if (expansion.ok()) {
          Counts& counts = memo.problems[std::string(problem)];
          counts.Add(**expansion);
          counts.bytes += expansion->bytes().size();
        } else {
          ++memo.unreadable;
          fmt::print(stderr, "store: the memo, at problem {}: {}\n", problem, Message(expansion.status()));
        }
        return true;
      }));
  return memo;
}

void PrintLine(std::string_view id, std::string_view state, std::string_view difficulty, const Counts& counts) {
  fmt::print("{} {:<10} {:<6} {:>8} {:>10} {:>9}\n", Padded(Printable(id), 32), state, difficulty, counts.rollouts,
             counts.expansions, counts.tokens);
}

struct Groups {
  Counts all;
  std::map<std::string, Counts> difficulties, levels, sources;
};

void PrintGroup(std::string_view title, const std::map<std::string, Counts>& groups) {
  fmt::print("\n{} {:>9} {:>8} {:>9} {:>11} {:>12} {:>13}\n", Padded(title, 24), "problems", "solved", "rollouts",
             "expansions", "tokens", "record bytes");
  for (const auto& [name, counts] : groups) {
    fmt::print("{} {:>9} {:>8} {:>9} {:>11} {:>12} {:>13}\n", Padded(Printable(name), 24), counts.problems,
               store::Percent(counts.solved, counts.problems), counts.rollouts, counts.expansions, counts.tokens,
               counts.bytes);
  }
}

void PrintCounts(std::string_view title, const std::map<std::string, uint64_t>& counts) {
  fmt::print("{}:", title);
  for (const auto& [name, count] : counts) fmt::print(" {} {}", name, store::Grouped(count));
  fmt::print("{}\n", counts.empty() ? " none" : "");
}

void PrintStats(const Groups& groups, const Counts& memo, uint64_t unfinished, uint64_t disk) {
  const Counts& all = groups.all;
  fmt::print("{} finished trees, {} solved: {} rollouts, {} nodes, {} expansions\n", store::Grouped(all.problems),
             store::Grouped(all.solved), store::Grouped(all.rollouts), store::Grouped(all.nodes),
             store::Grouped(all.expansions));
  fmt::print("{} steps sampled, {} distinct, {} valid; {} tokens; {} steps run\n", store::Grouped(all.candidates),
             store::Grouped(all.texts), store::Grouped(all.valid), store::Grouped(all.tokens),
             store::Grouped(all.steps));
  PrintCounts("verdicts", all.verdicts);
  PrintCounts("grades", all.grades);
  fmt::print("memo: {} expansions of {} unfinished problems, {} tokens\n", store::Grouped(memo.expansions),
             store::Grouped(unfinished), store::Grouped(memo.tokens));
  fmt::print("bytes: {} in records, {} in the memo, {} on disk\n", store::Grouped(all.bytes),
             store::Grouped(memo.bytes), store::Grouped(disk));
  PrintGroup("difficulty", groups.difficulties);
  PrintGroup("level", groups.levels);
  PrintGroup("source", groups.sources);
}

Json ToJson(const std::map<std::string, Counts>& groups) {
  Json json = Json::object();
  for (const auto& [name, counts] : groups) json[name] = counts.ToJson();
  return json;
}

}  // namespace

StatusOr<int> ListProblems(const ListOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto store, OpenRun(options.run, store::OnDamage::kPassOver));
  if (!options.json)
    fmt::print("{} {:<10} {:<6} {:>8} {:>10} {:>9}\n", Padded("problem", 32), "", "", "rollouts", "expansions",
               "tokens");
  ORRERY_ASSIGN_OR_RETURN(MemoCounts memo, CountMemo(*store));
  ORRERY_ASSIGN_OR_RETURN(
      const uint64_t unreadable,
      VisitTrees(*store, [&](std::string_view key, const store::TreeChunk& tree, const search::Tree& plain) {
        memo.problems.erase(std::string(key));
        Counts counts;
        counts.Add(tree, plain);
        const std::string_view difficulty = search::Name(search::DifficultyOf(plain));
        if (options.json) {
          Json line = {{"problem", ProblemId(key)},
                       {"key", key},
                       {"finished", true},
                       {"difficulty", difficulty},
                       {"source", GetString(tree->source())},
                       {"level", GetString(tree->level())}};
          line.update(counts.ToJson());
          line["solved"] = tree->solved();
          line.erase("problems");
          fmt::print("{}\n", Dump(line));
        } else {
          PrintLine(ProblemId(key), tree->solved() ? "solved" : "unsolved", difficulty, counts);
        }
        return true;
      }));
  for (const auto& [key, counts] : memo.problems) {
    if (options.json) {
      fmt::print("{}\n", Dump({{"problem", ProblemId(key)},
                               {"key", key},
                               {"finished", false},
                               {"expansions", counts.expansions},
                               {"tokens_generated", counts.tokens}}));
    } else {
      PrintLine(ProblemId(key), "unfinished", "", counts);
    }
  }
  return unreadable + memo.unreadable == 0 ? 0 : 1;
}

StatusOr<int> CountStore(const ListOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto store, OpenRun(options.run, store::OnDamage::kPassOver));
  Groups groups;
  ORRERY_ASSIGN_OR_RETURN(MemoCounts memo, CountMemo(*store));
  Counts of_memo;
  for (const auto& [key, counts] : memo.problems) {
    of_memo.expansions += counts.expansions;
    of_memo.tokens += counts.tokens;
    of_memo.bytes += counts.bytes;
  }
  ORRERY_ASSIGN_OR_RETURN(
      const uint64_t unreadable,
      VisitTrees(*store, [&](std::string_view key, const store::TreeChunk& tree, const search::Tree& plain) {
        memo.problems.erase(std::string(key));
        const auto named = [](const flatbuffers::String* text) {
          return GetString(text).empty() ? "none" : GetString(text);
        };
        for (Counts* counts :
             {&groups.all, &groups.difficulties[std::string(search::Name(search::DifficultyOf(plain)))],
              &groups.levels[named(tree->level())], &groups.sources[named(tree->source())]})
          counts->Add(tree, plain);
        return true;
      }));
  const uint64_t disk = DiskBytes(options.run);
  if (options.json) {
    const Json json = {{"fingerprint", store->fingerprint()},
                       {"all", groups.all.ToJson()},
                       {"memo",
                        {{"unfinished_problems", memo.problems.size()},
                         {"expansions", of_memo.expansions},
                         {"tokens_generated", of_memo.tokens},
                         {"bytes", of_memo.bytes}}},
                       {"disk_bytes", disk},
                       {"unreadable", unreadable + memo.unreadable},
                       {"by_difficulty", ToJson(groups.difficulties)},
                       {"by_level", ToJson(groups.levels)},
                       {"by_source", ToJson(groups.sources)}};
    fmt::print("{}\n", Dump(json, 2));
  } else {
    PrintStats(groups, of_memo, memo.problems.size(), disk);
  }
  return unreadable + memo.unreadable == 0 ? 0 : 1;
}

}  // namespace orrery::runners
