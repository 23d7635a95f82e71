// SPDX-License-Identifier: Apache-2.0
#include "simulation/engine.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/clock.h"

namespace orrery::simulation {
namespace {

void Take(std::chrono::microseconds time) {
  if (time.count() > 0) std::this_thread::sleep_for(time);
}

}  // namespace

SimulatedEngine::SimulatedEngine(std::shared_ptr<const Profile> profile, Pace pace)
    : profile_(std::move(profile)), pace_(pace) {}

Status SimulatedEngine::Submit(model::GenerationRequest request) {
  if (request.max_new_tokens <= 0) return InvalidInput("a simulated policy scores nothing: expected max_new_tokens");
  waiting_.push_back({.id = request.id,
                      .place = PlaceAtEnd(request.prompt, request.random.key),
                      .stream = request.random.stream,
                      .room = request.max_new_tokens});
  ++counters_.requests;
  counters_.prompt_rows += request.prompt.size();
  return absl::OkStatus();
}

void SimulatedEngine::Cancel(uint64_t id) {
  std::erase_if(waiting_, [id](const Waiting& request) { return request.id == id; });
}

model::Generation SimulatedEngine::Answer(const Waiting& request) const {
  const ProblemDraw problem = DrawProblem(*profile_, request.place.key, "");
  SampleDraw sample = DrawSample(*profile_, problem, request.place, request.stream);
  if (sample.tokens > request.room) sample.tokens = request.room, sample.kind = Kind::kLost;
  Script script = Write(sample, request.place, profile_->bytes_per_token);
  constexpr double kOfToken = -0.25;  // ln p: all steps are as likely as their length lets them be
  model::Generation generation;
  generation.id = request.id;
  generation.tokens.resize(static_cast<size_t>(sample.tokens));
  generation.text = std::move(script.text);
  generation.reason = script.stop.empty() ? model::FinishReason::kLength : model::FinishReason::kStop;
  generation.stop = std::move(script.stop);
  generation.log_probability = kOfToken * sample.tokens;
  return generation;
}

StatusOr<std::vector<model::Generation>> SimulatedEngine::Step() {
  const auto begin = Clock::now();
  std::vector<model::Generation> finished;
  const size_t count = std::min(waiting_.size(), pace_.requests_a_batch);
  finished.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    finished.push_back(Answer(waiting_.front()));
    waiting_.pop_front();
    counters_.tokens_generated += finished.back().tokens.size();
  }
  if (count > 0) {
    ++counters_.batches;
    counters_.rows += count;
    Take(pace_.batch);
    counters_.busy_seconds += SecondsSince(begin);
  }
  return finished;
}

StatusOr<std::vector<float>> SimulatedEngine::Logits(const std::vector<model::TokenId>&) {
  return Unavailable("a simulated policy has no logits");
}

sandbox::StepResult SimulatedSandbox::Run(const sandbox::StepRequest& request) {
  Take(pace_.step);
  sandbox::StepResult result;
  result.steps_executed = 1;
  if (auto printed = Printed(request.step.code)) {
    result.verdict = sandbox::Verdict::kOk;
    result.output = *std::move(printed);
  } else {
    result.verdict = sandbox::Verdict::kRuntimeError;
    result.error = "RuntimeError: No active exception to reraise";
  }
  return result;
}

reasoning::Grade SimulatedGrader::Compare(std::string_view, std::string_view answer) {
  Take(pace_.answer);
  return IsRight(answer) ? reasoning::Grade::kEqual : reasoning::Grade::kDifferent;
}

}  // namespace orrery::simulation
