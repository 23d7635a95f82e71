// SPDX-License-Identifier: Apache-2.0
#include "actors/node.h"

#include <algorithm>
#include <cmath>

#include "actors/promise.h"
#include "schema/builder.h"

namespace orrery::actors {
namespace {

std::vector<node_state::Row> Rows(const schema::Expansion& expansion, size_t depth, const search::Rules& rules) {
  std::vector<node_state::Row> rows(expansion.candidates()->size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto* candidate = expansion.candidates()->Get(static_cast<flatbuffers::uoffset_t>(i));
    rows[i].stats.valid = candidate->valid();
    rows[i].stats.prior =
        std::exp(candidate->log_probability() / std::max(candidate->tokens() / candidate->merged(), 1u));
    if (candidate->score()) rows[i].score = *candidate->score();
    if (rules.scored && rows[i].score) rows[i].stats.visits = 1, rows[i].stats.value_sum = *rows[i].score;
    if (candidate->kind() == schema::StepKind::Answer) {
      rows[i].end = schema::Terminal::Answered;
      rows[i].right = candidate->grade() == schema::Grade::Equal;
    } else if (depth + 1 >= static_cast<size_t>(rules.max_depth)) {
      rows[i].end = schema::Terminal::DepthLimit;
    }
  }
  return rows;
}

}  // namespace

void node_state::Descend(uint32_t rollout, const rollout_actor& walker) {
  ++virtual_visits;
  if (expansion && !dead) return Forward(rollout, walker);
  if (Length(solution) >= context->token_budget()) dead = true;
  if (dead) return End(rollout, expansion ? schema::Terminal::DeadEnd : schema::Terminal::DepthLimit, false, -1);
  waiting.emplace_back(rollout, walker);
  if (!expanding) Expand(walker);
}

void node_state::Expand(const rollout_actor& walker) {
  expanding = true;
  self->request(walker, caf::infinite, atom::expand_v, WholeOf(*context, solution))
      .then(
          [this](const ExpansionChunk& chunk) {
            context->meters().Answered(Kind::kNode);
            Expanded(chunk);
          },
          [this](const caf::error& error) { self->send(tree, atom::failed_v, Words(error)); });
}

void node_state::Expanded(const ExpansionChunk& chunk) {
  expanding = false;
  expansion = chunk;
  rows = Rows(*chunk, Depth(solution), context->rules());
  dead = true;
  for (const Row& row : rows) dead = dead && !row.stats.valid;
  self->send(tree, atom::grown_v, chunk);
  for (const auto& [rollout, walker] : std::exchange(waiting, {})) {
    if (dead) {
      End(rollout, schema::Terminal::DeadEnd, false, -1);
    } else if (context->rules().beams > 0) {
      End(rollout, schema::Terminal::None, false, -1);
    } else {
      Forward(rollout, walker);
    }
  }
}

void node_state::Forward(uint32_t rollout, const rollout_actor& walker) {
  std::vector<search::Child> children;
  children.reserve(rows.size());
  for (const Row& row : rows) {
    children.push_back(row.stats);
    // An end that a rollout of this wave has reached is no new path for another.
    if (row.end != schema::Terminal::None && row.stats.virtual_visits > 0) children.back().exhausted = true;
  }
  const auto best = search::SelectChild(children, visits + virtual_visits, context->rules());
  if (!best) return End(rollout, schema::Terminal::None, false, -1);
  Row& row = rows[*best];
  ++row.stats.virtual_visits;
  if (row.end != schema::Terminal::None) return End(rollout, row.end, row.right, static_cast<int>(*best));
  schema::Builder builder;
  builder.Finish(schema::CreateDescend(builder, context->meters().Sent(Kind::kNode), rollout));
  self->send(ChildAt(*best), atom::descend_v, DescendChunk(std::move(builder)), walker);
}

void node_state::Lead(const schema::Descend& descend, const rollout_actor& walker) {
  const size_t depth = Depth(solution);
  if (depth == descend.to()->size()) return Descend(descend.rollout(), walker);
  const auto to = store::Path(descend.to()->begin(), descend.to()->end());
  schema::Builder builder;
  builder.Finish(schema::CreateDescendDirect(builder, context->meters().Sent(Kind::kNode), descend.rollout(), &to));
  self->send(ChildAt(to[depth]), atom::descend_v, DescendChunk(std::move(builder)), walker);
}

const node_actor& node_state::ChildAt(size_t row) {
  node_actor& child = rows[row].child;
  if (!child) {
    child = self->spawn(node, context, tree, Next(*context, solution, expansion, static_cast<uint8_t>(row)));
  }
  return child;
}

void node_state::End(uint32_t rollout, schema::Terminal end, bool right, int row) {
  auto path = PathOf(solution);
  flatbuffers::Optional<double> score = flatbuffers::nullopt;
  if (row >= 0) {
    path.push_back(static_cast<uint8_t>(row));
    if (rows[static_cast<size_t>(row)].score) score = *rows[static_cast<size_t>(row)].score;
  }
  schema::Builder builder;
  builder.Finish(
      schema::CreateEndedDirect(builder, context->meters().Sent(Kind::kTree), rollout, &path, end, right, score));
  self->send(tree, atom::ended_v, EndedChunk(std::move(builder)));
}

bool node_state::Exhausted() const {
  if (dead) return true;
  if (!expansion) return false;
  for (const Row& row : rows) {
    if (row.stats.valid && !row.stats.exhausted) return false;
  }
  return true;
}

caf::result<bool> node_state::Backup(const BackupChunk& backup) {
  const size_t depth = backup->depth();
  const size_t length = backup->path() == nullptr ? 0 : backup->path()->size();
  const bool kept = backup->end() != schema::Terminal::None;
  const bool on_the_way = depth < length;
  --virtual_visits;
  if (kept && (!backup->itself_only() || !on_the_way)) {
    ++visits;
    value_sum += backup->value();
  }
  if (!on_the_way) return Exhausted();

  Row& row = rows[backup->path()->Get(static_cast<flatbuffers::uoffset_t>(depth))];
  --row.stats.virtual_visits;
  if (kept && (!backup->itself_only() || depth + 1 == length)) {
    ++row.stats.visits;
    row.stats.value_sum += backup->value();
  }
  if (!row.child) {
    row.stats.exhausted = true;
    return Exhausted();
  }
  schema::Builder builder;
  const auto path = builder.CreateVector(backup->path()->data(), length);
  builder.Finish(schema::CreateBackup(builder, context->meters().Sent(Kind::kNode), path,
                                      static_cast<uint32_t>(depth + 1), backup->end(), backup->value(),
                                      backup->itself_only()));
  auto promise = std::make_shared<Promise<bool>>(self->make_response_promise<bool>());
  self->request(row.child, caf::infinite, atom::backup_v, BackupChunk(std::move(builder)))
      .then(
          [this, promise, &row](bool exhausted) {
            context->meters().Answered(Kind::kNode);
            row.stats.exhausted = exhausted;
            promise->Deliver(Exhausted());
          },
          [promise](caf::error& error) { promise->Fail(std::move(error)); });
  return caf::delegated<bool>();
}

void node_state::Quit(const caf::error& reason) {
  for (Row& row : rows) {
    if (row.child) self->send_exit(row.child, caf::exit_reason::user_shutdown);
  }
  self->quit(reason);
}

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self,
                               std::shared_ptr<const TreeContext> context, tree_actor tree, SolutionPtr solution) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.tree = std::move(tree);
  state.solution = std::move(solution);
  if (state.context->rules().scored && state.solution && state.solution->step().score())
    state.visits = 1, state.value_sum = *state.solution->step().score();
  Meter& meter = state.context->meters().of(Kind::kNode);
  state.alive = Alive(meter);
  self->set_exit_handler([self](const caf::exit_msg& message) { self->state.Quit(message.reason); });
  return {
      [self, &meter](atom::descend, const DescendChunk& descend, const rollout_actor& walker) {
        Probe probe(meter, descend->sent());
        if (descend->to() != nullptr) return self->state.Lead(*descend, walker);
        self->state.Descend(descend->rollout(), walker);
      },
      [self, &meter](atom::backup, const BackupChunk& backup) -> caf::result<bool> {
        Probe probe(meter, backup->sent());
        return self->state.Backup(backup);
      },
  };
}

}  // namespace orrery::actors
