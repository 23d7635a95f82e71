// SPDX-License-Identifier: Apache-2.0
#include "actors/solution.h"

#include <span>
#include <string>
#include <utility>

#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/seeds.h"
#include "reasoning/step.h"
#include "schema/builder.h"

namespace orrery::actors {
namespace {

// Root first.
std::vector<const Solution*> StepsOf(const Solution* last) {
  std::vector<const Solution*> steps(last == nullptr ? 0 : last->depth);
  for (auto place = steps.rbegin(); place != steps.rend(); last = last->before.get()) *place++ = last;
  return steps;
}

bool Ran(const Solution& solution) { return solution.step().verdict() == schema::Verdict::Ok; }

// All that the steps printed.
std::string Printed(std::span<const Solution* const> steps) {
  std::string printed;
  for (const Solution* solution : steps) {
    if (Ran(*solution)) printed += flatbuffers::GetStringView(solution->step().output());
  }
  return printed;
}

using Tokens = std::vector<model::TokenId>;

flatbuffers::Offset<flatbuffers::Vector<int32_t>> Joined(flatbuffers::FlatBufferBuilder& builder,
                                                         std::span<const Solution* const> steps,
                                                         Tokens Solution::*tokens) {
  size_t length = 0;
  for (const Solution* solution : steps) length += (solution->*tokens).size();
  int32_t* to = nullptr;
  const auto joined = builder.CreateUninitializedVector(length, &to);
  for (const Solution* solution : steps) to = std::ranges::copy(solution->*tokens, to).out;
  return joined;
}

}  // namespace

store::Path PathOf(const SolutionPtr& solution) {
  store::Path path(Depth(solution));
  const Solution* last = solution.get();
  for (auto place = path.rbegin(); place != path.rend(); last = last->before.get()) *place++ = last->index;
  return path;
}

SolutionPtr Next(const TreeContext& tree, const SolutionPtr& solution, const ExpansionChunk& expansion, uint8_t index) {
  auto next = std::make_shared<Solution>();
  next->before = solution;
  next->expansion = expansion;
  next->index = index;
  next->depth = static_cast<uint16_t>(Depth(solution) + 1);
  next->complete = next->step().kind() == schema::StepKind::FinalCode;

  std::string text = GetString(next->step().text());
  if (next->complete) text += reasoning::OutputBlock(Printed(StepsOf(next.get())), tree.campaign->output_limit);
  model::AppendStep(*tree.campaign->tokenizer, text, next->tokens);
  next->tokens.shrink_to_fit();
  next->length = static_cast<uint32_t>(Length(solution)) + static_cast<uint32_t>(next->tokens.size());
  if (const model::Tokenizer* reader = tree.campaign->ppm_tokenizer) {
    model::AppendStep(*reader, text, next->ppm_tokens);
    next->ppm_tokens.shrink_to_fit();
  }
  return next;
}

PartialChunk WholeOf(const TreeContext& tree, const SolutionPtr& solution) {
  const std::vector<const Solution*> steps = StepsOf(solution.get());
  const store::Path path = PathOf(solution);
  schema::Builder builder;
  std::vector<flatbuffers::Offset<schema::RunStep>> ran;
  store::Path before;  // of the node that the step continues
  for (const Solution* each : steps) {
    if (Ran(*each)) {
      ran.push_back(schema::CreateRunStep(builder, builder.CreateString(each->step().code()),
                                          reasoning::StepSeed(tree.random_key, before)));
    }
    before.push_back(each->index);
  }
  const auto path_offset = builder.CreateVector(path);
  const auto tokens = Joined(builder, steps, &Solution::tokens);
  const auto ran_offset = builder.CreateVector(ran);
  const auto printed = builder.CreateString(Printed(steps));
  const bool scored = tree.campaign->ppm_tokenizer != nullptr;
  const auto ppm_tokens =
      scored ? Joined(builder, steps, &Solution::ppm_tokens) : flatbuffers::Offset<flatbuffers::Vector<int32_t>>();
  const auto last =
      steps.empty() ? flatbuffers::Offset<flatbuffers::String>() : builder.CreateString(steps.back()->step().text());
  schema::PartialBuilder partial(builder);
  partial.add_path(path_offset);
  partial.add_tokens(tokens);
  partial.add_parents(ran_offset);
  partial.add_last_step(last);
  partial.add_printed(printed);
  if (scored) partial.add_ppm_tokens(ppm_tokens);
  if (!steps.empty()) {
    partial.add_after_output(steps.back()->complete);
    partial.add_tolerated_errors(steps.back()->step().tolerated_errors());
  }
  builder.Finish(partial.Finish());
  return PartialChunk(std::move(builder));
}

}  // namespace orrery::actors
