// SPDX-License-Identifier: Apache-2.0
#include "actors/engine_report.h"

#include <string>
#include <utility>

#include "schema/builder.h"

namespace orrery::actors {
namespace {

using prometheus::MetricType;

prometheus::MetricFamily Single(std::string name, std::string help, MetricType type, double value) {
  prometheus::ClientMetric metric;
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return {std::move(name), std::move(help), type, {metric}};
}

}  // namespace

EngineReportChunk ReportOf(const model::EngineCounters& counters, uint64_t waiting, uint64_t sent) {
  schema::Builder builder;
  builder.Finish(schema::CreateEngineReport(builder, sent, counters.batches, counters.rows, counters.prompt_rows,
                                            counters.tokens_generated, counters.prefix_tokens_reused, counters.requests,
                                            counters.requests_coalesced, counters.busy_seconds, counters.pages_used,
                                            counters.pages_total, counters.pages_evicted, waiting));
  return EngineReportChunk(std::move(builder));
}

void AddEngine(const schema::EngineReport& engine, std::vector<prometheus::MetricFamily>* families) {
  const auto counter = [families](const char* name, const char* help, double value) {
    families->push_back(Single(name, help, MetricType::Counter, value));
  };
  const auto gauge = [families](const char* name, const char* help, double value) {
    families->push_back(Single(name, help, MetricType::Gauge, value));
  };
  counter("orrery_batches_total", "Batches run through the model.", double(engine.batches()));
  counter("orrery_batch_rows_total", "Tokens run through the model, of prompts and of decoding.",
          double(engine.rows()));
  counter("orrery_prompt_rows_total", "Tokens of prompts run through the model.", double(engine.prompt_rows()));
  counter("orrery_model_tokens_total", "Tokens sampled.", double(engine.tokens_generated()));
  counter("orrery_prefix_tokens_reused_total", "Prompt tokens found in the cache.",
          double(engine.prefix_tokens_reused()));
  counter("orrery_requests_total", "Requests to the model.", double(engine.requests()));
  counter("orrery_requests_coalesced_total", "Requests that shared another's computation.",
          double(engine.requests_coalesced()));
  counter("orrery_model_busy_seconds_total", "Time spent in batches.", engine.busy_seconds());
  counter("orrery_kv_pages_evicted_total", "Pages of keys and values given up.", double(engine.pages_evicted()));
  gauge("orrery_kv_pages_used", "Pages of keys and values in use.", double(engine.pages_used()));
  gauge("orrery_kv_pages", "Pages of keys and values there are.", double(engine.pages_total()));
  gauge("orrery_requests_waiting", "Requests to the model without an answer yet.", double(engine.waiting()));
}

}  // namespace orrery::actors
