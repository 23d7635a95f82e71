// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the actors of one campaign, and of one tree, share and never change.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/interfaces.h"
#include "actors/meters.h"
#include "base/random.h"
#include "model/tokenizer/tokenizer.h"
#include "reasoning/problem.h"
#include "reasoning/prompt.h"
#include "search/rules.h"
#include "store/store.h"

namespace orrery::actors {

// The actors that serve every tree.
struct Services {
  batcher_actor batcher;
  batcher_actor scorer;  // the preference model's; null where there is none
  sandbox_actor sandbox;
  grader_actor grader;
  journal_actor journal;
};

struct CampaignContext {
  search::Rules rules;
  reasoning::PromptTemplate prompt = reasoning::BuiltInPrompt(reasoning::PromptForm::kChat);
  reasoning::StepForm steps = reasoning::StepForm::kCode;
  uint64_t seed = 1;
  size_t output_limit = 4096;  // bytes of program output that enter the partial solution
  int context_length = 0;      // tokens, of the policy
  const model::Tokenizer* tokenizer = nullptr;
  const model::Tokenizer* ppm_tokenizer = nullptr;  // the preference model's; null where there is none
  int ppm_context_length = 0;
  const store::Store* store = nullptr;    // for reading
  const store::Store* earlier = nullptr;  // of the run whose machine's decisions are taken; null: none's
  Meters* meters = nullptr;
  Services services;
  std::atomic<bool> stopping{false};  // no new expansion is begun
};

struct TreeContext {
  std::shared_ptr<const CampaignContext> campaign;
  std::shared_ptr<const reasoning::Problem> problem;
  std::string key;          // of the problem in the store
  uint64_t random_key = 0;  // hash of (seed, key)
  std::vector<model::TokenId> prompt;
  std::vector<model::TokenId> ppm_prompt;  // as a trained policy reads it, whatever the policy of this campaign reads
  std::map<store::Path, ExpansionChunk> memo;
  std::map<store::Path, ExpansionChunk> earlier;  // the expansions of the run whose machine's decisions are taken

  const search::Rules& rules() const { return campaign->rules; }
  Meters& meters() const { return *campaign->meters; }
  // Tokens that a partial solution may have, so that prompt and solution fit the rules and the context.
  int token_budget() const;
};

// A problem's key in the store: its id, and a hash of question, answer and checker, so that another problem of the same
// id is another key.
std::string ProblemKey(const reasoning::Problem& problem);

}  // namespace orrery::actors
