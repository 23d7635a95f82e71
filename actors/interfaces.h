// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every actor's interface on one page: who may be told what, and what answer comes back.
//
//   campaign ─▸ tree ─▸ node ─▸ node …        descend, backup
//                         └─▸ rollout         expand
//                                ├─▸ batcher  generate   (the policy's)
//                                ├─▸ batcher  score      (the preference model's)
//                                ├─▸ sandbox  run        (a pool of workers)
//                                ├─▸ grader   grade      (a pool of workers)
//                                └─▸ journal  record
//   batcher ─▸ rollout  sampled
//   node ─▸ tree  ended      tree ─▸ journal  finish      tree ─▸ campaign  done      all ─▸ telemetry  report
//
// Contents are FlatBuffers (schema/messages.fbs, records.fbs) in reference-counted chunks: built once, read in place.

#include <caf/all.hpp>

#include "actors/wire.h"
#include "schema/chunk.h"
#include "schema/messages_generated.h"
#include "schema/records_generated.h"

namespace orrery::actors {

using schema::Chunk;

using DescendChunk = Chunk<schema::Descend>;
using PartialChunk = Chunk<schema::Partial>;
using GenerateChunk = Chunk<schema::Generate>;
using GeneratedChunk = Chunk<schema::Generated>;
using ScoreChunk = Chunk<schema::Score>;
using ScoredChunk = Chunk<schema::Scored>;
using RunChunk = Chunk<schema::Run>;
using RanChunk = Chunk<schema::Ran>;
using GradeAnswerChunk = Chunk<schema::GradeAnswer>;
using GradedChunk = Chunk<schema::Graded>;
using EndedChunk = Chunk<schema::Ended>;
using BackupChunk = Chunk<schema::Backup>;
using ExpansionChunk = Chunk<schema::Expansion>;
using TreeRecordChunk = Chunk<schema::TreeRecord>;
using TreeDoneChunk = Chunk<schema::TreeDone>;
using EngineReportChunk = Chunk<schema::EngineReport>;
using StoreReportChunk = Chunk<schema::StoreReport>;

}  // namespace orrery::actors

CAF_BEGIN_TYPE_ID_BLOCK(orrery, caf::first_custom_type_id)

CAF_ADD_TYPE_ID(orrery, (orrery::actors::DescendChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::PartialChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::GenerateChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::GeneratedChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::ScoreChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::ScoredChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::RunChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::RanChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::GradeAnswerChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::GradedChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::EndedChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::BackupChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::ExpansionChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::TreeRecordChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::TreeDoneChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::EngineReportChunk))
CAF_ADD_TYPE_ID(orrery, (orrery::actors::StoreReportChunk))

CAF_ADD_ATOM(orrery, orrery::atom, start, "start")
CAF_ADD_ATOM(orrery, orrery::atom, stop, "stop")
CAF_ADD_ATOM(orrery, orrery::atom, descend, "descend")
CAF_ADD_ATOM(orrery, orrery::atom, expand, "expand")
CAF_ADD_ATOM(orrery, orrery::atom, ended, "ended")
CAF_ADD_ATOM(orrery, orrery::atom, backup, "backup")
CAF_ADD_ATOM(orrery, orrery::atom, grown, "grown")
CAF_ADD_ATOM(orrery, orrery::atom, failed, "failed")
CAF_ADD_ATOM(orrery, orrery::atom, done, "done")
CAF_ADD_ATOM(orrery, orrery::atom, generate, "generate")
CAF_ADD_ATOM(orrery, orrery::atom, sampled, "sampled")
CAF_ADD_ATOM(orrery, orrery::atom, score, "score")
CAF_ADD_ATOM(orrery, orrery::atom, run, "run")
CAF_ADD_ATOM(orrery, orrery::atom, grade, "grade")
CAF_ADD_ATOM(orrery, orrery::atom, record, "record")
CAF_ADD_ATOM(orrery, orrery::atom, finish, "finish")
CAF_ADD_ATOM(orrery, orrery::atom, tick, "tick")
CAF_ADD_ATOM(orrery, orrery::atom, report, "report")

CAF_END_TYPE_ID_BLOCK(orrery)

namespace orrery::actors {

// Expands a node: from the memo, or by sampling, running and grading. One expansion at a time.
using rollout_actor = caf::typed_actor<caf::replies_to<atom::expand, PartialChunk>::with<ExpansionChunk>,
                                       caf::reacts_to<atom::sampled, GeneratedChunk>>;  // samples before the last

// One model: a policy samples continuations, a reward model scores texts. The answer comes when the request's own is
// finished, whatever else is in the batch; of several samples each goes to the asker as soon as it is.
using batcher_actor =
    caf::typed_actor<caf::replies_to<atom::generate, GenerateChunk, rollout_actor>::with<GeneratedChunk>,
                     caf::replies_to<atom::score, ScoreChunk>::with<ScoredChunk>,
                     caf::reacts_to<atom::tick>>;  // to itself: run the next batch

// Runs steps: the pool has the workers' interface.
using sandbox_actor = caf::typed_actor<caf::replies_to<atom::run, RunChunk>::with<RanChunk>>;

// Compares answers: the pool has the workers' interface.
using grader_actor = caf::typed_actor<caf::replies_to<atom::grade, GradeAnswerChunk>::with<GradedChunk>>;

// Writes. The answer means: durable.
using journal_actor = caf::typed_actor<caf::replies_to<atom::record, ExpansionChunk>::with<bool>,
                                       caf::replies_to<atom::finish, TreeRecordChunk>::with<bool>,
                                       caf::reacts_to<atom::tick>>;  // to itself: commit what has gathered

// A visited, non-terminal step of one tree.
using node_actor =
    caf::typed_actor<caf::reacts_to<atom::descend, DescendChunk, rollout_actor>,
                     caf::replies_to<atom::backup, BackupChunk>::with<bool>>;  // true: no new path is left below

// One problem's search.
using tree_actor = caf::typed_actor<caf::reacts_to<atom::start>, caf::reacts_to<atom::ended, EndedChunk>,
                                    caf::reacts_to<atom::grown, ExpansionChunk>,  // a node was expanded
                                    caf::reacts_to<atom::failed, std::string>>;   // a node could not be expanded: why
                                                                                  // the run cannot go on

// The run: how many trees may be alive, and when it is over.
using campaign_actor =
    caf::typed_actor<caf::reacts_to<atom::start>,
                     caf::reacts_to<atom::stop>,  // admit no more, let what is in flight come to its acknowledged end
                     caf::reacts_to<atom::done, TreeDoneChunk>>;

// Counts of everything, as a JSON line a second and for Prometheus.
using telemetry_actor =
    caf::typed_actor<caf::reacts_to<atom::report, EngineReportChunk>, caf::reacts_to<atom::report, StoreReportChunk>,
                     caf::reacts_to<atom::tick>, caf::reacts_to<atom::stop>>;

}  // namespace orrery::actors
