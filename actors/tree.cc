// SPDX-License-Identifier: Apache-2.0
#include "actors/tree.h"

#include <algorithm>

#include "actors/node.h"
#include "actors/promise.h"
#include "actors/rollout.h"
#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/seeds.h"
#include "schema/builder.h"
#include "search/tree.h"

namespace orrery::actors {
namespace {

std::map<store::Path, ExpansionChunk> ByPath(std::vector<ExpansionChunk> expansions) {
  std::map<store::Path, ExpansionChunk> by_path;
  for (auto& expansion : expansions) {
    auto path = store::PathOf(*expansion);
    by_path.emplace(std::move(path), std::move(expansion));
  }
  return by_path;
}

}  // namespace

void tree_state::Start() {
  const std::string key = ProblemKey(*problem);
  const auto& rules = campaign->rules;
  auto record = campaign->store->Tree(key);
  if (!record.ok()) return Done(false, Message(record.status()));
  if (*record) {
    const auto& tree = **record;
    if (store::OfBudget(*tree, rules)) {
      solved = tree->solved();
      ends.resize(tree->rollouts()->size());
      return Done(false, "");
    }
  }
  auto known = campaign->store->Expansions(key);
  if (!known.ok()) return Done(false, Message(known.status()));

  auto fresh = std::make_shared<TreeContext>();
  fresh->campaign = campaign;
  fresh->problem = problem;
  fresh->key = key;
  fresh->random_key = reasoning::TreeRandomKey(campaign->seed, key);
  fresh->prompt = model::EncodePrompt(*campaign->tokenizer, reasoning::Prompt(campaign->prompt, *problem));
  if (campaign->ppm_tokenizer != nullptr) {
    const auto prompt = reasoning::BuiltInPrompt(reasoning::PromptForm::kFineTuned, {}, campaign->steps);
    fresh->ppm_prompt = model::EncodePrompt(*campaign->ppm_tokenizer, reasoning::Prompt(prompt, *problem));
  }
  fresh->memo = ByPath(*std::move(known));
  if (campaign->earlier != nullptr) {
    auto earlier = campaign->earlier->Expansions(key);
    if (!earlier.ok()) return Done(false, Message(Annotate(earlier.status(), "run.verdicts_from")));
    fresh->earlier = ByPath(*std::move(earlier));
  }
  context = std::move(fresh);
  if (context->token_budget() <= 0) {
    exhausted = true;  // the prompt leaves no room for a step: the problem stays unsolved
    return Finish();
  }
  budget = rules.rollouts;
  root = self->spawn(node, context, caf::actor_cast<tree_actor>(self), SolutionPtr());
  if (rules.beams == 0) return Wave();
  beam.emplace(context->rules());
  Level();
}

void tree_state::Wave() {
  const auto& rules = context->rules();
  // Once, when the budget is spent: all the extra rollouts for a problem that it did not solve; and after them the
  // further ones.
  if (started == rules.rollouts && !solved) budget += rules.extra_rollouts_when_unsolved;
  if (started == rules.rollouts + rules.extra_rollouts_when_unsolved && !solved)
    budget += rules.further_rollouts_when_unsolved;
  const int size = std::min(rules.wave, budget - started);
  if (size <= 0 || exhausted) return Finish();
  wave.assign(static_cast<size_t>(size), {});
  walking = size;
  for (int i = 0; i < size; ++i) Send(i, nullptr);
  started += size;
}

void tree_state::Send(int number, const store::Path* to) {
  schema::Builder builder;
  builder.Finish(
      schema::CreateDescendDirect(builder, context->meters().Sent(Kind::kNode), static_cast<uint32_t>(number), to));
  self->send(root, atom::descend_v, DescendChunk(std::move(builder)), self->spawn(rollout, context));
}

void tree_state::Level() {
  walking = static_cast<int>(beam->frontier().size());
  for (int i = 0; i < walking; ++i) Send(i, &beam->frontier()[static_cast<size_t>(i)]);
  if (walking > 0) return;
  ends = beam->ends();
  solved = std::ranges::any_of(ends, &store::RolloutEnd::right);
  context->meters().search.rollouts.fetch_add(ends.size(), std::memory_order_relaxed);
  Finish();
}

void tree_state::Ended(const schema::Ended& ended) {
  if (beam) {
    if (--walking > 0) return;
    beam->Advance([this](const store::Path& path) -> const schema::Expansion* {
      const auto found = expansions.find(path);
      return found == expansions.end() ? nullptr : &*found->second;
    });
    return Level();
  }
  auto& end = wave[ended.rollout()];
  end.path = store::PathOf(ended);
  end.end = ended.end();
  end.right = ended.right();
  if (ended.score()) end.score = *ended.score();
  if (--walking == 0) BackUp(0);
}

void tree_state::BackUp(size_t next) {
  if (next == wave.size()) return Wave();
  const store::RolloutEnd& end = wave[next];
  const bool kept = end.end != schema::Terminal::None;
  if (kept) {
    ends.push_back(end);
    solved = solved || end.right;
    context->meters().search.rollouts.fetch_add(1, std::memory_order_relaxed);
  }
  const double value = search::ValueOf(context->rules(), store::EndOf(end.end), end.right, end.score);
  const bool itself_only =
      end.end != schema::Terminal::Answered && context->rules().dead_end == search::DeadEndBackup::kItself;
  schema::Builder builder;
  builder.Finish(schema::CreateBackupDirect(builder, context->meters().Sent(Kind::kNode), &end.path, 0, end.end, value,
                                            itself_only));
  self->request(root, caf::infinite, atom::backup_v, BackupChunk(std::move(builder)))
      .then(
          [this, next](bool nothing_left) {
            context->meters().Answered(Kind::kTree);
            exhausted = nothing_left;
            BackUp(next + 1);
          },
          [this](const caf::error& error) { Done(false, Words(error)); });
}

void tree_state::Finish() {
  const auto& rules = context->rules();
  const TreeRecordChunk record = store::BuildTreeRecord({.key = context->key,
                                                         .problem = problem.get(),
                                                         .rules = &rules,
                                                         .exhausted = exhausted,
                                                         .in_words = campaign->steps == reasoning::StepForm::kWords},
                                                        ends, expansions);
  context->meters().Sent(Kind::kJournal);
  self->request(campaign->services.journal, caf::infinite, atom::finish_v, record)
      .then(
          [this](bool) {
            context->meters().Answered(Kind::kTree);
            Done(false, "");
          },
          [this](const caf::error& error) { Done(false, Words(error)); });
}

void tree_state::Done(bool stopped, const std::string& failure) {
  if (std::exchange(over, true)) return;
  schema::Builder builder;
  builder.Finish(schema::CreateTreeDoneDirect(builder, campaign->meters->Sent(Kind::kCampaign), problem->id.c_str(),
                                              solved, stopped, static_cast<uint32_t>(ends.size()), failure.c_str()));
  self->send(owner, atom::done_v, TreeDoneChunk(std::move(builder)));
  if (root) self->send_exit(root, caf::exit_reason::user_shutdown);
  self->quit();
}

tree_actor::behavior_type tree(tree_actor::stateful_pointer<tree_state> self,
                               std::shared_ptr<const CampaignContext> campaign,
                               std::shared_ptr<const reasoning::Problem> problem, campaign_actor owner) {
  auto& state = self->state;
  state.self = self;
  state.campaign = std::move(campaign);
  state.problem = std::move(problem);
  state.owner = std::move(owner);
  Meter& meter = state.campaign->meters->of(Kind::kTree);
  state.alive = Alive(meter);
  return {
      [self, &meter](atom::start) {
        Probe probe(meter, 0);
        self->state.Start();
      },
      [self, &meter](atom::ended, const EndedChunk& ended) {
        Probe probe(meter, ended->sent());
        self->state.Ended(*ended);
      },
      [self, &meter](atom::grown, const ExpansionChunk& expansion) {
        Probe probe(meter, 0);
        self->state.expansions.insert_or_assign(store::PathOf(*expansion), expansion);
      },
      [self, &meter](atom::failed, const std::string& words) {
        Probe probe(meter, 0);
        const bool stopping = words == kStopping;
        self->state.Done(stopping, stopping ? "" : words);
      },
  };
}

}  // namespace orrery::actors
