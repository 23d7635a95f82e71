// SPDX-License-Identifier: Apache-2.0
#include "reasoning/expansion_draft.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "reasoning/text.h"
#include "schema/builder.h"

namespace orrery::reasoning {
namespace {

schema::StepKind RecordKind(StepKind kind) {
  switch (kind) {
    case StepKind::kCodeStep: return schema::StepKind::CodeStep;
    case StepKind::kFinalCode: return schema::StepKind::FinalCode;
    case StepKind::kAnswer: return schema::StepKind::Answer;
    case StepKind::kWords: return schema::StepKind::Words;
  }
  return schema::StepKind::CodeStep;
}

// What ends a sample. A chat model may end its turn where the last marker should stand: the answer is complete all the
// same.
std::string_view StopOf(const Sample& sample, Position position) {
  const bool answers = position == Position::kAfterOutput || (position == Position::kInWords && LastBoxed(sample.text));
  return sample.ended && sample.stop.empty() && answers ? kEndOfAnswer : std::string_view(sample.stop);
}

}  // namespace

ExpansionDraft::ExpansionDraft(DraftSetting setting)
    : setting_(std::move(setting)), samples_(setting_.samples), texts_(setting_.samples), missing_(setting_.samples) {}

std::optional<ExpansionDraft::Task> ExpansionDraft::AddSample(int index, Sample sample) {
  auto parsed = ParseStep(sample.text, StopOf(sample, setting_.position), setting_.position);
  // Samples that are no step are told apart from steps by a prefix that no step begins with.
  std::string key = parsed.ok() ? parsed->text : std::string("\x01") + sample.text + "\x01" + sample.stop;
  texts_[index] = key;
  samples_[index] = std::move(sample);
  --missing_;

  const auto [position, fresh] = entries_.try_emplace(key);
  if (!fresh) return std::nullopt;
  Entry& entry = position->second;
  if (!parsed.ok()) {
    entry.rejection = Message(parsed.status());
    return std::nullopt;
  }
  entry.step = *std::move(parsed);
  if (entry.step->text == setting_.last_step) {
    entry.rejection = "repeats the step before it";
    return std::nullopt;
  }
  if (entry.step->kind == StepKind::kWords) return std::nullopt;
  entry.waiting = true;
  ++waiting_;
  if (entry.step->kind == StepKind::kAnswer) return Task{Task::Kind::kGrade, key, entry.step->answer};
  return Task{Task::Kind::kRun, key, entry.step->code};
}

void ExpansionDraft::AddRun(const std::string& text, schema::Verdict verdict, std::string output, std::string error) {
  Entry& entry = entries_.at(text);
  entry.verdict = verdict;
  entry.output = std::move(output);
  entry.error = std::move(error);
  entry.waiting = false;
  --waiting_;
}

void ExpansionDraft::AddGrade(const std::string& text, schema::Grade grade, std::string error) {
  Entry& entry = entries_.at(text);
  entry.grade = grade;
  entry.error = std::move(error);
  entry.waiting = false;
  --waiting_;
}

bool ExpansionDraft::Complete() const { return missing_ == 0 && waiting_ == 0; }

bool ExpansionDraft::AnyValid() const {
  return std::ranges::any_of(entries_, [this](const auto& entry) { return Judge(entry.second).valid; });
}

std::vector<std::string> ExpansionDraft::ValidTexts() const {
  std::vector<std::string> texts;
  for (const auto& [text, entry] : entries_) {
    if (Judge(entry).valid) texts.push_back(text);
  }
  return texts;
}

void ExpansionDraft::AddScore(const std::string& text, double score) { entries_.at(text).score = score; }

void ExpansionDraft::Extend(int samples) {
  missing_ += samples;
  samples_.resize(samples_.size() + static_cast<size_t>(samples));
  texts_.resize(samples_.size());
}

ExpansionDraft::Judgement ExpansionDraft::Judge(const Entry& entry) const {
  if (!entry.rejection.empty()) return {.valid = false, .rejection = entry.rejection};
  if (entry.step->kind == StepKind::kWords) return {.valid = true};
  if (entry.step->kind == StepKind::kAnswer) {
    // What could not be compared is neither right nor wrong, so it is no end that a value could be taken from.
    const bool compared = entry.grade == schema::Grade::Equal || entry.grade == schema::Grade::Different;
    return {.valid = compared,
            .rejection =
                compared ? "" : std::string("the answer could not be graded: ") + schema::EnumNameGrade(entry.grade)};
  }
  if (entry.verdict == schema::Verdict::Ok) {
    const Status printed =
        entry.step->kind == StepKind::kFinalCode ? CheckOutput(setting_.printed + entry.output) : absl::OkStatus();
    return {.valid = printed.ok(), .rejection = Message(printed)};
  }
  // A program that fails at its end has no output to answer from, so only inner steps are tolerated.
  const bool tolerable = entry.verdict == schema::Verdict::RuntimeError && entry.step->kind == StepKind::kCodeStep &&
                         setting_.tolerated_here < setting_.tolerated_limit;
  if (tolerable) return {.valid = true, .rejection = {}, .tolerated = setting_.tolerated_here + 1};
  return {.valid = false, .rejection = std::string("the program ended with ") + schema::EnumNameVerdict(entry.verdict)};
}

flatbuffers::Offset<schema::Candidate> ExpansionDraft::Build(flatbuffers::FlatBufferBuilder& builder,
                                                             const std::string& text, int first) const {
  const Entry& entry = entries_.at(text);
  const Judgement judgement = Judge(entry);
  uint16_t merged = 0;
  uint32_t tokens = 0;
  for (size_t i = 0; i < texts_.size(); ++i) {
    if (texts_[i] != text) continue;
    ++merged;
    tokens += samples_[i]->tokens;
  }
  const auto shown = builder.CreateString(entry.step ? entry.step->text : samples_[first]->text);
  const auto code = builder.CreateString(entry.step ? entry.step->code : "");
  const auto rejection = builder.CreateString(judgement.rejection);
  const auto output = builder.CreateString(entry.output);
  const auto error = builder.CreateString(entry.error);
  const auto answer = builder.CreateString(entry.step ? entry.step->answer : "");
  schema::CandidateBuilder candidate(builder);
  candidate.add_text(shown);
  candidate.add_kind(entry.step ? RecordKind(entry.step->kind) : schema::StepKind::CodeStep);
  candidate.add_code(code);
  candidate.add_valid(judgement.valid);
  candidate.add_rejection(rejection);
  candidate.add_merged(merged);
  candidate.add_tokens(tokens);
  candidate.add_log_probability(samples_[first]->log_probability);
  candidate.add_verdict(entry.verdict);
  candidate.add_output(output);
  candidate.add_error(error);
  candidate.add_answer(answer);
  candidate.add_grade(entry.grade);
  candidate.add_tolerated_errors(static_cast<uint8_t>(judgement.tolerated));
  if (entry.score) candidate.add_score(*entry.score);
  return candidate.Finish();
}

std::vector<int> ExpansionDraft::FirstSamples() const {
  std::vector<int> firsts;
  for (auto text = texts_.begin(); text != texts_.end(); ++text) {
    if (std::find(texts_.begin(), text, *text) == text) firsts.push_back(static_cast<int>(text - texts_.begin()));
  }
  if (!setting_.likely_first) return firsts;
  const auto likelihood = [&](int i) {
    const Sample& sample = *samples_[static_cast<size_t>(i)];
    return sample.log_probability / std::max(sample.tokens, 1u);
  };
  std::ranges::stable_sort(firsts, std::greater(), likelihood);
  return firsts;
}

schema::Chunk<schema::Expansion> ExpansionDraft::Finish() const {
  schema::Builder builder;
  std::vector<flatbuffers::Offset<schema::Candidate>> candidates;
  for (const int i : FirstSamples()) candidates.push_back(Build(builder, texts_[static_cast<size_t>(i)], i));
  uint32_t tokens = 0;
  for (const auto& sample : samples_) tokens += sample->tokens;
  uint32_t steps = 0;
  for (const auto& [text, entry] : entries_) steps += entry.verdict == schema::Verdict::NotRun ? 0 : 1;
  const auto problem = builder.CreateString(setting_.problem);
  const auto path = builder.CreateVector(setting_.path);
  const auto rows = builder.CreateVector(candidates);
  schema::ExpansionBuilder expansion(builder);
  expansion.add_problem(problem);
  expansion.add_path(path);
  expansion.add_candidates(rows);
  expansion.add_tokens_generated(tokens);
  expansion.add_steps_executed(steps);
  builder.Finish(expansion.Finish());
  return schema::Chunk<schema::Expansion>(std::move(builder));
}

}  // namespace orrery::reasoning
