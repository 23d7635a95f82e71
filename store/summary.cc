// SPDX-License-Identifier: Apache-2.0
#include "store/summary.h"

#include <sys/resource.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "store/convert.h"

namespace orrery::store {

namespace {

void Count(const schema::Expansion& expansion, Summary* summary) {
  ++summary->expansions;
  summary->tokens_generated += expansion.tokens_generated();
  summary->steps_executed += expansion.steps_executed();
  if (expansion.candidates() == nullptr) return;
  for (const schema::Candidate* candidate : *expansion.candidates()) {
    summary->candidates += candidate->merged();
    if (candidate->valid()) ++summary->valid_candidates;
    if (candidate->verdict() == schema::Verdict::TimeOut) ++summary->time_outs;
    if (candidate->verdict() == schema::Verdict::MemoryLimit) ++summary->memory_limits;
    if (candidate->grade() == schema::Grade::TimeOut) ++summary->grader_time_outs;
  }
}

Status Count(const schema::TreeRecord& record, Summary* summary) {
  ORRERY_ASSIGN_OR_RETURN(const search::Tree tree, ToSearchTree(record));
  ++summary->finished;
  if (record.solved()) ++summary->solved;
  summary->rollouts += tree.rollouts.size();
  switch (search::DifficultyOf(tree)) {
    case search::Difficulty::kEasy: ++summary->easy; break;
    case search::Difficulty::kMedium: ++summary->medium; break;
    case search::Difficulty::kHard: ++summary->hard; break;
  }
  if (record.expansions() == nullptr) return absl::OkStatus();
  for (const schema::Expansion* expansion : *record.expansions()) Count(*expansion, summary);
  return absl::OkStatus();
}

}  // namespace

StatusOr<Summary> Summarise(const Store& store, const std::vector<ProblemName>& problems,
                            std::string_view fingerprint) {
  Summary summary;
  summary.fingerprint = fingerprint;
  summary.problems = problems.size();
  for (const ProblemName& problem : problems) {
    ORRERY_ASSIGN_OR_RETURN(const auto record, store.Tree(problem.key));
    if (record) ORRERY_RETURN_IF_ERROR(Count(**record, &summary));
  }
  ORRERY_ASSIGN_OR_RETURN(summary.digest, Digest(store, problems));
  return summary;
}

std::string ToJson(const Summary& summary) {
  const Measured& measured = summary.measured;
  auto guards = nlohmann::ordered_json::object();
  for (const auto& guard : summary.guards) guards[guard.name] = {{"active", guard.active}, {"detail", guard.detail}};
  const nlohmann::ordered_json json = {
      {"fingerprint", summary.fingerprint},
      {"digest", summary.digest},
      {"problems", summary.problems},
      {"finished", summary.finished},
      {"solved", summary.solved},
      {"rollouts", summary.rollouts},
      {"expansions", summary.expansions},
      {"candidates", summary.candidates},
      {"valid_candidates", summary.valid_candidates},
      {"tokens_generated", summary.tokens_generated},
      {"steps_executed", summary.steps_executed},
      {"environmental_verdicts",
       {{"time_out", summary.time_outs},
        {"memory_limit", summary.memory_limits},
        {"grader_time_out", summary.grader_time_outs}}},
      {"difficulty", {{"easy", summary.easy}, {"medium", summary.medium}, {"hard", summary.hard}}},
      {"model", summary.model},
      {"seed", summary.seed},
      {"version", summary.version},
      {"isolation", guards},
      {"measured",
       {{"seconds", measured.seconds},
        {"tokens_per_second", measured.tokens_per_second},
        {"mean_batch_rows", measured.mean_batch_rows},
        {"peak_rss_bytes", measured.peak_rss_bytes},
        {"cpu", measured.cpu},
        {"threads", measured.threads}}},
  };
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Status WriteSummary(const Summary& summary, const std::filesystem::path& path) {
  return WriteFileAtomically(path, ToJson(summary));
}

uint64_t PeakResidentBytes() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

std::string ProcessorName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace orrery::store
