// SPDX-License-Identifier: Apache-2.0
#include "runners/serving/metrics.h"

#include <prometheus/text_serializer.h>

#include "actors/engine_report.h"

namespace orrery::runners {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily Gauge(std::string name, std::string help, double value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  return {std::move(name), std::move(help), MetricType::Gauge, {metric}};
}

}  // namespace

std::string MetricsPage(const model::EngineCounters& engine, const CallCounts& calls) {
  std::vector<MetricFamily> families;
  actors::AddEngine(*actors::ReportOf(engine, calls.choices, 0), &families);
  families.push_back(Gauge("orrery_http_connections", "Open connections.", static_cast<double>(calls.connections)));
  MetricFamily gone{
      "orrery_http_clients_gone_total", "Clients that left before their answer.", MetricType::Counter, {}};
  gone.metric.emplace_back().counter.value = static_cast<double>(calls.clients_gone);
  families.push_back(std::move(gone));
  MetricFamily answered{"orrery_http_requests_total", "Calls answered.", MetricType::Counter, {}};
  for (const auto& [code, count] : calls.answered) {
    prometheus::ClientMetric& metric = answered.metric.emplace_back();
    metric.label = {{"code", std::to_string(code)}};
    metric.counter.value = static_cast<double>(count);
  }
  families.push_back(std::move(answered));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace orrery::runners
