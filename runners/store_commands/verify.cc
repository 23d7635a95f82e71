// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/verify.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/paths.h"
#include "runners/common/settings.h"
#include "runners/store_commands/findings.h"
#include "runners/store_commands/rerun.h"
#include "runners/store_commands/run_store.h"
#include "store/check.h"

namespace orrery::runners {
namespace {

struct Counted {
  uint64_t trees = 0;
  uint64_t memo = 0;  // expansions
  Trees whole;        // kept for running again
};

// Each tree in itself; those that may be run again are kept where that is asked for.
Status CheckTrees(const store::Store& store, const VerifyOptions& options, const search::Rules& rules,
                  Findings* findings, Counted* counted) {
  return store.ForEachReadableTree([&](std::string_view problem, const StatusOr<store::TreeChunk>& tree) {
    ++counted->trees;
    if (!tree.ok()) {
      findings->Differs(problem, "", "record", "unreadable, here or right after", Message(tree.status()));
    } else {
      for (const store::Finding& finding : store::CheckTree(problem, *tree, rules))
        findings->Differs(problem, finding.place, finding.field, finding.recorded, finding.expected);
      if (options.rerun && store::CheckShape(problem, **tree).empty())
        counted->whole.emplace_back(std::string(problem), *tree);
    }
    return options.limit == 0 || counted->trees < options.limit;
  });
}

Status CheckMemo(const store::Store& store, Findings* findings, Counted* counted) {
  return store.ForEachReadableExpansion(
      [&](std::string_view problem, const store::Path& path, const StatusOr<store::ExpansionChunk>& expansion) {
        ++counted->memo;
        const std::string place = store::PathText(path);
        if (!expansion.ok()) {
          findings->Differs(problem, place, "memo", "unreadable, here or right after", Message(expansion.status()));
          return true;
        }
        const std::string_view name = GetStringView((*expansion)->problem());
        if (name != problem)
          findings->Differs(problem, place, "memo: problem", std::string(name), std::string(problem));
        const std::string inside = store::PathText(store::PathOf(**expansion));
        if (inside != place) findings->Differs(problem, place, "memo: path", inside, place);
        return true;
      });
}

void Say(const VerifyOptions& options, const Counted& counted, double seconds, const Findings& findings) {
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"trees", counted.trees},
                                      {"memo_expansions", counted.memo},
                                      {"rerun", options.rerun},
                                      {"same", findings.same()},
                                      {"different", findings.different()},
                                      {"environmental_left_out", findings.left_out()},
                                      {"seconds", seconds}}
                           .dump());
    return;
  }
  fmt::print(
      "{} trees and {} expansions of unfinished ones checked in {:.1f} s: {}\n", counted.trees, counted.memo, seconds,
      findings.different() == 0 ? "all is as a search leaves it" : fmt::format("{} differences", findings.different()));
  if (options.rerun)
    fmt::print("run and compared again: {} the same, {} time-outs and memory kills left out\n", findings.same(),
               findings.left_out());
}

}  // namespace

StatusOr<int> VerifyStore(const VerifyOptions& options) {
  const auto begin = Clock::now();
  ORRERY_ASSIGN_OR_RETURN(const auto text, ReadFile(options.run / "config.json"));
  ORRERY_ASSIGN_OR_RETURN(const auto config, schema::ParseConfig(text, (options.run / "config.json").string()));
  ORRERY_ASSIGN_OR_RETURN(const search::Rules rules, RulesOfRun(options.run));
  ORRERY_ASSIGN_OR_RETURN(const auto store, OpenRun(options.run, store::OnDamage::kPassOver));
  Findings findings(options.json);
  if (!store->damage().ok())
    findings.Differs("", "", "log", "damaged: what it lost is not here", Message(store->damage()));
  Counted counted;
  ORRERY_RETURN_IF_ERROR(CheckTrees(*store, options, rules, &findings, &counted));
  ORRERY_RETURN_IF_ERROR(CheckMemo(*store, &findings, &counted));
  if (counted.trees + counted.memo == 0 && findings.different() == 0)
    return InvalidInput("{}: its store holds no record", options.run.string());
  if (options.rerun) ORRERY_RETURN_IF_ERROR(Rerun(counted.whole, *config, Threads(options.sandboxes), &findings));
  const double seconds = SecondsSince(begin);
  Say(options, counted, seconds, findings);
  return findings.different() == 0 ? 0 : 1;
}

}  // namespace orrery::runners
