// SPDX-License-Identifier: Apache-2.0
// What a step costs: at depth 1, 8 and 16, with 64 paths in flight over two sandboxes, and on a real campaign's steps.

#include "sandbox/sandbox.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <thread>

#include "base/clock.h"
#include "base/paths.h"
#include "bench/figure.h"
#include "bench/sandbox_recorded.h"

namespace orrery {
namespace {

using sandbox::Sandbox;
using sandbox::StepRequest;

bool json = false;

void Report(const std::string& name, const std::string& metric, double value, const std::string& unit,
            const std::string& conditions) {
  bench::Print({name, metric, value, unit, conditions, {}}, json);
}

std::unique_ptr<Sandbox> Start(int snapshots) {
  sandbox::SandboxOptions options;
  options.wall_seconds = 60;
  options.snapshot_count = snapshots;
  auto started = Sandbox::Start(options);
  if (!started.ok()) {
    std::fprintf(stderr, "bench sandbox: %s\n", Message(started.status()).c_str());
    std::exit(ExitCode(started.status()));
  }
  return std::move(*started);
}

void Check(const sandbox::StepResult& result, int executed) {
  if (result.verdict == sandbox::Verdict::kOk && (executed == 0 || result.steps_executed == executed)) return;
  std::fprintf(stderr, "bench sandbox: a step ended %s after %d steps: %s\n", std::string(Name(result.verdict)).c_str(),
               result.steps_executed, result.error.c_str());
  std::exit(1);
}

double Percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(std::ceil(share * static_cast<double>(values.size()))) - 1)];
}

// A path of `depth` - 1 steps: what the next step continues.
StepRequest PathTo(Sandbox& sandbox, int depth) {
  StepRequest request;
  for (int i = 1; i < depth; ++i) {
    request.step = {fmt::format("x{} = {}", i, i), static_cast<uint64_t>(i)};
    Check(sandbox.Run(request), 1);
    request.parents.push_back(request.step);
  }
  return request;
}

// Siblings on one parent: what a search does at every node. The depths take turns, so that a busy machine slows them
// alike.
void TrivialSteps(const std::vector<int>& depths) {
  constexpr int kWarm = 20;
  constexpr int kSteps = 500;
  std::vector<std::unique_ptr<Sandbox>> sandboxes;
  std::vector<StepRequest> requests;
  for (const int depth : depths) {
    sandboxes.push_back(Start(64));
    requests.push_back(PathTo(*sandboxes.back(), depth));
  }
  std::vector<std::vector<double>> milliseconds(depths.size());
  for (int i = 0; i < kWarm + kSteps; ++i) {
    for (size_t d = 0; d < depths.size(); ++d) {
      requests[d].step = {fmt::format("print({})", i), 1};
      const auto start = Clock::now();
      Check(sandboxes[d]->Run(requests[d]), 1);
      const double took = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
      if (i >= kWarm) milliseconds[d].push_back(took);
    }
  }
  for (size_t d = 0; d < depths.size(); ++d) {
    const auto name = fmt::format("trivial-depth-{}", depths[d]);
    const auto conditions = fmt::format("{} sibling steps, one at a time, snapshots kept and dropped", kSteps);
    Report(name, "p10_ms", Percentile(milliseconds[d], 0.1), "ms", conditions);
    Report(name, "p50_ms", Percentile(milliseconds[d], 0.5), "ms", conditions);
    Report(name, "p99_ms", Percentile(milliseconds[d], 0.99), "ms", conditions);
  }
}

// 64 paths that grow by a step each in turn, half of them in each of two sandboxes.
void InFlight() {
  constexpr int kPaths = 64;
  constexpr int kPool = 2;
  constexpr int kDepth = 8;
  std::vector<std::unique_ptr<Sandbox>> pool;
  for (int i = 0; i < kPool; ++i) pool.push_back(Start(2 * kPaths / kPool));
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (int worker = 0; worker < kPool; ++worker) {
    threads.emplace_back([&, worker] {
      std::vector<StepRequest> paths(kPaths / kPool);
      for (int depth = 0; depth < kDepth; ++depth) {
        for (size_t p = 0; p < paths.size(); ++p) {
          paths[p].step = {fmt::format("y{} = {}\nprint(y{})", depth, p, depth), p};
          Check(pool[static_cast<size_t>(worker)]->Run(paths[p]), 1);
          paths[p].parents.push_back(paths[p].step);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const double seconds = SecondsSince(start);
  const double cores = std::max(1U, std::thread::hardware_concurrency());
  Report("in-flight-64", "steps_per_second_per_core", kPaths * kDepth / seconds / cores, "steps/s",
         fmt::format("{} paths to depth {}, {} sandboxes, {} cores, teardown of dropped snapshots included", kPaths,
                     kDepth, kPool, cores));
}

// The same program of 8 steps as a search runs it, against a fork of the warm interpreter and the whole prefix again.
void AgainstReplay() {
  const char* kSteps[] = {"import sympy\nx = sympy.symbols('x')",
                          "roots = sympy.solve(x**2 - 5*x + 6, x)",
                          "total = sum(roots)",
                          "area = sympy.integrate(x**2, (x, 0, 3))",
                          "n = sympy.factorint(360)",
                          "m = sympy.Matrix([[1, 2], [3, 4]]).det()",
                          "value = total + area + m",
                          "print(value, n)"};
  const auto measure = [&](int snapshots) {
    const auto sandbox = Start(snapshots);
    std::vector<double> seconds;
    for (int round = 0; round < 20; ++round) {
      StepRequest request;
      const auto start = Clock::now();
      for (const char* code : kSteps) {
        request.step = {code, static_cast<uint64_t>(round)};
        Check(sandbox->Run(request), 0);
        request.parents.push_back(request.step);
      }
      seconds.push_back(SecondsSince(start));
    }
    return Percentile(seconds, 0.5);
  };
  const double with = measure(64);
  const double without = measure(0);
  Report("sympy-path-8", "p50_ms", with * 1e3, "ms", "8 steps of one path, each on its parent's snapshot");
  Report("sympy-path-8", "replay_ratio", without / with, "x",
         "the same, the prefix replayed in the warm interpreter for each step");
}

// Against a new process a step, on the steps that the run in `folder` recorded.
void Recorded(const std::string& folder) {
  constexpr uint64_t kSample = 50;
  const auto figures = MeasureRecorded(CallerPath(folder), kSample);
  if (!figures.ok()) {
    std::fprintf(stderr, "bench sandbox: %s\n", Message(figures.status()).c_str());
    std::exit(ExitCode(figures.status()));
  }
  const double step = figures->seconds_per_step;
  const auto sampled = fmt::format("{} of {} recorded steps, a new process each, the whole program again",
                                   figures->sampled, figures->steps);
  Report("recorded", "mean_ms", step * 1e3, "ms", fmt::format("{} recorded steps, one sandbox", figures->steps));
  Report("recorded", "ratio", figures->packages_seconds / step, "x",
         sampled + ", behind bubblewrap, sympy and numpy imported as a sandbox offers them");
  Report("recorded", "ratio_no_packages", figures->walled_seconds / step, "x",
         sampled + ", behind bubblewrap, importing what the program imports");
  Report("recorded", "ratio_no_walls", figures->process_seconds / step, "x",
         sampled + ", without walls, importing what the program imports");
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) {
  std::string run;
  CLI::App app("What a step of Python costs.", "sandbox");
  app.add_flag("--json", orrery::json, "one object a figure");
  app.add_option("--run", run, "a finished run's folder: its recorded steps against a new process each");
  std::vector<std::string> cases;
  app.add_option("--case", cases, "these alone: trivial, in-flight, sympy, recorded");
  CLI11_PARSE(app, argc, argv);
  const auto wanted = [&](const char* name) {
    return cases.empty() || std::find(cases.begin(), cases.end(), name) != cases.end();
  };
  if (wanted("trivial")) orrery::TrivialSteps({1, 8, 16});
  if (wanted("in-flight")) orrery::InFlight();
  if (wanted("sympy")) orrery::AgainstReplay();
  if (wanted("recorded") && !run.empty()) orrery::Recorded(run);
}
