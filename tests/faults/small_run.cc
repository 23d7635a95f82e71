// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/small_run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/paths.h"
#include "store/store.h"

namespace orrery::faults {

namespace fs = std::filesystem;

namespace {

// Questions that even a model of 135 million parameters answers in the form that it is shown, and references that no
// comparison of plain numbers decides, so that the grader's worker is needed.
constexpr const char* kPrompt = R"(Question: 2 + 3?
<code>
# Step 1: add
x = 2 + 3
<end_of_step>
# Step 2: print
print(x)
<end_of_code>
<output>5<end_of_output>
<answer>The answer is \boxed{5}
<end_of_answer>
Question: 6 + 1?
<code>
# Step 1: add
x = 6 + 1
<end_of_step>
# Step 2: print
print(x)
<end_of_code>
<output>7<end_of_output>
<answer>The answer is \boxed{7}
<end_of_answer>
Question: 3 + 5?
<code>
# Step 1: add
x = 3 + 5
<end_of_step>
# Step 2: print
print(x)
<end_of_code>
<output>8<end_of_output>
<answer>The answer is \boxed{8}
<end_of_answer>
Question: {question}
<code>
)";
constexpr const char* kProblems = R"({"id": "a", "question": "4 + 5?", "answer": "9"}
{"id": "b", "question": "7 + 2?", "answer": "2\\sqrt{3}"}
{"id": "c", "question": "1 + 8?", "answer": "x + 1"}
)";

constexpr const char* kExports[] = {"config.json", "trajectories.jsonl", "preferences.jsonl", "report.html",
                                    "summary.json"};

fs::path Scratch() {
  static const fs::path folder = [] {
    const fs::path made = fs::path(testing::TempDir()) / ("faults" + std::to_string(getpid()));
    fs::create_directories(made);
    std::ofstream(made / "prompt.txt") << kPrompt;
    std::ofstream(made / "problems.jsonl") << kProblems;
    return made;
  }();
  return folder;
}

std::string Bytes(const fs::path& file) { return ReadFile(file).value_or("(none)"); }

}  // namespace

fs::path Fresh() {
  static int count = 0;
  const fs::path folder = Scratch() / ("run" + std::to_string(count++));
  fs::create_directories(folder);
  return folder;
}

Ended RunCampaign(const fs::path& out, const std::vector<std::string>& more,
                  const std::vector<std::string>& environment, const std::function<void(int pid)>& while_running) {
  std::vector<std::string> arguments = {"--model=smollm2-135m-instruct", "--out=" + out.string(),
                                        "--problems=" + (Scratch() / "problems.jsonl").string()};
  for (const std::string& setting :
       {"search.prompt_file=" + (Scratch() / "prompt.txt").string(), std::string("search.rollouts=4"),
        std::string("search.candidates=2"), std::string("search.max_depth=4"), std::string("search.max_step_tokens=24"),
        std::string("search.temperature=1"), std::string("search.candidate_order=sampled"),
        std::string("search.resamples=0"), std::string("search.extra_rollouts_when_unsolved=0"),
        std::string("sandbox.packages="), std::string("sandbox.processes=1"), std::string("model.kv_bytes=67108864")}) {
    arguments.insert(arguments.end(), {"--set", setting});
  }
  arguments.push_back("--quiet");
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunProgram("runners/campaign", arguments, environment, while_running);
}

uint64_t StoredExpansions(const fs::path& out) {
  std::error_code error;
  if (!fs::exists(out / "store" / "CURRENT", error)) return 0;
  const auto store = store::Store::OpenReadOnly(out / "store");
  // Ended before its column families were made: nothing was ever written.
  if (!store.ok() && Message(store.status()).find("Column family not found") != std::string::npos) return 0;
  EXPECT_TRUE(store.ok()) << store.status();
  if (!store.ok()) return 0;
  uint64_t count = 0;
  EXPECT_TRUE((*store)
                  ->ForEachReadableTree([&](std::string_view, const StatusOr<store::TreeChunk>& tree) {
                    EXPECT_TRUE(tree.ok()) << tree.status();
                    if (tree.ok() && (*tree)->expansions() != nullptr) count += (*tree)->expansions()->size();
                    return true;
                  })
                  .ok());
  EXPECT_TRUE((*store)
                  ->ForEachReadableExpansion(
                      [&](std::string_view, const store::Path&, const StatusOr<store::ExpansionChunk>& expansion) {
                        EXPECT_TRUE(expansion.ok()) << expansion.status();
                        ++count;
                        return true;
                      })
                  .ok());
  return count;
}

void ExpectWholeExports(const fs::path& out, bool finished) {
  for (const char* name : kExports) {
    if (!fs::exists(out / name)) {
      EXPECT_FALSE(finished) << name;
      continue;
    }
    const std::string text = Bytes(out / name);
    if (std::string_view(name).ends_with(".html")) {
      EXPECT_TRUE(text.ends_with("</html>\n")) << name;
    } else if (std::string_view(name).ends_with(".jsonl")) {
      EXPECT_TRUE(text.empty() || text.ends_with('\n')) << name;
      std::istringstream lines(text);
      for (std::string line; std::getline(lines, line);)
        EXPECT_TRUE(nlohmann::json::accept(line)) << name << ": " << line;
    } else {
      EXPECT_TRUE(nlohmann::json::accept(text)) << name << ": " << text;
    }
    if (finished) {
      EXPECT_FALSE(fs::exists(out / (std::string(name) + ".partial"))) << name;
    }
  }
}

Undisturbed MakeUndisturbed(const std::vector<std::string>& more) {
  Undisturbed run{.out = Fresh()};
  const Ended ended = RunCampaign(run.out, more);
  EXPECT_EQ(ended.code, 0) << ended.errors;
  ExpectWholeExports(run.out, true);
  const auto summary = nlohmann::json::parse(Bytes(run.out / "summary.json"), nullptr, false);
  EXPECT_TRUE(summary.is_object());
  if (!summary.is_object()) return run;
  run.digest = summary["digest"];
  EXPECT_EQ(summary["finished"], 3);
  EXPECT_GT(summary["steps_executed"], 4) << "a search in which nothing runs tells nothing of the sandbox";
  run.trajectories = Bytes(run.out / "trajectories.jsonl");
  run.preferences = Bytes(run.out / "preferences.jsonl");
  run.expansions = StoredExpansions(run.out);
  EXPECT_GT(run.expansions, 8u);
  const auto telemetry = LastTelemetry(run.out);
  EXPECT_TRUE(telemetry.has_value());
  if (telemetry) {
    EXPECT_EQ((*telemetry)["orrery_expansions_total"], run.expansions);
  }
  return run;
}

void ExpectResumes(const fs::path& out, const Undisturbed& expected, uint64_t acknowledged,
                   const std::vector<std::string>& more) {
  ExpectWholeExports(out, false);
  const uint64_t stored = StoredExpansions(out);
  EXPECT_GE(stored, acknowledged) << "something that was acknowledged is lost";
  fs::remove(out / "telemetry.jsonl");  // so that what is there afterwards is the last process's own
  const Ended ended = RunCampaign(out, more);
  EXPECT_EQ(ended.code, 0) << ended.errors;
  ExpectWholeExports(out, true);
  const auto summary = nlohmann::json::parse(Bytes(out / "summary.json"), nullptr, false);
  ASSERT_TRUE(summary.is_object()) << ended.errors;
  EXPECT_EQ(summary["digest"], expected.digest);
  EXPECT_TRUE(Bytes(out / "trajectories.jsonl") == expected.trajectories);
  EXPECT_TRUE(Bytes(out / "preferences.jsonl") == expected.preferences);
  EXPECT_EQ(StoredExpansions(out), expected.expansions);
  // Without a search there is no telemetry: all was there, and the files too.
  const auto telemetry = LastTelemetry(out);
  const uint64_t made = telemetry ? (*telemetry)["orrery_expansions_total"].get<uint64_t>() : 0;
  EXPECT_EQ(made, expected.expansions - stored) << "paid for what was there, or not for what was missing";
}

int Faults(int share) {
  const char* text = std::getenv("ORRERY_FAULTS");
  const int all = text == nullptr ? 30 : std::atoi(text);
  return std::max(1, (all * share + 29) / 30);
}

}  // namespace orrery::faults
