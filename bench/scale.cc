// SPDX-License-Identifier: Apache-2.0
// What the engine itself takes at a size that no model here could keep busy: real actors, messages and store, only the
// model and its tools are simulated. Each case runs in a process of its own.

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/paths.h"
#include "bench/figure.h"
#include "bench/scale_floor.h"
#include "bench/scale_memory.h"
#include "bench/scale_run.h"

namespace orrery::bench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr double kGiB = 1024.0 * 1024 * 1024;

struct Options {
  std::vector<std::string> cases;
  std::string profile, folder;
  uint64_t in_flight = 1'000'000, problems = 747'000, against = 10'000;
  int rollouts = 16, wave = 16;
  size_t live_trees = 64;  // enough to keep two threads busy while commits are written; more only miss the caches
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  bool json = false;
};

// 747k, 1m, 1600
std::string Short(uint64_t count) {
  if (count >= 1'000'000 && count % 1'000'000 == 0) return fmt::format("{}m", count / 1'000'000);
  if (count >= 1000 && count % 1000 == 0) return fmt::format("{}k", count / 1000);
  return std::to_string(count);
}

// What a case's process tells its parent.
struct Told {
  double seconds = 0, messages = 0, rollouts = 0, expansions = 0, solved = 0, peak_bytes = 0, store_bytes = 0;
  double most_rollouts = 0, most_nodes = 0;
};

Json AsJson(const ScaleFigures& figures) {
  return Json::array({figures.seconds, figures.messages, figures.rollouts, figures.expansions, figures.solved,
                      figures.peak_bytes, figures.store_bytes, figures.most.rollouts, figures.most.nodes});
}

Told ToldBy(const Json& json) {
  const auto at = [&json](size_t i) { return json.at(i).get<double>(); };
  return {at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8)};
}

StatusOr<ScaleFigures> RunIn(const fs::path& folder, ScaleSetting setting) {
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) return InvalidInput("{}: cannot be made ({})", folder.string(), error.message());
  setting.folder = folder;
  auto figures = RunScale(setting);
  fs::remove_all(folder, error);
  return figures;
}

// In a child, so that its peak of memory is its own.
StatusOr<Told> RunApart(const Options& options, const ScaleSetting& setting) {
  int ends[2];
  if (pipe(ends) != 0) return Failed("a pipe could not be made");
  const fs::path folder = (options.folder.empty() ? fs::temp_directory_path() : CallerPath(options.folder)) /
                          fmt::format("orrery-scale-{}", getpid());
  const pid_t child = fork();
  if (child < 0) return Failed("a process could not be made");
  if (child == 0) {
    close(ends[0]);
    const auto figures = RunIn(folder, setting);
    const std::string text = figures.ok() ? AsJson(*figures).dump() : Json(Message(figures.status())).dump();
    const bool sent = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_string()) return Failed("{}", json.get<std::string>());
  if (!json.is_array()) return Failed("the case's process ended with status {}", status);
  return ToldBy(json);
}

class Cases {
 public:
  Cases(const Options& options, std::shared_ptr<const simulation::Profile> profile)
      : options_(options), profile_(std::move(profile)) {}

  Status Check() const {
    for (const std::string& name : options_.cases) {
      if (name != InFlightName() && name != SimulateName() && name != "actors" && name != "floor") {
        return InvalidInput("--case={}: expected {}, {}, actors or floor (--in-flight and --problems set the sizes)",
                            name, InFlightName(), SimulateName());
      }
    }
    return absl::OkStatus();
  }

  bool Wanted(const std::string& name) const {
    return options_.cases.empty() || std::ranges::find(options_.cases, name) != options_.cases.end();
  }

  // An actor of each kind by itself.
  void Actors() const {
    if (!Wanted("actors")) return;
    constexpr size_t kOfEach = 20'000;
    const ActorBytes bytes = MeasureActors(kOfEach);
    const std::string conditions = fmt::format("{} of each, before their first message", kOfEach);
    Print({"actors", "bytes_per_tree", bytes.tree, "bytes", conditions}, options_.json);
    Print({"actors", "bytes_per_node", bytes.node, "bytes", conditions}, options_.json);
    Print({"actors", "bytes_per_rollout", bytes.rollout, "bytes", conditions}, options_.json);
  }

  // Messages without the work that they are for, as many pairs at once as trees are alive in the whole campaign.
  void Messages() const {
    if (!Wanted("floor")) return;
    constexpr uint64_t kRequests = 50'000;
    const Floor floor = MeasureFloor(options_.threads, options_.live_trees, kRequests);
    Print({"floor", "messages_per_second", static_cast<double>(floor.messages) / floor.seconds, "messages/s",
           fmt::format("{} pairs, {} requests each, threads={}", options_.live_trees, kRequests, options_.threads)},
          options_.json);
  }

  // As many trees at once as make so many rollouts, each a single wave.
  Status InFlight() {
    const std::string name = InFlightName();
    if (!Wanted(name)) return absl::OkStatus();
    ScaleSetting setting = Setting(options_.in_flight / static_cast<uint64_t>(options_.wave));
    setting.rules.rollouts = setting.rules.wave = options_.wave;
    setting.live_trees = setting.problems;
    ORRERY_ASSIGN_OR_RETURN(const Told told, RunApart(options_, setting));
    const std::string conditions = Conditions(setting);
    const auto print = [&](const char* metric, double value, const char* unit) {
      Print({name, metric, value, unit, conditions}, options_.json);
    };
    print("most_in_flight", told.most_rollouts, "rollouts");
    print("peak_gib", told.peak_bytes / kGiB, "GiB");
    print("messages_per_second", told.messages / told.seconds, "messages/s");
    print("messages_per_rollout", told.messages / told.rollouts, "messages");
    const auto trees = static_cast<double>(setting.problems);
    print("bytes_per_tree", told.peak_bytes / trees, "bytes");
    print("most_nodes_per_tree", told.most_nodes / trees, "nodes");
    print("expansions_per_tree", told.expansions / trees, "expansions");
    print("seconds", told.seconds, "s");
    return absl::OkStatus();
  }

  // A whole campaign with few trees alive, and what one of another size costs for each problem.
  Status Simulate() {
    const std::string name = SimulateName();
    if (!Wanted(name)) return absl::OkStatus();
    Told few;
    if (options_.against > 0) {
      ORRERY_ASSIGN_OR_RETURN(few, Whole("simulate-" + Short(options_.against), options_.against));
    }
    ORRERY_ASSIGN_OR_RETURN(const Told all, Whole(name, options_.problems));
    if (options_.against == 0) return absl::OkStatus();
    const std::string conditions = Conditions(Setting(options_.problems));
    const double cost = all.seconds / static_cast<double>(options_.problems);
    const double cost_of_few = few.seconds / static_cast<double>(options_.against);
    const std::string against = "_against_" + Short(options_.against);
    Print({name, "cost_per_problem" + against, cost / cost_of_few, "ratio", conditions}, options_.json);
    Print({name, "peak" + against, all.peak_bytes / few.peak_bytes, "ratio", conditions}, options_.json);
    return absl::OkStatus();
  }

 private:
  ScaleSetting Setting(uint64_t problems) const {
    ScaleSetting setting;
    setting.profile = profile_;
    setting.rules = profile_->rules;
    setting.rules.rollouts = options_.rollouts;
    setting.problems = problems;
    setting.live_trees = std::min<size_t>(problems, options_.live_trees);
    setting.threads = options_.threads;
    return setting;
  }

  static std::string Conditions(const ScaleSetting& setting) {
    return fmt::format("problems={} live_trees={} rollouts={} wave={} candidates={} threads={} profile={}",
                       setting.problems, setting.live_trees, setting.rules.rollouts, setting.rules.wave,
                       setting.rules.candidates, setting.threads, setting.profile->recorded.model);
  }

  StatusOr<Told> Whole(const std::string& name, uint64_t problems) {
    const ScaleSetting setting = Setting(problems);
    ORRERY_ASSIGN_OR_RETURN(const Told told, RunApart(options_, setting));
    const std::string conditions = Conditions(setting);
    const auto print = [&](const char* metric, double value, const char* unit) {
      Print({name, metric, value, unit, conditions}, options_.json);
    };
    print("minutes", told.seconds / 60, "min");
    print("peak_gib", told.peak_bytes / kGiB, "GiB");
    print("store_gib", told.store_bytes / kGiB, "GiB");
    print("messages_per_second", told.messages / told.seconds, "messages/s");
    print("rollouts", told.rollouts, "rollouts");
    print("expansions_per_second", told.expansions / told.seconds, "expansions/s");
    return told;
  }

  std::string InFlightName() const { return "in-flight-" + Short(options_.in_flight); }
  std::string SimulateName() const { return "simulate-" + Short(options_.problems); }

  const Options& options_;
  const std::shared_ptr<const simulation::Profile> profile_;
};

StatusOr<std::shared_ptr<const simulation::Profile>> LoadProfile(const Options& options) {
  fs::path file = CallerPath(options.profile);
  if (options.profile.empty()) {
    ORRERY_ASSIGN_OR_RETURN(file, DataFile("configs/profiles/gsm8k-qwen2.5-coder-0.5b.json"));
  }
  ORRERY_ASSIGN_OR_RETURN(const auto text, ReadFile(file));
  ORRERY_ASSIGN_OR_RETURN(auto profile, simulation::ParseProfile(text, file.string()));
  return std::make_shared<const simulation::Profile>(std::move(profile));
}

Status Run(const Options& options) {
  ORRERY_ASSIGN_OR_RETURN(auto profile, LoadProfile(options));
  Cases cases(options, std::move(profile));
  ORRERY_RETURN_IF_ERROR(cases.Check());
  ORRERY_RETURN_IF_ERROR(cases.InFlight());
  ORRERY_RETURN_IF_ERROR(cases.Simulate());
  // Last: what they make stays with this process.
  cases.Messages();
  cases.Actors();
  return absl::OkStatus();
}

}  // namespace
}  // namespace orrery::bench

int main(int argc, char** argv) {
  orrery::bench::Options options;
  CLI::App app{"Actors, messages and store at scale, the model and its tools simulated"};
  app.add_option("--case", options.cases,
                 "in-flight-N or simulate-N, as the sizes are (in-flight-1m, simulate-747k), actors or floor")
      ->delimiter(',');
  app.add_option("--profile", options.profile, "what //runners:simulate --fit printed")->capture_default_str();
  app.add_option("--in-flight", options.in_flight, "rollouts at once")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32))
      ->capture_default_str();
  app.add_option("--problems", options.problems, "of the whole campaign")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32))
      ->capture_default_str();
  app.add_option("--against", options.against, "problems of the one it is compared with; 0: none")
      ->capture_default_str();
  app.add_option("--rollouts", options.rollouts, "of each problem")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--wave", options.wave, "rollouts of a tree at once, of in-flight")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--live-trees", options.live_trees, "of simulate")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "of the actors")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--folder", options.folder, "where the store is written, and removed again");
  app.add_flag("--json", options.json, "one JSON object a figure");
  CLI11_PARSE(app, argc, argv);
  const orrery::Status status = orrery::bench::Run(options);
  if (status.ok()) return 0;
  fmt::print(stderr, "scale: {}\n", orrery::Message(status));
  return orrery::ExitCode(status);
}
