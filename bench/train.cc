// SPDX-License-Identifier: Apache-2.0
// How fast a training step is and what memory it takes, each case in a process of its own; with --peers PyTorch on the
// same model, batch and length in turn with ours.

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/paths.h"
#include "model/registry/registry.h"
#include "model/source/hf_export.h"
#include "model/training/language_objective.h"
#include "model/training/score_objective.h"
#include "model/training/trainer.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Case {
  std::string name, model;
  int batch;
  bool ppm = false;  // a preference model; the peer is our own training without shared prefixes
};

// A group of the preference model's case, like those that a campaign over GSM8K leaves: a question and two steps, four
// steps that go on from there.
constexpr int kPrefix = 200, kBranch = 50, kBranches = 4;

const std::vector<Case> kCases = {{"sft-smollm2-135m", "smollm2-135m-instruct", 8},
                                  {"sft-qwen2.5-0.5b", "qwen2.5-coder-0.5b-instruct", 4},
                                  {"ppm-qwen2.5-0.5b", "qwen2.5-coder-0.5b-instruct", 2, true}};

struct Options {
  std::vector<std::string> cases;
  std::string python = "python3";
  int length = 256, steps = 3, repeats = 1, threads = static_cast<int>(std::thread::hardware_concurrency());
  bool checkpointing = false, peers = false, json = false;
};

struct Figures {
  double tokens_per_second = 0, peak_bytes = 0;
};

std::vector<model::TokenId> RandomTokens(const model::ModelShape& shape, int length, int salt) {
  std::vector<model::TokenId> tokens;
  for (int t = 0; t < length; ++t) tokens.push_back(5 + (salt * 7919 + t * 104729) % (shape.vocabulary - 10));
  return tokens;
}

// What is learnt, and how many tokens of whole texts a step has.
struct Task {
  std::vector<model::TrainingExample> examples;
  std::vector<model::ScoredGroup> groups;
  std::unique_ptr<model::Objective> objective;
  int tokens = 0;
};

std::unique_ptr<Task> MakeTask(const Options& options, const Case& bench_case, bool shared, model::Network& network) {
  auto task = std::make_unique<Task>();
  const model::ModelShape& shape = network.shape();
  for (int i = 0; i < bench_case.batch * (options.steps + 1); ++i) {
    if (!bench_case.ppm) {
      task->examples.push_back({RandomTokens(shape, options.length, i)});
      continue;
    }
    model::ScoredGroup group{
        .prefix = RandomTokens(shape, kPrefix, i), .branches = {}, .pairs = {{0, 2}, {0, 3}, {1, 2}, {1, 3}}};
    for (int b = 0; b < kBranches; ++b) group.branches.push_back({RandomTokens(shape, kBranch, 1000 + 10 * i + b), 0});
    task->groups.push_back(std::move(group));
  }
  task->tokens = bench_case.batch * (bench_case.ppm ? kBranches * (kPrefix + kBranch) : options.length);
  if (bench_case.ppm) {
    task->objective =
        std::make_unique<model::ScoreObjective>(network, task->groups, model::ScoreOptions{.shared = shared});
  } else {
    task->objective = std::make_unique<model::LanguageObjective>(network, task->examples);
  }
  return task;
}

// Steps of full training on random tokens, the first of them not counted.
StatusOr<double> TokensPerSecond(const Options& options, const Case& bench_case, bool shared) {
  ORRERY_ASSIGN_OR_RETURN(const model::Registry registry, model::Registry::Load());
  ORRERY_ASSIGN_OR_RETURN(const auto path, LocateModel(registry, bench_case.model));
  ORRERY_ASSIGN_OR_RETURN(const auto source, model::ModelSource::Open(path));
  ORRERY_ASSIGN_OR_RETURN(model::ModelShape shape, source->Shape());
  shape.score_scale = bench_case.ppm ? 1 : 0;
  const auto backend = kernels::Backend::Create(kernels::HostIsa(), kernels::Type::kBfloat16);
  kernels::ThreadPool pool(options.threads);
  const auto ops = kernels::TrainingOps::Create(*backend, pool);
  ORRERY_ASSIGN_OR_RETURN(auto parameters, model::Parameters::Read(*source, shape, true));
  const int group = shared ? kPrefix + kBranches * kBranch : kBranches * (kPrefix + kBranch);
  const model::NetworkOptions network_options{.max_rows = bench_case.batch * (bench_case.ppm ? group : options.length),
                                              .checkpointing = options.checkpointing};
  model::Network network(shape, parameters, *ops, network_options);
  const auto task = MakeTask(options, bench_case, shared, network);
  model::Trainer trainer(parameters, network, *ops, *task->objective,
                         {.epochs = 1, .batch = bench_case.batch, .rate = 1e-5f});
  std::vector<double> seconds;
  while (!trainer.Done()) {
    const auto start = Clock::now();
    ORRERY_RETURN_IF_ERROR(trainer.Step().status());
    seconds.push_back(SecondsSince(start));
  }
  seconds.erase(seconds.begin());
  std::ranges::nth_element(seconds, seconds.begin() + std::ssize(seconds) / 2);
  return task->tokens / seconds[seconds.size() / 2];
}

// What `work`, in a process of its own, writes to its descriptor, and the most memory that it had.
StatusOr<Figures> InAProcess(const std::function<int(int out)>& work) {
  int pipes[2];
  if (pipe(pipes) != 0) return Failed("no pipe");
  const pid_t pid = fork();
  if (pid < 0) return Failed("no process");
  if (pid == 0) {
    close(pipes[0]);
    _exit(work(pipes[1]));
  }
  close(pipes[1]);
  std::string text;
  char bytes[4096];
  for (ssize_t got; (got = read(pipes[0], bytes, sizeof bytes)) > 0;) text.append(bytes, static_cast<size_t>(got));
  close(pipes[0]);
  int status = 0;
  rusage usage{};
  wait4(pid, &status, 0, &usage);
  const Json json = Json::parse(text, nullptr, false);
  if (status != 0 || !json.is_object()) return Failed("it ended with status {} after \"{}\"", status, text);
  return Figures{json.value("tokens_per_second", 0.0), static_cast<double>(usage.ru_maxrss) * 1024};
}

StatusOr<Figures> Ours(const Options& options, const Case& bench_case, bool shared) {
  return InAProcess([&](int out) {
    const auto speed = TokensPerSecond(options, bench_case, shared);
    if (!speed.ok()) {
      fmt::print(stderr, "{}\n", Message(speed.status()));
      return 1;
    }
    const std::string text = Json{{"tokens_per_second", *speed}}.dump();
    return write(out, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1;
  });
}

StatusOr<Figures> Peers(const Options& options, const Case& bench_case, const fs::path& folder) {
  ORRERY_ASSIGN_OR_RETURN(const fs::path script, DataFile("bench/peers/torch_train.py"));
  return InAProcess([&](int out) {
    dup2(out, STDOUT_FILENO);
    execlp(options.python.c_str(), options.python.c_str(), script.c_str(), folder.c_str(), "--batch",
           std::to_string(bench_case.batch).c_str(), "--length", std::to_string(options.length).c_str(), "--steps",
           std::to_string(options.steps).c_str(), "--threads", std::to_string(options.threads).c_str(), nullptr);
    return 127;
  });
}

void Report(const Options& options, const Case& bench_case, const char* metric, double value, const char* unit,
            double peer, double ratio) {
  const std::string conditions =
      bench_case.ppm ? fmt::format("{}, {} groups of {} branches of {} tokens on {}, {} threads", bench_case.model,
                                   bench_case.batch, kBranches, kBranch, kPrefix, options.threads)
                     : fmt::format("{}, {} examples of {} tokens, {} threads{}", bench_case.model, bench_case.batch,
                                   options.length, options.threads, options.checkpointing ? ", checkpointing" : "");
  if (options.json) {
    Json line = {
        {"case", bench_case.name}, {"metric", metric}, {"value", value}, {"unit", unit}, {"conditions", conditions}};
    if (options.peers)
      line.update(
          {{"peer", bench_case.ppm ? "prefixes apart" : "pytorch-autocast"}, {"peer_value", peer}, {"ratio", ratio}});
    fmt::print("{}\n", line.dump());
  } else if (options.peers) {
    fmt::print("{:<18} {:<18} {:>12.4g} {:<9} {} {:>10.4g}, ratio {:.2f}   {}\n", bench_case.name, metric, value, unit,
               bench_case.ppm ? "prefixes apart" : "PyTorch", peer, ratio, conditions);
  } else {
    fmt::print("{:<18} {:<18} {:>12.4g} {:<9} {}\n", bench_case.name, metric, value, unit, conditions);
  }
  std::fflush(stdout);
}

Status Run(const Options& options, const Case& bench_case) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("orrery-bench-train-{}", getpid());
  if (options.peers && !bench_case.ppm) {
    ORRERY_ASSIGN_OR_RETURN(const model::Registry registry, model::Registry::Load());
    ORRERY_ASSIGN_OR_RETURN(const auto path, LocateModel(registry, bench_case.model));
    ORRERY_RETURN_IF_ERROR(model::ExportHfFolder(path, folder));
  }
  Status status;
  for (int i = 0; i < options.repeats && status.ok(); ++i) {
    const auto ours = Ours(options, bench_case, true);
    StatusOr<Figures> peer = Figures{};
    if (options.peers && ours.ok())
      peer = bench_case.ppm ? Ours(options, bench_case, false) : Peers(options, bench_case, folder);
    status = !ours.ok() ? ours.status() : peer.status();
    if (!status.ok()) break;
    Report(options, bench_case, "tokens_per_second", ours->tokens_per_second, "tokens/s", peer->tokens_per_second,
           peer->tokens_per_second > 0 ? ours->tokens_per_second / peer->tokens_per_second : 0);
    Report(options, bench_case, "peak_rss_bytes", ours->peak_bytes, "bytes", peer->peak_bytes,
           peer->peak_bytes / ours->peak_bytes);
  }
  std::error_code error;
  fs::remove_all(folder, error);
  return status;
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) {
  orrery::Options options;
  CLI::App app{"Speed and memory of a training step"};
  app.add_option("--case", options.cases,
                 "one of the cases, or several: sft-smollm2-135m, sft-qwen2.5-0.5b, ppm-qwen2.5-0.5b")
      ->delimiter(',');
  app.add_option("--length", options.length, "tokens of an example")->check(CLI::Range(2, 4096))->capture_default_str();
  app.add_option("--steps", options.steps, "steps that count")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--repeats", options.repeats, "how often ours and the peer take turns")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_flag("--checkpointing", options.checkpointing, "the inside of layers is computed twice");
  app.add_flag("--peers", options.peers, "PyTorch beside ours, from a Python with torch and transformers");
  app.add_option("--python", options.python, "that Python")->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object a figure");
  CLI11_PARSE(app, argc, argv);
  for (const auto& bench_case : orrery::kCases) {
    if (!options.cases.empty() && std::ranges::find(options.cases, bench_case.name) == options.cases.end()) continue;
    const orrery::Status status = orrery::Run(options, bench_case);
    if (status.ok()) continue;
    fmt::print(stderr, "{}: {}\n", bench_case.name, orrery::Message(status));
    return orrery::ExitCode(status);
  }
}
