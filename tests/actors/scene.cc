// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/scene.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/paths.h"
#include "store/check.h"
#include "tests/actors/scripted_engine.h"

namespace orrery {

namespace fs = std::filesystem;

std::shared_ptr<const std::vector<reasoning::Problem>> Problems(int count) {
  auto problems = std::make_shared<std::vector<reasoning::Problem>>();
  for (int i = 0; i < count; ++i) {
    problems->push_back({.id = "p" + std::to_string(i),
                         .question = "What is " + std::to_string(i) + "?",
                         .answer = std::to_string(i % 3),
                         .source = "test",
                         .level = ""});
  }
  return problems;
}

std::shared_ptr<sandbox::Sandbox> TheSandbox() {
  static std::shared_ptr<sandbox::Sandbox> one = [] {
    auto started = sandbox::Sandbox::Start({.python = PythonEnvironment()});
    EXPECT_TRUE(started.ok()) << Message(started.status());
    return std::shared_ptr<sandbox::Sandbox>(*std::move(started));
  }();
  return one;
}

namespace {

std::shared_ptr<reasoning::Grader> TheGrader() {
  static std::shared_ptr<reasoning::Grader> one = *reasoning::Grader::Create({.python = PythonEnvironment()});
  return one;
}

}  // namespace

search::Rules SmallRules() {
  search::Rules rules;
  rules.rollouts = 8;
  rules.candidates = 4;
  rules.max_depth = 6;
  return rules;
}

void ExpectProven(std::string_view key, const store::TreeChunk& record, const search::Rules& rules) {
  for (const auto& finding : store::CheckTree(key, record, rules))
    ADD_FAILURE() << key << " " << finding.place << " " << finding.field << ": " << finding.recorded << ", expected "
                  << finding.expected;
}

actors::Meters& MetersOf(const Scene& scene) {
  static std::map<std::string, actors::Meters> all;
  return all[scene.folder.string()];
}

actors::CampaignOutcome Play(const Scene& scene) {
  auto opened = store::Store::Open(scene.folder / "store", "fingerprint", "{}");
  EXPECT_TRUE(opened.ok()) << Message(opened.status());
  std::shared_ptr<store::Store> store = *std::move(opened);
  auto engine = std::make_shared<ScriptedEngine>(scene.timing);
  engine->fail_after = scene.fail_after;
  auto context = std::make_shared<actors::CampaignContext>();
  context->rules = scene.rules;
  context->steps = scene.steps;
  context->prompt = reasoning::BuiltInPrompt(reasoning::PromptForm::kChat, {}, scene.steps);
  context->context_length = engine->context_length();
  context->tokenizer = &engine->tokenizer();
  context->store = store.get();
  std::unique_ptr<store::Store> earlier;
  if (!scene.verdicts_from.empty()) earlier = *store::Store::OpenReadOnly(scene.verdicts_from / "store");
  context->earlier = earlier.get();
  context->meters = &MetersOf(scene);
  const auto ppm = scene.ppm ? std::make_shared<ScriptedEngine>(scene.timing + 1) : nullptr;
  if (ppm) {
    context->ppm_tokenizer = &ppm->tokenizer();
    context->ppm_context_length = ppm->context_length();
  }
  return actors::RunCampaign({.context = context,
                              .problems = scene.given != nullptr ? scene.given : Problems(scene.problems),
                              .engine = engine,
                              .ppm = ppm,
                              .sandboxes = {scene.sandbox != nullptr ? scene.sandbox : TheSandbox()},
                              .graders = {TheGrader()},
                              .store = store,
                              .telemetry = std::make_shared<actors::Telemetry>(context->meters),
                              .telemetry_file = scene.folder / "telemetry.jsonl",
                              .live_trees = scene.live_trees,
                              .threads = scene.threads},
                             scene.watch);
}

std::string Digest(const fs::path& folder) {
  auto store = store::Store::OpenReadOnly(folder / "store");
  EXPECT_TRUE(store.ok()) << Message(store.status());
  Sha256 hash;
  EXPECT_TRUE((*store)
                  ->ForEachTree([&](std::string_view problem, const store::TreeChunk& tree) {
                    hash.UpdateSized(problem);
                    hash.UpdateSized(tree.bytes());
                    return true;
                  })
                  .ok());
  return Hex(hash.Finish());
}

}  // namespace orrery
