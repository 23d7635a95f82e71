// SPDX-License-Identifier: Apache-2.0
// Looks into a run's store. A subcommand is a function of runners/store_NAME.h with its options as a struct.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "base/paths.h"
#include "runners/store_commands/compact.h"
#include "runners/store_commands/diff.h"
#include "runners/store_commands/export.h"
#include "runners/store_commands/list.h"
#include "runners/store_commands/observe.h"
#include "runners/store_commands/q_error.h"
#include "runners/store_commands/show.h"
#include "runners/store_commands/verify.h"

namespace orrery {
namespace {

int Exit(const StatusOr<int>& code) {
  if (code.ok()) return *code;
  std::fprintf(stderr, "store: %s\n", Message(code.status()).c_str());
  return ExitCode(code.status());
}

// What the chosen subcommand does, once its flags are read.
using Chosen = std::function<StatusOr<int>()>;

// A subcommand on one run, whose folder comes first.
CLI::App* Add(CLI::App& app, const char* name, const char* what, std::string* run) {
  CLI::App* command = app.add_subcommand(name, what);
  command->add_option("RUN", *run, "the folder of a run")->required();
  return command;
}

void AddLists(CLI::App& app, Chosen* chosen) {
  struct Flags {
    std::string run;
    bool json = false;
  };
  const auto add = [&](const char* name, const char* what, const char* json,
                       StatusOr<int> (*act)(const runners::ListOptions&)) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command = Add(app, name, what, &flags->run);
    command->add_flag("--json", flags->json, json);
    command->callback([=] { *chosen = [=] { return act({CallerPath(flags->run), flags->json}); }; });
  };
  add("ls", "a line a problem: solved, difficulty, rollouts, expansions, tokens", "an object a line",
      runners::ListProblems);
  add("stats", "counts of records, verdicts, tokens and bytes, by difficulty, level and source", "one object",
      runners::CountStore);
}

void AddShows(CLI::App& app, Chosen* chosen) {
  struct Flags {
    std::string run;
    runners::ShowOptions options;
  };
  const auto add = [&](const char* name, const char* what, StatusOr<int> (*act)(const runners::ShowOptions&)) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command = Add(app, name, what, &flags->run);
    command->add_option("PROBLEM", flags->options.problem, "its id, its key, or a beginning that only one has")
        ->required();
    command->callback([=] {
      flags->options.run = CallerPath(flags->run);
      *chosen = [=] { return act(flags->options); };
    });
    return std::pair(command, flags);
  };
  const auto [show, show_flags] =
      add("show", "question, answer and the best trajectories as text", runners::ShowProblem);
  show->add_option("--trajectories", show_flags->options.trajectories, "so many of the best")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  const auto [tree, tree_flags] =
      add("tree", "the tree in lines: visits N, mean value Q, verdict, grade", runners::ShowTree);
  tree->add_flag("--all", tree_flags->options.all, "candidates that no rollout visited too");
}

void AddExport(CLI::App& app, Chosen* chosen) {
  struct Flags {
    std::string run, out;
    runners::ExportCommand command;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = Add(app, "export", "what trainers read, with a data card", &flags->run);
  command->add_option("--format", flags->command.format, "sft, preferences, kto, stepwise or records")
      ->check(CLI::IsMember({"sft", "preferences", "kto", "stepwise", "records"}))
      ->capture_default_str();
  command->add_flag("--parquet", flags->command.parquet, "a Parquet file in place of JSON lines");
  command->add_flag("--messages", flags->command.messages,
                    "of sft: a chat's messages in place of prompt and completion");
  command
      ->add_option("--per-problem", flags->command.per_problem,
                   "trajectories of each problem at most, right and wrong ones apart; 0 is all (2 of sft, else all)")
      ->check(CLI::Range(0, 1'000'000));
  command->add_option("--out", flags->out, "the folder to write (RUN/export/FORMAT)");
  command->callback([=] {
    flags->command.run = CallerPath(flags->run);
    flags->command.out = CallerPath(flags->out);
    *chosen = [=] { return runners::ExportStore(flags->command); };
  });
}

void AddVerify(CLI::App& app, Chosen* chosen) {
  struct Flags {
    std::string run;
    runners::VerifyOptions options;
  };
  auto flags = std::make_shared<Flags>();
  auto& options = flags->options;
  CLI::App* command = Add(app, "verify", "check every record; exits 1 where something differs", &flags->run);
  command->add_flag(
      "--rerun", options.rerun,
      "run every recorded step and compare every answer again: verdict, bytes and grade must be the same");
  command->add_option("--limit", options.limit, "so many trees; 0 is all");
  command->add_option("--sandboxes", options.sandboxes, "interpreters at the same time; 0 is one for each core")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options.json, "an object a difference, then one for all");
  command->callback([=] {
    flags->options.run = CallerPath(flags->run);
    *chosen = [=] { return runners::VerifyStore(flags->options); };
  });
}

void AddCompact(CLI::App& app, Chosen* chosen) {
  auto run = std::make_shared<std::string>();
  CLI::App* command = Add(app, "compact", "write the files anew: what was replaced leaves the disk", run.get());
  command->callback([=] { *chosen = [=] { return runners::CompactStore(CallerPath(*run)); }; });
}

void AddDiff(CLI::App& app, Chosen* chosen) {
  struct Flags {
    std::string a, b;
    runners::DiffOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("diff", "compare two runs problem by problem; exits 1 where they differ");
  command->add_option("A", flags->a, "the folder of a run")->required();
  command->add_option("B", flags->b, "the folder of another")->required();
  command->add_option("--show", flags->options.shown, "problems whose first differing expansions are shown")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command->add_flag("--json", flags->options.json, "an object a differing problem, then one for all");
  command->callback([=] {
    flags->options.a = CallerPath(flags->a);
    flags->options.b = CallerPath(flags->b);
    *chosen = [=] { return runners::DiffStores(flags->options); };
  });
}

void AddObserve(CLI::App& app, Chosen* chosen) {
  struct Flags {
    std::string run;
    runners::ObserveOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      Add(app, "observe",
          "what to look at: solved by level, why not, best and doubtful steps, solutions that turn back", &flags->run);
  command->add_option("--show", flags->options.shown, "of each kind so many")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command->add_option("--seed", flags->options.seed, "of the samples")->capture_default_str();
  command->add_flag("--json", flags->options.json, "one object in place of Markdown");
  command->callback([=] {
    flags->options.run = CallerPath(flags->run);
    *chosen = [=] { return runners::ObserveStore(flags->options); };
  });
}

void AddQError(CLI::App& app, Chosen* chosen) {
  struct Flags {
    std::string with, against;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("q-error", "how far a short search's values lie from a long one's");
  command->add_option("SHORT", flags->with, "the folder of a run")->required();
  command->add_option("LONG", flags->against, "the folder of a run of the same problems with more rollouts")
      ->required();
  command->add_flag("--json", flags->json, "one object");
  command->callback([=] {
    *chosen = [=] { return runners::CompareQ({CallerPath(flags->with), CallerPath(flags->against), flags->json}); };
  });
}

int Main(int argc, char** argv) {
  CLI::App app("Looks into the store of a run.", "store");
  app.require_subcommand(1);
  Chosen chosen;
  AddLists(app, &chosen);
  AddShows(app, &chosen);
  AddExport(app, &chosen);
  AddVerify(app, &chosen);
  AddCompact(app, &chosen);
  AddDiff(app, &chosen);
  AddObserve(app, &chosen);
  AddQError(app, &chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return Exit(chosen());
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) { return orrery::Main(argc, argv); }
