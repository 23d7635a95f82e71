// SPDX-License-Identifier: Apache-2.0
#pragma once

// A server's /metrics: the engine's families under the names that a campaign gives them, and the calls.

#include <cstdint>
#include <map>
#include <string>

#include "model/engine.h"

namespace orrery::runners {

struct CallCounts {
  size_t connections = 0;
  size_t choices = 0;  // in flight
  uint64_t clients_gone = 0;
  const std::map<unsigned, uint64_t>& answered;  // by HTTP status
};

// In Prometheus' text format.
std::string MetricsPage(const model::EngineCounters& engine, const CallCounts& calls);

}  // namespace orrery::runners
