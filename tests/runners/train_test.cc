// SPDX-License-Identifier: Apache-2.0
// The training as a user runs it, on a real model: it learns, goes on after kill -9 with the same bits, leaves a folder
// that the model tool reads, and tells bad input in one line.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/paths.h"
#include "tests/fresh.h"
#include "tests/runners/program.h"

namespace orrery {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

// A checkpoint of the model and its two moments is 1.6 GB.
class Train : public testing::Test {
 protected:
  void TearDown() override { RemoveFreshPaths(); }
};

// Trajectories as a campaign writes them: three problems, one with three solutions of which the two best are learnt.
fs::path Trajectories() {
  const fs::path path = FreshPath("trajectories.jsonl");
  std::ofstream file(path);
  const auto add = [&](int number, double q, const std::string& comment) {
    const std::string question = "Ida has " + std::to_string(number) + " pears and eats 2. How many are left?";
    file << Json{{"problem", std::to_string(number)},
                 {"question", question},
                 {"prompt", "<|user|>:\n" + question},
                 {"completion", "<code>\n# Step 1: " + comment + "\nprint(" + std::to_string(number) +
                                    " - 2)\n<end_of_code>\n<output>" + std::to_string(number - 2) +
                                    "<end_of_output>\n<answer>\\boxed{" + std::to_string(number - 2) +
                                    "}\n<end_of_answer>\n"},
                 {"mean_q", q},
                 {"min_q", q}}
                .dump()
         << "\n\n";
  };
  add(7, 0.5, "Take away what she eats");
  add(7, 1.0, "What is left");
  add(7, -0.5, "The worst of the three");
  add(9, 1.0, "Take away the two");
  add(30, 1.0, "Count what is left");
  return path;
}

std::vector<std::string> Arguments(const fs::path& out, const fs::path& data, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"--model=smollm2-135m-instruct", "--out=" + out.string()};
  for (const char* setting : {"train.epochs=2", "train.batch=2", "train.rate=1e-4", "train.validation=0",
                              "train.save_minutes=1e-9", "train.rows=64", "train.max_tokens=160"})
    arguments.insert(arguments.end(), {"--set", setting});
  arguments.insert(arguments.end(), {"--set", "train.data=" + data.string()});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string WeightsOf(const fs::path& out) {
  const auto digest = Sha256HexOfFile(out / "model" / "model.safetensors");
  EXPECT_TRUE(digest.ok()) << digest.status();
  return digest.value_or("");
}

TEST_F(Train, LearnsAndGoesOnAfterAKillWithTheSameBits) {
  const fs::path data = Trajectories(), whole = FreshPath("whole"), killed = FreshPath("killed");
  const Ended first = RunProgram("runners/train", Arguments(whole, data));
  ASSERT_EQ(first.code, 0) << first.errors;
  EXPECT_THAT(first.errors, HasSubstr("4 examples to learn"));
  EXPECT_THAT(first.errors, HasSubstr("1 left out"));
  std::vector<double> losses;
  std::ifstream metrics(whole / "metrics.jsonl");
  for (std::string line; std::getline(metrics, line);) losses.push_back(Json::parse(line)["loss"]);
  ASSERT_EQ(losses.size(), 4u);
  EXPECT_LT(losses.back(), losses.front());

  const Ended ended = RunProgram("runners/train", Arguments(killed, data), {}, [&](int pid) {
    if (fs::exists(killed / "checkpoint" / "state.json")) kill(pid, SIGKILL);
  });
  ASSERT_EQ(ended.code, -SIGKILL) << ended.errors;
  const Ended second = RunProgram("runners/train", Arguments(killed, data));
  ASSERT_EQ(second.code, 0) << second.errors;
  EXPECT_THAT(second.errors, HasSubstr("goes on after step"));
  EXPECT_EQ(WeightsOf(killed), WeightsOf(whole));

  const Ended again = RunProgram("runners/train", Arguments(whole, data));
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.output, HasSubstr("is finished"));
  const Ended other = RunProgram("runners/train", Arguments(killed, data, {"--set", "train.rate=2e-4"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.errors, HasSubstr("another training"));

  const Ended inspected = RunProgram("runners/model", {"inspect", (whole / "model").string()});
  EXPECT_EQ(inspected.code, 0) << inspected.errors;
}

// Lessons of one problem each, for a validation that has some of them.
fs::path Lessons() {
  const fs::path path = FreshPath("lessons.jsonl");
  std::ofstream file(path);
  for (int i = 0; i < 10; ++i) {
    file << Json{{"problem", std::to_string(i)},
                 {"prompt", "<|user|>:\nHow many is " + std::to_string(i) + " and 4?"},
                 {"completion", " It is \\boxed{" + std::to_string(i + 4) + "}."}}
                .dump()
         << "\n";
  }
  return path;
}

TEST_F(Train, EndsWhenItLearnsNoMoreAndKeepsTheBestEpoch) {
  const fs::path data = Lessons(), whole = FreshPath("patient"), killed = FreshPath("patient_killed");
  // A rate at which every epoch after the first few makes it worse; adapters, whose checkpoints are small.
  const std::vector<std::string> more = {"--set", "train.epochs=12",         "--set", "train.patience=2",
                                         "--set", "train.validation=0.4",    "--set", "train.rate=4e-3",
                                         "--set", "train.schedule=constant", "--set", "train.lora_rank=4",
                                         "--set", "train.batch=7",           "--set", "train.save_minutes=10"};
  const Ended first = RunProgram("runners/train", Arguments(whole, data, more));
  ASSERT_EQ(first.code, 0) << first.errors;
  EXPECT_THAT(first.errors, HasSubstr("train.patience ends the training"));
  std::vector<double> losses;
  std::ifstream metrics(whole / "metrics.jsonl");
  int64_t steps = 0;
  for (std::string line; std::getline(metrics, line);) {
    const Json json = Json::parse(line);
    if (json.contains("validation_loss")) losses.push_back(json["validation_loss"]);
    steps = json.value("step", steps);
  }
  ASSERT_LT(losses.size(), 12u);
  const auto best = std::ranges::min_element(losses);
  EXPECT_EQ(losses.end() - best, 3) << "the best epoch and the two that were waited for";
  const Json summary = Json::parse(ReadFile(whole / "summary.json").value());
  EXPECT_EQ(summary["validation_loss"], *best);
  EXPECT_EQ(summary["steps"], steps);

  // Of as many epochs as were the best: the same weights.
  std::vector<std::string> short_ones = more;
  short_ones[1] = "train.epochs=" + std::to_string(best - losses.begin() + 1);
  const fs::path until = FreshPath("until");
  ASSERT_EQ(RunProgram("runners/train", Arguments(until, data, short_ones)).code, 0);
  EXPECT_EQ(WeightsOf(until), WeightsOf(whole));

  const Ended ended = RunProgram("runners/train", Arguments(killed, data, more), {}, [&](int pid) {
    if (fs::exists(killed / "best" / "state.json")) kill(pid, SIGKILL);
  });
  ASSERT_EQ(ended.code, -SIGKILL) << ended.errors;
  ASSERT_EQ(RunProgram("runners/train", Arguments(killed, data, more)).code, 0);
  EXPECT_EQ(WeightsOf(killed), WeightsOf(whole));

  const Ended none = RunProgram("runners/train", Arguments(FreshPath("none"), data, {"--set", "train.patience=2"}));
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.errors, HasSubstr("train.patience"));
}

// Pairs as a campaign writes them: siblings on one prefix, and whole solutions.
fs::path Preferences() {
  const fs::path path = FreshPath("preferences.jsonl");
  std::ofstream file(path);
  for (const int number : {7, 9, 30}) {
    const std::string question = "Ida has " + std::to_string(number) + " pears and eats 2. How many are left?";
    const std::string prompt =
        "<|user|>:\n" + question + "\n<|assistant|>: Let's think step by step and solve the problem with code.";
    const auto step = [&](const char* op) {
      return "# Step 1: What is left\nleft = " + std::to_string(number) + op + "2\n<end_of_step>\n";
    };
    const auto add = [&](const std::string& before, const std::string& good, const std::string& bad, bool whole) {
      file << Json{{"problem", std::to_string(number)},
                   {"question", question},
                   {"prompt", before},
                   {"chosen", good},
                   {"rejected", bad},
                   {"q_chosen", 1.0},
                   {"q_rejected", -1.0},
                   {"whole", whole}}
                  .dump()
           << "\n";
    };
    add(prompt + "<code>\n", step(" - "), step(" + "), false);
    add(prompt + "<code>\n", step(" - "), step(" * "), false);
    const std::string rest =
        "print(left)\n<end_of_code>\n<output>5<end_of_output>\n<answer>\\boxed{5}\n<end_of_answer>\n";
    add(prompt, "<code>\n" + step(" - ") + rest, "<code>\n" + step(" + ") + rest, true);
  }
  return path;
}

std::string DigestOf(const fs::path& run) { return Json::parse(ReadFile(run / "summary.json").value())["digest"]; }

TEST_F(Train, APreferenceModelScoresTheStepsOfASearch) {
  const fs::path data = Preferences(), out = FreshPath("ppm");
  const Ended trained =
      RunProgram("runners/train", Arguments(out, data,
                                            {"--set", "train.objective=ppm", "--set", "train.rows=512", "--set",
                                             "train.epochs=3", "--set", "train.score_scale=2"}));
  ASSERT_EQ(trained.code, 0) << trained.errors;
  EXPECT_THAT(trained.errors, HasSubstr("6 groups of siblings to learn"));
  std::vector<Json> steps;
  std::ifstream metrics(out / "metrics.jsonl");
  for (std::string line; std::getline(metrics, line);) steps.push_back(Json::parse(line));
  EXPECT_LT(steps.back()["loss"], steps.front()["loss"]);
  EXPECT_EQ(steps.back()["accuracy"], 1);
  const Json config = Json::parse(ReadFile(out / "model" / "config.json").value());
  EXPECT_EQ(config["architectures"][0], "LlamaForSequenceClassification");
  EXPECT_EQ(config["score_scale"], 2);

  const std::string model = (out / "model").string();
  const auto search = [&](const char* name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"--model=smollm2-135m-instruct", "--out=" + FreshPath(name).string(),
                                          "--limit=2"};
    for (const char* setting : {"search.rollouts=2", "search.candidates=8", "search.max_step_tokens=48",
                                "search.max_total_tokens=160", "search.temperature=0.3", "search.initial_value=ppm"})
      arguments.insert(arguments.end(), {"--set", setting});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram("runners/campaign", arguments);
  };
  const std::string named = "ppm.name=" + model;
  const Ended first = search("searched", {"--set", named});
  ASSERT_EQ(first.code, 0) << first.errors;
  const Ended second =
      search("searched_again", {"--set", named, "--set", "run.threads=1", "--set", "ppm.max_batch_rows=64"});
  ASSERT_EQ(second.code, 0) << second.errors;
  const fs::path folder = fs::path(testing::TempDir());
  EXPECT_EQ(DigestOf(folder / ("searched" + std::to_string(getpid()))),
            DigestOf(folder / ("searched_again" + std::to_string(getpid()))));

  EXPECT_THAT(search("none", {}).errors, HasSubstr("ppm.name: expected the folder of a preference model"));
  const fs::path plain = FreshPath("plain");
  ASSERT_EQ(RunProgram("runners/model", {"export", "smollm2-135m-instruct", plain.string()}).code, 0);
  const Ended policy = search("policy", {"--set", "ppm.name=" + plain.string()});
  EXPECT_EQ(policy.code, 2);
  EXPECT_THAT(policy.errors, HasSubstr("is no reward model"));
  const Ended generated = RunProgram("runners/model", {"generate", model, "--prompt=x"});
  EXPECT_NE(generated.code, 0);
  EXPECT_THAT(generated.errors, HasSubstr("is a reward model"));
}

TEST_F(Train, ALinearProbeFitsTheRowOfOutputsAlone) {
  const fs::path data = Preferences(), out = FreshPath("probe"), again = FreshPath("probe_again");
  const std::vector<std::string> probe = {"--set", "train.objective=ppm", "--set", "train.rows=512",
                                          "--set", "train.epochs=0",      "--set", "train.linear_probe=true"};
  const Ended trained = RunProgram("runners/train", Arguments(out, data, probe));
  ASSERT_EQ(trained.code, 0) << trained.errors;
  EXPECT_THAT(trained.errors, HasSubstr("100.0% of the pairs right in cross-validation"));
  const Json line = Json::parse(ReadFile(out / "metrics.jsonl").value());
  EXPECT_LT(line["probe"]["loss"], 0.6);
  ASSERT_EQ(RunProgram("runners/train", Arguments(again, data, probe)).code, 0);
  EXPECT_EQ(WeightsOf(again), WeightsOf(out));

  // Fine-tuning begins where the probe ends: its first step has the pairs right.
  std::vector<std::string> tuned = probe;
  tuned[5] = "train.epochs=1";
  const fs::path whole = FreshPath("probe_tuned"), killed = FreshPath("probe_killed");
  const Ended both = RunProgram("runners/train", Arguments(whole, data, tuned));
  ASSERT_EQ(both.code, 0) << both.errors;
  std::ifstream metrics(whole / "metrics.jsonl");
  std::string first, second;
  ASSERT_TRUE(std::getline(metrics, first) && std::getline(metrics, second));
  EXPECT_EQ(Json::parse(first)["probe"], line["probe"]);
  EXPECT_EQ(Json::parse(second)["accuracy"], 1);
  const Ended ended = RunProgram("runners/train", Arguments(killed, data, tuned), {}, [&](int pid) {
    if (fs::exists(killed / "checkpoint" / "state.json")) kill(pid, SIGKILL);
  });
  ASSERT_EQ(ended.code, -SIGKILL) << ended.errors;
  const Ended resumed = RunProgram("runners/train", Arguments(killed, data, tuned));
  ASSERT_EQ(resumed.code, 0) << resumed.errors;
  EXPECT_EQ(WeightsOf(killed), WeightsOf(whole));
}

TEST_F(Train, BadInputIsTold) {
  const fs::path data = Trajectories(), out = FreshPath("bad");
  const auto told = [&](const fs::path& file, std::vector<std::string> more) {
    const Ended ended = RunProgram("runners/train", Arguments(out, file, std::move(more)));
    EXPECT_EQ(ended.code, 2) << ended.errors;
    return ended.errors;
  };
  EXPECT_THAT(told("/nowhere.jsonl", {}), HasSubstr("/nowhere.jsonl: no such file"));
  EXPECT_THAT(told("", {}), HasSubstr("train.data"));
  EXPECT_THAT(told(data, {"--set", "model.precision=int8"}), HasSubstr("model.precision"));
  EXPECT_THAT(told(data, {"--set", "train.max_tokens=20"}), HasSubstr("train.max_tokens=20"));
  EXPECT_THAT(told(data, {"--set", "train.rte=1"}), HasSubstr("train.rate"));
  EXPECT_THAT(told(data, {"--set", "train.epochs=0"}), HasSubstr("train.epochs: expected 1 at least"));
  EXPECT_THAT(told(data, {"--set", "train.objective=pqm", "--set", "train.linear_probe=true"}),
              HasSubstr("train.linear_probe: expected false for the objective pqm"));
  EXPECT_THAT(told(data, {"--set", "train.objective=ppm"}), HasSubstr("expected \"chosen\""));
  const fs::path none = FreshPath("none.jsonl");
  std::ofstream(none) << "\n";
  EXPECT_THAT(told(none, {"--set", "train.objective=ppm"}), HasSubstr("problems with both right and wrong steps"));
  const fs::path broken = FreshPath("broken.jsonl");
  std::ofstream(broken) << "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\"}\n";
  EXPECT_THAT(told(broken, {}), HasSubstr("jsonl" + std::to_string(getpid()) + ":2: expected \"completion\""));
}

}  // namespace
}  // namespace orrery
