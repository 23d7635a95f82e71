// SPDX-License-Identifier: Apache-2.0
#include "runners/campaigns/outputs.h"

#include <nlohmann/json.hpp>

#include "actors/context.h"
#include "base/paths.h"
#include "runners/common/settings.h"
#include "runners/common/training_prompt.h"
#include "store/export.h"
#include "store/report.h"
#include "store/summary.h"

namespace orrery::runners {
namespace {

std::vector<store::ProblemName> Names(const std::vector<reasoning::Problem>& problems) {
  std::vector<store::ProblemName> names;
  for (const auto& problem : problems) names.push_back({problem.id, actors::ProblemKey(problem)});
  return names;
}

// Every key of the configuration as "section.key" and its value.
std::vector<std::pair<std::string, std::string>> Settings(const std::string& json) {
  std::vector<std::pair<std::string, std::string>> settings;
  const auto root = nlohmann::ordered_json::parse(json);
  for (const auto& [section, keys] : root.items()) {
    for (const auto& [key, value] : keys.items())
      settings.emplace_back(section + "." + key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return settings;
}

void AddMeasured(const OutputInput& input, store::Summary* summary) {
  const auto& config = **input.config;
  summary->model = input.model;
  summary->seed = config.run()->seed();
  summary->version = kVersion;
  summary->guards = input.guards;
  auto& measured = summary->measured;
  const Spent& spent = input.spent;
  measured.seconds = spent.seconds;
  measured.tokens_per_second = spent.seconds > 0 ? static_cast<double>(spent.tokens) / spent.seconds : 0;
  measured.mean_batch_rows =
      spent.batches > 0 ? static_cast<double>(spent.rows) / static_cast<double>(spent.batches) : 0;
  measured.peak_rss_bytes = store::PeakResidentBytes();
  measured.cpu = store::ProcessorName();
  measured.threads = static_cast<uint32_t>(Threads(config.run()->threads()));
}

std::string Said(const OutputInput& input, const store::Summary& summary, const store::ExportCounts& exported) {
  std::string text = fmt::format(
      "solved {} of {} problems ({:.1f}%) in {:.0f} s: {} rollouts, {} expansions, {} tokens, {:.0f} tokens/s, {:.0f} "
      "rows/batch\n",
      summary.solved, summary.problems,
      summary.problems == 0 ? 0.0 : 100.0 * static_cast<double>(summary.solved) / static_cast<double>(summary.problems),
      summary.measured.seconds, summary.rollouts, summary.expansions, summary.tokens_generated,
      summary.measured.tokens_per_second, summary.measured.mean_batch_rows);
  text += fmt::format("digest {}\n", summary.digest);
  return text + fmt::format("{}: trajectories.jsonl ({}), preferences.jsonl ({}), summary.json, report.html\n",
                            input.out.string(), exported.trajectories, exported.preferences);
}

}  // namespace

Status WriteConfiguration(const std::filesystem::path& out, const schema::ResolvedConfig& config) {
  return WriteFileAtomically(out / "config.json", config.Record());
}

StatusOr<std::string> WriteOutputs(const OutputInput& input) {
  const auto names = Names(*input.problems);
  store::ExportOptions options;
  options.fingerprint = input.fingerprint;
  options.prompt = TrainingPrompt;
  options.output_limit = input.output_limit;
  ORRERY_ASSIGN_OR_RETURN(const auto exported,
                          store::ExportTraining(*input.store, names, options, input.out / "trajectories.jsonl",
                                                input.out / "preferences.jsonl"));
  ORRERY_ASSIGN_OR_RETURN(auto summary, store::Summarise(*input.store, names, input.fingerprint));
  AddMeasured(input, &summary);
  const auto& config = **input.config;
  const bool walls = config.sandbox()->isolation() != schema::IsolationKind::none;
  ORRERY_RETURN_IF_ERROR(
      store::WriteReport(*input.store, names,
                         {.title = input.out.filename().string() + ", " + config.search()->preset()->str(),
                          .settings = Settings(input.config->json()),
                          .isolation = walls ? "bubblewrap" : "none",
                          .summary = summary,
                          .exported = exported,
                          .output_limit = input.output_limit},
                         input.out / "report.html"));
  // Last, so that a folder with a summary has all the rest.
  ORRERY_RETURN_IF_ERROR(store::WriteSummary(summary, input.out / "summary.json"));
  return Said(input, summary, exported);
}

StatusOr<bool> OutputsAreOf(const std::filesystem::path& out, const std::vector<reasoning::Problem>& problems,
                            const store::Store& store) {
  std::error_code error;
  for (const char* file : {"trajectories.jsonl", "preferences.jsonl", "report.html", "summary.json"}) {
    if (!std::filesystem::exists(out / file, error)) return false;
  }
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(out / "summary.json"));
  const auto summary = nlohmann::json::parse(text, nullptr, false);
  if (!summary.is_object() || summary.value("problems", nlohmann::json()) != problems.size()) return false;
  ORRERY_ASSIGN_OR_RETURN(const std::string digest, store::Digest(store, Names(problems)));
  return summary.value("digest", nlohmann::json()) == digest;
}

}  // namespace orrery::runners
