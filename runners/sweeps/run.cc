// SPDX-License-Identifier: Apache-2.0
#include "runners/sweeps/run.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/paths.h"
#include "model/registry/registry.h"
#include "runners/campaigns/run.h"
#include "runners/common/disk_space.h"
#include "runners/common/settings.h"
#include "runners/common/stop.h"
#include "runners/sweeps/outputs.h"
#include "runners/sweeps/progress.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;

// How much a cell does, to compare cells by.
StatusOr<double> WorkOf(const schema::ResolvedConfig& config) {
  ORRERY_ASSIGN_OR_RETURN(const auto whole, ApplyPreset(config));
  const search::Rules rules = RulesOf(*whole->search());
  return static_cast<double>(rules.rollouts) * rules.candidates;
}

bool HasAxisOf(const Sweep& sweep, std::string_view section) {
  return std::ranges::any_of(sweep.axes, [&](const Axis& axis) { return axis.key.starts_with(section); });
}

// What all cells have in common is looked at once, before any of them: problems, the model's file, the folder.
Status Prepare(const Sweep& sweep, const fs::path& out, bool quiet) {
  if (!HasAxisOf(sweep, "problems.") && !HasAxisOf(sweep, "run.")) {
    ORRERY_ASSIGN_OR_RETURN(const auto set, LoadProblemsOf(*sweep.base));
    for (const auto& complaint : set.complaints) spdlog::warn("{}", complaint);
  }
  const bool local = !HasEndpoint(*sweep.base) && !HasAxisOf(sweep, "endpoint.");
  if (local && !HasAxisOf(sweep, "model.name")) {
    ORRERY_ASSIGN_OR_RETURN(const auto registry, model::Registry::Load());
    model::FetchOptions fetch;
    fetch.progress = !quiet;
    ORRERY_RETURN_IF_ERROR(model::LocateModel(registry, sweep.base->model()->name()->string_view(), fetch).status());
  }
  std::error_code error;
  fs::create_directories(out / "cells", error);
  if (error) return InvalidInput("{}: the output folder cannot be made ({})", out.string(), error.message());
  return WriteFileAtomically(out / "config.json", sweep.Record());
}

// Its first line without the program's name.
std::string FirstLine(std::string text) {
  text = text.substr(0, text.find('\n'));
  return text.starts_with("campaign: ") ? text.substr(10) : text;
}

class Runner {
 public:
  Runner(const Sweep& sweep, std::vector<schema::ResolvedConfig> configs, std::vector<double> work, bool quiet)
      : sweep_(sweep),
        configs_(std::move(configs)),
        results_(configs_.size()),
        work_(work),
        progress_(Names(sweep), std::move(work), quiet) {
    for (const auto& config : configs_) models_.Expect(*config);
  }

  void RunAll() {
    std::vector<std::thread> threads;
    const size_t count = std::min<size_t>(sweep_.parallel, configs_.size());
    for (size_t i = 0; i < count; ++i) {
      threads.emplace_back([this] {
        for (size_t cell = next_++; cell < configs_.size() && !StopRequested() && !full_; cell = next_++) Run(cell);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  const std::vector<CellResult>& results() const { return results_; }
  const SweepProgress& progress() const { return progress_; }
  bool full() const { return full_; }
  // Whether every failure was one of configuration or input.
  bool all_bad_input() const { return bad_input_ == results_.size(); }

  // Share of the work that is done.
  double done() const {
    double all = 0, done = 0;
    for (size_t i = 0; i < results_.size(); ++i) {
      all += work_[i];
      if (results_[i].state == CellState::kFinished) done += work_[i];
    }
    return all > 0 ? done / all : 1;
  }

 private:
  static std::vector<std::string> Names(const Sweep& sweep) {
    std::vector<std::string> names;
    for (const Cell& cell : sweep.cells) names.push_back(cell.name);
    return names;
  }

  void Run(size_t cell) {
    progress_.Begin(cell);
    const auto end = RunOneCampaign(
        configs_[cell],
        {.quiet = true, .models = &models_, .show = [&](const Moment& moment) { progress_.Show(cell, moment); }});
    CellResult& result = results_[cell];
    if (end.ok() ? end->disk_full : IsDiskFull(end.status())) {
      result = {.state = CellState::kUnfinished, .failure = "no space is left"};
      full_ = true;
    } else if (!end.ok()) {
      result = {.state = CellState::kFailed, .failure = FirstLine(Message(end.status()))};
      if (ExitCode(end.status()) == 2) ++bad_input_;
    } else if (end->code == 1) {
      result = {.state = CellState::kFailed, .failure = FirstLine(end->words)};
    } else if (!end->finished) {
      result.state = CellState::kUnfinished;
    } else if (auto read = ReadCell(configs_[cell]); read.ok()) {
      result = *std::move(read);
    } else {
      result = {.state = CellState::kFailed, .failure = FirstLine(Message(read.status()))};
    }
    models_.Release(*configs_[cell]);
    const bool recalled = end.ok() && end->finished && end->seconds == 0;
    progress_.End(cell, Words(result, end.ok() ? end->seconds : 0, recalled), result.state == CellState::kFailed,
                  recalled);
  }

  static std::string Words(const CellResult& result, double seconds, bool recalled) {
    switch (result.state) {
      case CellState::kFinished:
        return fmt::format("solved {} of {} ({}%){}", result.right, result.solved.size(), PercentText(result.share()),
                           recalled ? ", was finished" : fmt::format(" in {:.0f} s", seconds));
      case CellState::kFailed: return "failed: " + result.failure;
      case CellState::kUnfinished: return result.failure.empty() ? "stopped" : "stopped: " + result.failure;
      case CellState::kWaiting: break;
    }
    return "";
  }

  const Sweep& sweep_;
  const std::vector<schema::ResolvedConfig> configs_;
  SharedModels models_;
  std::vector<CellResult> results_;  // each is written by the thread that runs its cell
  const std::vector<double> work_;
  SweepProgress progress_;
  std::atomic<size_t> next_{0}, bad_input_{0};
  std::atomic<bool> full_{false};
};

}  // namespace

StatusOr<int> RunSweepOf(const schema::Flags& flags) {
  SetUpLog(flags);
  ORRERY_ASSIGN_OR_RETURN(const auto source, flags.Source());
  ORRERY_ASSIGN_OR_RETURN(const Sweep sweep, ReadSweep(source));
  return RunSweep(sweep, flags.quiet);
}

StatusOr<int> RunSweep(const Sweep& sweep, bool quiet) {
  const fs::path out = CallerPath(sweep.base->run()->out()->str());
  std::vector<schema::ResolvedConfig> configs;
  std::vector<double> work;
  for (const Cell& cell : sweep.cells) {
    ORRERY_ASSIGN_OR_RETURN(auto config, ConfigOf(sweep, cell));
    ORRERY_ASSIGN_OR_RETURN(const double one, WorkOf(config));
    configs.push_back(std::move(config));
    work.push_back(one);
  }
  ORRERY_RETURN_IF_ERROR(Prepare(sweep, out, quiet));
  // Once for all cells: any of them that has none.
  const auto open = std::ranges::find_if(configs, [](const schema::ResolvedConfig& config) {
    return config->sandbox()->isolation() == schema::IsolationKind::none;
  });
  if (open != configs.end()) WarnOfMissingWalls(**open);

  Runner runner(sweep, std::move(configs), std::move(work), quiet);
  runner.RunAll();
  const auto table = WriteSweep(out, sweep, runner.results());
  if (table.ok()) {
    fmt::print("{}\n{}: table.md, table.csv, cells.csv, sweep.json, report.html\n", *table, out.string());
  }
  if (const std::string slowest = runner.progress().Slowest(); !quiet && !slowest.empty())
    fmt::print(stderr, "{}\n", slowest);
  if (runner.full() || IsDiskFull(table.status())) {
    fmt::print(stderr,
               "sweep: no space is left in {}: {}\nWhat was acknowledged is kept: free some and run the same "
               "command again to go on.\n",
               out.string(), NeededSpace(out, runner.done()));
    return 1;
  }
  ORRERY_RETURN_IF_ERROR(table.status());
  const auto failed = std::ranges::count(runner.results(), CellState::kFailed, &CellResult::state);
  if (StopRequested() && runner.done() < 1) {
    fmt::print(stderr, "stopped; run the same command again to go on ({})\n", out.string());
    return 130;
  }
  if (failed == 0) return 0;
  fmt::print(stderr, "sweep: {} of {} cells failed; the same command tries them again\n", failed,
             runner.results().size());
  return runner.all_bad_input() ? 2 : 1;
}

}  // namespace orrery::runners
