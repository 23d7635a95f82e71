// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an engine counts, as a message to telemetry and as Prometheus' families: the same names wherever an engine
// works.

#include <prometheus/metric_family.h>

#include <cstdint>
#include <vector>

#include "actors/interfaces.h"
#include "model/engine.h"

namespace orrery::actors {

// `waiting`: requests without an answer yet; `sent`: the time of sending.
EngineReportChunk ReportOf(const model::EngineCounters& counters, uint64_t waiting, uint64_t sent);

void AddEngine(const schema::EngineReport& engine, std::vector<prometheus::MetricFamily>* families);

}  // namespace orrery::actors
