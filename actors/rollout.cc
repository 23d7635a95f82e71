// SPDX-License-Identifier: Apache-2.0
#include "actors/rollout.h"

#include <algorithm>
#include <utility>

#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/seeds.h"
#include "reasoning/verifier.h"
#include "schema/builder.h"
#include "store/recorded_steps.h"

namespace orrery::actors {
namespace {

reasoning::Position PositionOf(const schema::Partial& partial, reasoning::StepForm steps) {
  if (steps == reasoning::StepForm::kWords) return reasoning::Position::kInWords;
  return partial.after_output() ? reasoning::Position::kAfterOutput : reasoning::Position::kInCode;
}

// What candidates of a node draw from: distinct for every path and candidate.
uint64_t CandidateStream(const store::Path& path, int candidate) {
  const std::string number = std::to_string(candidate);
  return HashParts({std::string_view(reinterpret_cast<const char*>(path.data()), path.size()), number});
}

bool ByItsMachine(const schema::Candidate& candidate) {
  return store::IsEnvironmental(candidate.verdict()) || store::IsEnvironmental(candidate.grade());
}

}  // namespace

caf::error StoppingError() { return WordedError(std::string(kStopping)); }

caf::result<ExpansionChunk> rollout_state::Expand(const PartialChunk& chunk) {
  const auto path = store::PathOf(*chunk);
  if (const auto known = context->memo.find(path); known != context->memo.end()) {
    context->meters().search.expansions_recalled.fetch_add(1, std::memory_order_relaxed);
    return known->second;
  }
  if (context->campaign->stopping.load(std::memory_order_relaxed)) return StoppingError();

  partial = chunk;
  const auto& rules = context->rules();
  draft.emplace(reasoning::DraftSetting{
      .problem = context->key,
      .path = path,
      .position = PositionOf(*partial, context->campaign->steps),
      .last_step = GetString(partial->last_step()),
      .printed = GetString(partial->printed()),
      .samples = rules.candidates,
      .tolerated_here = partial->tolerated_errors(),
      .tolerated_limit = rules.tolerated_errors,
      .likely_first = rules.candidate_order == search::CandidateOrder::kLikely,
  });
  promise.emplace(self->make_response_promise<ExpansionChunk>());
  sampled = 0;
  Sample();
  return caf::delegated<ExpansionChunk>();
}

void rollout_state::Sample() {
  const int samples = context->rules().candidates;
  Generate(std::exchange(sampled, sampled + samples), samples);
}

void rollout_state::Generate(int first, int samples) {
  static const std::vector<std::string> stop_strings = reasoning::StopStrings();
  const size_t solution = partial->tokens() == nullptr ? 0 : partial->tokens()->size();
  const auto& rules = context->rules();

  schema::Builder builder;
  int32_t* prompt = nullptr;
  const auto tokens = builder.CreateUninitializedVector(context->prompt.size() + solution, &prompt);
  std::ranges::copy(context->prompt, prompt);
  if (solution > 0) std::copy_n(partial->tokens()->data(), solution, prompt + context->prompt.size());
  const auto stops = builder.CreateVectorOfStrings(stop_strings);
  const auto path = store::PathOf(*partial);
  uint64_t* stream = nullptr;
  const auto streams = builder.CreateUninitializedVector(static_cast<size_t>(samples), &stream);
  for (int i = 0; i < samples; ++i) stream[i] = CandidateStream(path, first + i);
  schema::GenerateBuilder generate(builder);
  generate.add_sent(context->meters().Sent(Kind::kBatcher));
  generate.add_prompt(tokens);
  generate.add_temperature(static_cast<float>(rules.temperature));
  generate.add_top_p(static_cast<float>(rules.top_p));
  generate.add_top_k(rules.top_k);
  generate.add_stops(stops);
  generate.add_max_new_tokens(std::min(rules.max_step_tokens, context->token_budget() - static_cast<int>(solution)));
  generate.add_random_key(context->random_key);
  generate.add_random_streams(streams);
  generate.add_first(static_cast<uint32_t>(first));
  builder.Finish(generate.Finish());

  self->request(context->campaign->services.batcher, caf::infinite, atom::generate_v, GenerateChunk(std::move(builder)),
                caf::actor_cast<rollout_actor>(self))
      .then(
          [this](const GeneratedChunk& generated) {
            context->meters().Answered(Kind::kRollout);
            Generated(*generated);
          },
          [this](caf::error& error) { Fail(std::move(error)); });
}

void rollout_state::Generated(const schema::Generated& generated) {
  if (!draft) return;
  auto& counts = context->meters().search;
  for (const schema::Sample* sample : *generated.samples()) {
    counts.candidates.fetch_add(1, std::memory_order_relaxed);
    counts.tokens_generated.fetch_add(sample->tokens(), std::memory_order_relaxed);
    const auto task =
        draft->AddSample(static_cast<int>(sample->number()), {.tokens = sample->tokens(),
                                                              .text = GetString(sample->text()),
                                                              .stop = GetString(sample->stop()),
                                                              .ended = sample->ended(),
                                                              .log_probability = sample->log_probability()});
    if (task) Judge(*task);
  }
  Proceed();
}

void rollout_state::Judge(const reasoning::ExpansionDraft::Task& task) {
  if (const auto* earlier = Earlier(task.text); earlier != nullptr && ByItsMachine(*earlier))
    return Take(task.text, *earlier);
  if (task.kind == reasoning::ExpansionDraft::Task::Kind::kRun) return Run(task.text, task.subject);
  switch (reasoning::VerifierOf(*context->problem)) {
    case reasoning::Verifier::kComparison: return Compare(task.text, task.subject);
    case reasoning::Verifier::kChecker: return Check(task.text, task.subject);
  }
}

void rollout_state::Run(const std::string& text, const std::string& code) {
  schema::Builder builder;
  std::vector<flatbuffers::Offset<schema::RunStep>> parents;
  if (partial->parents() != nullptr) {
    for (const auto* step : *partial->parents())
      parents.push_back(schema::CreateRunStep(builder, builder.CreateString(step->code()), step->seed()));
  }
  const auto path = store::PathOf(*partial);
  const auto step =
      schema::CreateRunStep(builder, builder.CreateString(code), reasoning::StepSeed(context->random_key, path));
  const auto before = builder.CreateVector(parents);
  builder.Finish(schema::CreateRun(builder, context->meters().Sent(Kind::kSandboxPool), before, step));
  self->request(context->campaign->services.sandbox, caf::infinite, atom::run_v, RunChunk(std::move(builder)))
      .then(
          [this, text](const RanChunk& ran) {
            context->meters().Answered(Kind::kRollout);
            if (!draft) return;
            auto& counts = context->meters().search;
            counts.steps_executed.fetch_add(1, std::memory_order_relaxed);
            counts.verdicts[static_cast<size_t>(ran->verdict())].fetch_add(1, std::memory_order_relaxed);
            const auto* earlier = store::IsEnvironmental(ran->verdict()) ? Earlier(text) : nullptr;
            if (earlier != nullptr) {
              Take(text, *earlier);
            } else {
              draft->AddRun(text, ran->verdict(), GetString(ran->output()), GetString(ran->error()));
            }
            Proceed();
          },
          [this](caf::error& error) { Fail(std::move(error)); });
}

void rollout_state::Check(const std::string& text, const std::string& answer) {
  reasoning::Submission submission{answer, GetString(partial->printed()), {}};
  if (partial->parents() != nullptr) {
    for (const auto* step : *partial->parents()) submission.program.push_back(step->code()->str());
  }
  const std::string code = reasoning::CheckerCode(context->problem->checker, submission);
  schema::Builder builder;
  const auto seed = reasoning::StepSeed(context->random_key, store::PathOf(*partial));
  const auto step = schema::CreateRunStep(builder, builder.CreateString(code), seed);
  builder.Finish(schema::CreateRun(builder, context->meters().Sent(Kind::kSandboxPool), 0, step));
  self->request(context->campaign->services.sandbox, caf::infinite, atom::run_v, RunChunk(std::move(builder)))
      .then([this,
             text](const RanChunk& ran) { Graded(text, reasoning::GradeOf(ran->verdict()), GetString(ran->error())); },
            [this](caf::error& error) { Fail(std::move(error)); });
}

void rollout_state::Graded(const std::string& text, schema::Grade grade, std::string error) {
  context->meters().Answered(Kind::kRollout);
  if (!draft) return;
  context->meters().search.grades[static_cast<size_t>(grade)].fetch_add(1, std::memory_order_relaxed);
  if (const auto* earlier = store::IsEnvironmental(grade) ? Earlier(text) : nullptr; earlier != nullptr) {
    Take(text, *earlier);
  } else {
    draft->AddGrade(text, grade, std::move(error));
  }
  Proceed();
}

const schema::Candidate* rollout_state::Earlier(const std::string& text) const {
  const auto found = context->earlier.find(store::PathOf(*partial));
  if (found == context->earlier.end() || found->second->candidates() == nullptr) return nullptr;
  for (const schema::Candidate* candidate : *found->second->candidates()) {
    const bool decided =
        candidate->verdict() != schema::Verdict::NotRun || candidate->grade() != schema::Grade::NotGraded;
    if (decided && flatbuffers::GetStringView(candidate->text()) == text) return candidate;
  }
  return nullptr;
}

void rollout_state::Take(const std::string& text, const schema::Candidate& earlier) {
  if (earlier.kind() == schema::StepKind::Answer)
    return draft->AddGrade(text, earlier.grade(), GetString(earlier.error()));
  draft->AddRun(text, earlier.verdict(), GetString(earlier.output()), GetString(earlier.error()));
}

void rollout_state::Compare(const std::string& text, const std::string& answer) {
  schema::Builder builder;
  const auto reference = builder.CreateString(context->problem->answer);
  const auto given = builder.CreateString(answer);
  builder.Finish(schema::CreateGradeAnswer(builder, context->meters().Sent(Kind::kGraderPool), reference, given));
  self->request(context->campaign->services.grader, caf::infinite, atom::grade_v, GradeAnswerChunk(std::move(builder)))
      .then([this, text](const GradedChunk& graded) { Graded(text, graded->grade(), ""); },
            [this](caf::error& error) { Fail(std::move(error)); });
}

void rollout_state::Proceed() {
  if (!draft->Complete()) return;
  const auto& rules = context->rules();
  // A path holds a candidate's index in a byte.
  const int most = std::min(255, rules.candidates * (1 + rules.resamples));
  if (sampled + rules.candidates <= most && !draft->AnyValid()) {
    draft->Extend(rules.candidates);
    return Sample();
  }
  context->campaign->services.scorer ? Score() : Record();
}

void rollout_state::Score() {
  const std::vector<std::string> texts = draft->ValidTexts();
  unscored = texts.size();
  if (texts.empty()) return Record();
  std::vector<int32_t> before = context->ppm_prompt;
  if (const auto* tokens = partial->ppm_tokens()) before.insert(before.end(), tokens->begin(), tokens->end());
  for (const std::string& text : texts) {
    std::vector<int32_t> whole = before;
    model::AppendStep(*context->campaign->ppm_tokenizer, text, whole);
    // A solution that the model cannot read whole is scored by its first part.
    const auto most = static_cast<size_t>(context->campaign->ppm_context_length);
    if (whole.size() > most) whole.resize(most);
    schema::Builder builder;
    const auto tokens = builder.CreateVector(whole);
    builder.Finish(schema::CreateScore(builder, context->meters().Sent(Kind::kBatcher), tokens));
    self->request(context->campaign->services.scorer, caf::infinite, atom::score_v, ScoreChunk(std::move(builder)))
        .then(
            [this, text](const ScoredChunk& scored) {
              context->meters().Answered(Kind::kRollout);
              if (!draft) return;
              draft->AddScore(text, scored->score());
              if (--unscored == 0) Record();
            },
            [this](caf::error& error) { Fail(std::move(error)); });
  }
}

void rollout_state::Record() {
  const ExpansionChunk chunk = draft->Finish();
  draft.reset();
  partial = {};
  context->meters().Sent(Kind::kJournal);
  self->request(context->campaign->services.journal, caf::infinite, atom::record_v, chunk)
      .then(
          [this, chunk](bool) {
            context->meters().Answered(Kind::kRollout);
            context->meters().search.expansions.fetch_add(1, std::memory_order_relaxed);
            std::exchange(promise, std::nullopt)->Deliver(chunk);
          },
          [this](caf::error& error) { Fail(std::move(error)); });
}

void rollout_state::Fail(caf::error error) {
  draft.reset();
  if (auto waiting = std::exchange(promise, std::nullopt)) waiting->Fail(std::move(error));
}

rollout_actor::behavior_type rollout(rollout_actor::stateful_pointer<rollout_state> self,
                                     std::shared_ptr<const TreeContext> context) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  Meter& meter = state.context->meters().of(Kind::kRollout);
  state.alive = Alive(meter);
  return {
      [self, &meter](atom::expand, const PartialChunk& partial) -> caf::result<ExpansionChunk> {
        Probe probe(meter, 0);
        return self->state.Expand(partial);
      },
      [self, &meter](atom::sampled, const GeneratedChunk& generated) {
        Probe probe(meter, generated->sent());
        self->state.Generated(*generated);
      },
  };
}

}  // namespace orrery::actors
