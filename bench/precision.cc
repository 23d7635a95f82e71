// SPDX-License-Identifier: Apache-2.0
// How far each precision is from float32: on the questions of a problem file, as a chat model reads them, and the
// tokens that float32 writes after them (greedily), the share of positions at which the likeliest token is the same,
// and the mean and the largest Kullback-Leibler divergence of the next token's distribution.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "base/paths.h"
#include "model/engine.h"
#include "model/registry/registry.h"
#include "model/source/model_source.h"
#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/chat_format.h"
#include "reasoning/problem.h"
#include "reasoning/prompt.h"

namespace orrery {
namespace {

struct Options {
  std::string model = "qwen2.5-coder-0.5b-instruct", problems;
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  int limit = 200, new_tokens = 32;
  bool json = false;
};

struct Candidate {
  std::string name;
  model::Precision precision;
  std::unique_ptr<model::Engine> engine;
  uint64_t positions = 0, agree = 0;
  double divergence = 0, largest = 0;
};

StatusOr<std::unique_ptr<model::Engine>> Load(const Options& options, const std::filesystem::path& path,
                                              model::Precision precision) {
  model::EngineOptions engine_options;
  engine_options.threads = options.threads;
  engine_options.precision = precision;
  engine_options.kv_bytes = uint64_t{256} << 20;
  return model::Engine::Load(path, engine_options);
}

StatusOr<std::vector<model::TokenId>> Continue(model::Engine& engine, std::vector<model::TokenId> prompt, int tokens) {
  ORRERY_RETURN_IF_ERROR(engine.Submit({.prompt = prompt, .max_new_tokens = tokens}));
  while (!engine.Idle()) {
    ORRERY_ASSIGN_OR_RETURN(const auto finished, engine.Step());
    for (const auto& generation : finished)
      prompt.insert(prompt.end(), generation.tokens.begin(), generation.tokens.end());
  }
  return prompt;
}

// ln of the sum of exponentials.
double LogSum(const float* logits, size_t count) {
  const double largest = *std::max_element(logits, logits + count);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += std::exp(logits[i] - largest);
  return largest + std::log(sum);
}

void Compare(const float* truth, const float* logits, size_t count, Candidate& candidate) {
  const double truth_sum = LogSum(truth, count), sum = LogSum(logits, count);
  double divergence = 0;
  for (size_t i = 0; i < count; ++i) {
    const double p = truth[i] - truth_sum;
    divergence += std::exp(p) * (p - (logits[i] - sum));
  }
  ++candidate.positions;
  candidate.agree +=
      std::max_element(truth, truth + count) - truth == std::max_element(logits, logits + count) - logits;
  candidate.divergence += divergence;
  candidate.largest = std::max(candidate.largest, divergence);
}

Status Bench(const Options& options) {
  ORRERY_ASSIGN_OR_RETURN(const model::Registry registry, model::Registry::Load());
  ORRERY_ASSIGN_OR_RETURN(const auto path, LocateModel(registry, options.model));
  ORRERY_ASSIGN_OR_RETURN(const auto source, model::ModelSource::Open(path));
  ORRERY_ASSIGN_OR_RETURN(const std::string chat_template, source->ChatTemplate());
  ORRERY_ASSIGN_OR_RETURN(const auto format, reasoning::RecogniseChatFormat(chat_template));
  ORRERY_ASSIGN_OR_RETURN(const auto set, reasoning::LoadProblems(CallerPath(options.problems),
                                                                  {.limit = static_cast<uint64_t>(options.limit)}));
  const reasoning::Turn turns[] = {{reasoning::Role::kSystem, "You are a helpful assistant."}};
  const auto prompt = reasoning::ChatPrompt(format, turns);

  ORRERY_ASSIGN_OR_RETURN(const auto reference, Load(options, path, model::Precision::kFloat32));
  std::vector<Candidate> candidates;
  candidates.push_back({"bfloat16", model::Precision::kBfloat16, nullptr});
  candidates.push_back({"int8", model::Precision::kInt8, nullptr});
  for (Candidate& candidate : candidates) {
    ORRERY_ASSIGN_OR_RETURN(candidate.engine, Load(options, path, candidate.precision));
  }
  for (const auto& problem : set.problems) {
    const auto question = model::EncodePrompt(reference->tokenizer(), reasoning::Prompt(prompt, problem));
    ORRERY_ASSIGN_OR_RETURN(const auto tokens, Continue(*reference, question, options.new_tokens));
    ORRERY_ASSIGN_OR_RETURN(const auto truth, reference->Logits(tokens));
    const size_t width = truth.size() / tokens.size();
    for (Candidate& candidate : candidates) {
      ORRERY_ASSIGN_OR_RETURN(const auto logits, candidate.engine->Logits(tokens));
      for (size_t i = question.size() - 1; i < tokens.size(); ++i)
        Compare(&truth[i * width], &logits[i * width], width, candidate);
    }
  }
  for (const Candidate& candidate : candidates) {
    const auto positions = static_cast<double>(candidate.positions);
    const double agree = static_cast<double>(candidate.agree) / positions, mean = candidate.divergence / positions;
    if (options.json) {
      fmt::print(
          "{{\"case\": \"{}\", \"model\": \"{}\", \"prompts\": {}, \"positions\": {}, \"same_likeliest\": {:.6f}, "
          "\"kl_mean\": {:.6g}, \"kl_largest\": {:.6g}}}\n",
          candidate.name, options.model, set.problems.size(), candidate.positions, agree, mean, candidate.largest);
    } else {
      fmt::print(
          "{:<10} {} prompts, {} positions: likeliest token the same at {:.2f}%, KL {:.2e} on average, {:.2e} at "
          "most\n",
          candidate.name, set.problems.size(), candidate.positions, 100 * agree, mean, candidate.largest);
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) {
  orrery::Options options;
  CLI::App app{"How far bfloat16 and int8 are from float32 on real prompts"};
  app.add_option("--model", options.model, "name or path")->capture_default_str();
  app.add_option("--problems", options.problems, "a problem file (GSM8K, MATH, {question, answer})")->required();
  app.add_option("--limit", options.limit, "problems")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--new-tokens", options.new_tokens, "tokens written after each question")->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object a line");
  CLI11_PARSE(app, argc, argv);
  const orrery::Status status = orrery::Bench(options);
  if (!status.ok()) fmt::print(stderr, "{}\n", orrery::Message(status));
  return status.ok() ? 0 : orrery::ExitCode(status);
}
