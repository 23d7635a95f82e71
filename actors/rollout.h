// SPDX-License-Identifier: Apache-2.0
#pragma once

// A rollout in flight: wherever its walk meets a node without an expansion, it makes one: from the memo, or by sampling
// candidates from the batcher, running each in the sandbox or grading it as soon as it is there, and writing the result
// to the journal before anyone sees it.
//
//   expand ─▸ recalled from the memo ───────────────────────────────────────────────────▸ expansion
//        └──▸ generate × n ─▸ parsed, merged ─▸ run | grade ─▸ all in ─▸ score ─▸ record ─┘ (durable)

#include <memory>
#include <optional>

#include "actors/context.h"
#include "actors/promise.h"
#include "reasoning/expansion_draft.h"

namespace orrery::actors {

struct rollout_state {
  static inline constexpr const char* name = "rollout";

  rollout_actor::pointer self = nullptr;
  std::shared_ptr<const TreeContext> context;
  PartialChunk partial;
  std::optional<reasoning::ExpansionDraft> draft;  // while an expansion is being made
  int sampled = 0;                                 // candidates asked for, for it
  size_t unscored = 0;                             // candidates whose score was asked for
  std::optional<Promise<ExpansionChunk>> promise;
  Alive alive;

  caf::result<ExpansionChunk> Expand(const PartialChunk& chunk);
  // Asks for as many candidates as the rules say, after those asked for before.
  void Sample();
  void Generate(int first, int samples);
  void Generated(const schema::Generated& generated);
  // Sees to it that a new step is run, or an answer judged.
  void Judge(const reasoning::ExpansionDraft::Task& task);
  void Run(const std::string& text, const std::string& code);
  // The two ways to judge an answer (reasoning/verifier.h), and what comes of either.
  void Compare(const std::string& text, const std::string& answer);
  void Check(const std::string& text, const std::string& answer);
  void Graded(const std::string& text, schema::Grade grade, std::string error);
  // What an earlier run found of the same step at the same place, where this campaign takes its machine's decisions;
  // null: nothing, or nothing that was run or compared.
  const schema::Candidate* Earlier(const std::string& text) const;
  void Take(const std::string& text, const schema::Candidate& earlier);
  // What comes when a sample is judged: more samples, then scores where there is a preference model, then the record.
  void Proceed();
  void Score();
  void Record();
  void Fail(caf::error error);
};

rollout_actor::behavior_type rollout(rollout_actor::stateful_pointer<rollout_state> self,
                                     std::shared_ptr<const TreeContext> context);

// The error of an expansion that was not begun because the campaign is stopping.
caf::error StoppingError();
inline constexpr std::string_view kStopping = "the campaign is stopping";

}  // namespace orrery::actors
