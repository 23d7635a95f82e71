// SPDX-License-Identifier: Apache-2.0
#include "actors/partial.h"

#include <string>
#include <vector>

#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/seeds.h"
#include "reasoning/step.h"
#include "schema/builder.h"

namespace orrery::actors {

PartialChunk RootPartial(const TreeContext& tree) {
  schema::Builder builder;
  builder.Finish(schema::PartialBuilder(builder).Finish());
  return PartialChunk(std::move(builder));
}

PartialChunk PathOnly(const schema::Partial& partial) {
  schema::Builder builder;
  const auto path = store::PathOf(partial);
  const auto offset = builder.CreateVector(path);
  schema::PartialBuilder slim(builder);
  slim.add_path(offset);
  builder.Finish(slim.Finish());
  return PartialChunk(std::move(builder));
}

PartialChunk ChildPartial(const TreeContext& tree, const schema::Partial& parent, const schema::Candidate& candidate,
                          uint8_t index) {
  schema::Builder builder;
  auto path = store::PathOf(parent);

  std::vector<flatbuffers::Offset<schema::RunStep>> steps;
  if (parent.parents() != nullptr) {
    for (const auto* step : *parent.parents())
      steps.push_back(schema::CreateRunStep(builder, builder.CreateString(step->code()), step->seed()));
  }
  const bool ran = candidate.verdict() == schema::Verdict::Ok;
  if (ran)
    steps.push_back(schema::CreateRunStep(builder, builder.CreateString(candidate.code()),
                                          reasoning::StepSeed(tree.random_key, path)));
  path.push_back(index);

  std::string printed = GetString(parent.printed());
  if (ran) printed += candidate.output()->str();

  std::string text = candidate.text()->str();
  const bool complete = candidate.kind() == schema::StepKind::FinalCode;
  if (complete) text += reasoning::OutputBlock(printed, tree.campaign->output_limit);
  std::vector<int32_t> tokens;
  if (parent.tokens() != nullptr) tokens.assign(parent.tokens()->begin(), parent.tokens()->end());
  model::AppendStep(*tree.campaign->tokenizer, text, tokens);

  std::vector<int32_t> ppm_tokens;
  if (const model::Tokenizer* reader = tree.campaign->ppm_tokenizer) {
    if (parent.ppm_tokens() != nullptr) ppm_tokens.assign(parent.ppm_tokens()->begin(), parent.ppm_tokens()->end());
    model::AppendStep(*reader, text, ppm_tokens);
  }

  const auto path_offset = builder.CreateVector(path);
  const auto tokens_offset = builder.CreateVector(tokens);
  const auto steps_offset = builder.CreateVector(steps);
  const auto ppm_offset = builder.CreateVector(ppm_tokens);
  const auto last = builder.CreateString(candidate.text());
  const auto printed_offset = builder.CreateString(printed);
  schema::PartialBuilder partial(builder);
  partial.add_path(path_offset);
  partial.add_tokens(tokens_offset);
  partial.add_parents(steps_offset);
  partial.add_last_step(last);
  partial.add_printed(printed_offset);
  partial.add_after_output(complete);
  partial.add_tolerated_errors(candidate.tolerated_errors());
  if (tree.campaign->ppm_tokenizer != nullptr) partial.add_ppm_tokens(ppm_offset);
  if (candidate.score()) partial.add_score(*candidate.score());
  builder.Finish(partial.Finish());
  return PartialChunk(std::move(builder));
}

}  // namespace orrery::actors
