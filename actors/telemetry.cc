// SPDX-License-Identifier: Apache-2.0
#include "actors/telemetry.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "actors/engine_report.h"

namespace orrery::actors {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric Value(MetricType type, double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return metric;
}

MetricFamily Single(std::string name, std::string help, MetricType type, double value) {
  return {std::move(name), std::move(help), type, {Value(type, value)}};
}

// One family with a metric for each kind of actor.
template <class Read>
MetricFamily OfKinds(Meters& meters, std::string name, std::string help, MetricType type, Read read) {
  MetricFamily family{std::move(name), std::move(help), type, {}};
  for (size_t i = 0; i < kKinds; ++i) {
    family.metric.push_back(Value(type, read(meters.kinds[i]), {{"kind", std::string(Name(static_cast<Kind>(i)))}}));
  }
  return family;
}

void AddActors(Meters& meters, std::vector<MetricFamily>* families) {
  families->push_back(OfKinds(meters, "orrery_actors_live", "Actors alive.", MetricType::Gauge,
                              [](const Meter& m) { return double(m.live); }));
  families->push_back(OfKinds(meters, "orrery_mailbox_messages", "Messages sent and not yet handled.",
                              MetricType::Gauge,
                              [](const Meter& m) { return double(m.sent.load()) - double(m.received.load()); }));
  families->push_back(OfKinds(meters, "orrery_requests_held", "Requests held in queues of the actor's own.",
                              MetricType::Gauge, [](const Meter& m) { return double(m.held); }));
  families->push_back(OfKinds(meters, "orrery_messages_processed_total", "Messages handled.", MetricType::Counter,
                              [](const Meter& m) { return double(m.processed); }));
  families->push_back(OfKinds(meters, "orrery_requests_failed_total", "Requests that a worker could not answer.",
                              MetricType::Counter, [](const Meter& m) { return double(m.failed); }));
  families->push_back(OfKinds(meters, "orrery_mailbox_wait_seconds_total",
                              "Time that messages waited before they were handled.", MetricType::Counter,
                              [](const Meter& m) { return double(m.wait_ns) * 1e-9; }));
  families->push_back(OfKinds(meters, "orrery_busy_seconds_total", "Time spent in handlers.", MetricType::Counter,
                              [](const Meter& m) { return double(m.busy_ns) * 1e-9; }));
}

template <size_t N>
MetricFamily OfEnum(std::string name, std::string help, const char* label, const char* const* names,
                    const std::array<Sum<uint64_t>, N>& counts) {
  MetricFamily family{std::move(name), std::move(help), MetricType::Counter, {}};
  for (size_t i = 1; i < N; ++i)
    family.metric.push_back(Value(MetricType::Counter, double(counts[i]), {{label, names[i]}}));
  return family;
}

void AddSearch(const SearchMeters& search, std::vector<MetricFamily>* families) {
  const auto counter = [families](const char* name, const char* help, const Sum<uint64_t>& value) {
    families->push_back(Single(name, help, MetricType::Counter, double(value)));
  };
  counter("orrery_problems_done_total", "Problems whose search is finished.", search.problems_done);
  counter("orrery_problems_solved_total", "Problems with a right trajectory.", search.problems_solved);
  counter("orrery_rollouts_total", "Rollouts backed up.", search.rollouts);
  counter("orrery_expansions_total", "Expansions made and written.", search.expansions);
  counter("orrery_expansions_recalled_total", "Expansions taken from the memo.", search.expansions_recalled);
  counter("orrery_candidates_total", "Continuations sampled.", search.candidates);
  counter("orrery_steps_executed_total", "Steps run in the sandbox.", search.steps_executed);
  counter("orrery_generated_tokens_total", "Tokens of answered requests.", search.tokens_generated);
  families->push_back(OfEnum("orrery_step_verdicts_total", "Steps by the sandbox's verdict.", "verdict",
                             schema::EnumNamesVerdict(), search.verdicts));
  families->push_back(OfEnum("orrery_answer_grades_total", "Answers by the grader's result.", "grade",
                             schema::EnumNamesGrade(), search.grades));
}

void AddStore(const schema::StoreReport& store, std::vector<MetricFamily>* families) {
  const auto counter = [families](const char* name, const char* help, double value) {
    families->push_back(Single(name, help, MetricType::Counter, value));
  };
  counter("orrery_store_expansions_total", "Expansions written.", double(store.expansions()));
  counter("orrery_store_trees_total", "Trees written.", double(store.trees()));
  counter("orrery_store_commits_total", "Group commits.", double(store.commits()));
  counter("orrery_store_written_bytes_total", "Bytes written.", double(store.bytes()));
  counter("orrery_store_commit_seconds_total", "Time spent in commits, fsync included.", store.commit_seconds());
}

// A session that was killed may have left half a line: the next one's first is not glued to it.
void EndTornLine(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::ate | std::ios::binary);
  if (!file || file.tellg() <= 0) return;
  file.seekg(-1, std::ios::end);
  if (file.get() != '\n') std::ofstream(path, std::ios::app) << '\n';
}

}  // namespace

void Telemetry::Put(uint64_t batcher, const EngineReportChunk& report) {
  const std::lock_guard lock(mutex_);
  engines_[batcher] = report;
}

void Telemetry::Put(const StoreReportChunk& report) {
  const std::lock_guard lock(mutex_);
  store_ = report;
}

EngineReportChunk Telemetry::engine() const {
  const std::lock_guard lock(mutex_);
  return Sum();
}

EngineReportChunk Telemetry::Sum() const {
  if (engines_.empty()) return {};
  model::EngineCounters sum;
  uint64_t waiting = 0;
  for (const auto& [batcher, report] : engines_) {
    sum.batches += report->batches();
    sum.rows += report->rows();
    sum.prompt_rows += report->prompt_rows();
    sum.tokens_generated += report->tokens_generated();
    sum.prefix_tokens_reused += report->prefix_tokens_reused();
    sum.requests += report->requests();
    sum.requests_coalesced += report->requests_coalesced();
    sum.busy_seconds += report->busy_seconds();
    sum.pages_used += report->pages_used();
    sum.pages_total += report->pages_total();
    sum.pages_evicted += report->pages_evicted();
    waiting += report->waiting();
  }
  return ReportOf(sum, waiting, 0);
}

std::vector<MetricFamily> Telemetry::Collect() const {
  std::vector<MetricFamily> families;
  AddActors(*meters_, &families);
  AddSearch(meters_->search, &families);
  const std::lock_guard lock(mutex_);
  if (const EngineReportChunk engine = Sum()) AddEngine(*engine, &families);
  if (store_) AddStore(*store_, &families);
  return families;
}

std::string Telemetry::JsonLine(double seconds) const {
  nlohmann::ordered_json line;
  line["seconds"] = seconds;
  for (const MetricFamily& family : Collect()) {
    for (const ClientMetric& metric : family.metric) {
      std::string name = family.name;
      for (const auto& label : metric.label) name += "{" + label.name + "=\"" + label.value + "\"}";
      line[name] = family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value;
    }
  }
  return line.dump();
}

void telemetry_state::Write() {
  std::ofstream(file, std::ios::app) << telemetry->JsonLine(static_cast<double>(Now() - begin) * 1e-9) << '\n';
}

telemetry_actor::behavior_type telemetry(telemetry_actor::stateful_pointer<telemetry_state> self,
                                         std::shared_ptr<Telemetry> telemetry, Meters* meters,
                                         std::filesystem::path file) {
  auto& state = self->state;
  state.self = self;
  state.telemetry = std::move(telemetry);
  state.meters = meters;
  state.file = std::move(file);
  state.begin = Now();
  EndTornLine(state.file);
  Meter& meter = meters->of(Kind::kTelemetry);
  state.alive = Alive(meter);
  self->delayed_send(self, std::chrono::seconds(1), atom::tick_v);
  return {
      [self, &meter](atom::report, const EngineReportChunk& report) {
        Probe probe(meter, report->sent());
        self->state.telemetry->Put(caf::actor_cast<caf::actor_addr>(self->current_sender()).id(), report);
      },
      [self, &meter](atom::report, const StoreReportChunk& report) {
        Probe probe(meter, report->sent());
        self->state.telemetry->Put(report);
      },
      [self, &meter](atom::tick) {
        Probe probe(meter, 0);
        if (self->state.stopped) return;
        self->state.Write();
        self->delayed_send(self, std::chrono::seconds(1), atom::tick_v);
      },
      [self, &meter](atom::stop) {
        Probe probe(meter, 0);
        self->state.Write();
        self->state.stopped = true;  // the last tick still holds a reference; it finds nothing to do
        self->quit();
      },
  };
}

}  // namespace orrery::actors
