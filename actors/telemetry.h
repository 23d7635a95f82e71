// SPDX-License-Identifier: Apache-2.0
#pragma once

// What goes on inside a run, from its first second: a JSON line a second in the run's folder, and /metrics for
// Prometheus.
//
// Both are made from the same families (Collect). Names follow Prometheus' rules; the only labels are the kind of
// actor, the verdict and the grade, so their number is bounded.

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/interfaces.h"
#include "actors/meters.h"

namespace orrery::actors {

// The counts of a process, and the latest reports of each of the policy's batchers and of the journal. Thread-safe;
// outlives the actor system.
class Telemetry : public prometheus::Collectable {
 public:
  explicit Telemetry(Meters* meters) : meters_(meters) {}

  // `batcher` tells it from others.
  void Put(uint64_t batcher, const EngineReportChunk& report);
  void Put(const StoreReportChunk& report);
  // The sum of all batchers; null before the first report.
  EngineReportChunk engine() const;

  std::vector<prometheus::MetricFamily> Collect() const override;

  // One line of JSON: {"seconds": …, "orrery_…": value, "orrery_…{kind=\"node\"}": value}.
  std::string JsonLine(double seconds) const;

 private:
  EngineReportChunk Sum() const;

  Meters* meters_;
  mutable std::mutex mutex_;
  std::map<uint64_t, EngineReportChunk> engines_;
  StoreReportChunk store_;
};

struct telemetry_state {
  static inline constexpr const char* name = "telemetry";

  telemetry_actor::pointer self = nullptr;
  std::shared_ptr<Telemetry> telemetry;
  Meters* meters = nullptr;
  std::filesystem::path file;
  uint64_t begin = 0;
  bool stopped = false;
  Alive alive;

  void Write();
};

// Appends to `file` once a second until told to stop, and once more then.
telemetry_actor::behavior_type telemetry(telemetry_actor::stateful_pointer<telemetry_state> self,
                                         std::shared_ptr<Telemetry> telemetry, Meters* meters,
                                         std::filesystem::path file);

}  // namespace orrery::actors
