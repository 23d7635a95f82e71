// SPDX-License-Identifier: Apache-2.0
#pragma once

// store export: a run's finished searches as what trainers read, with a data card; or as the records themselves, for
// other languages.

#include <filesystem>
#include <string>

#include "base/status.h"

namespace orrery::runners {

struct ExportCommand {
  std::filesystem::path run;   // the folder of a run
  std::string format = "sft";  // sft, preferences, kto, stepwise, records
  bool parquet = false;        // instead of JSON lines
  bool messages = false;       // sft: as a chat's messages
  int per_problem = -1;       // trajectories of each problem, right and wrong ones apart; 0 all; -1: 2 of sft, else all
  std::filesystem::path out;  // the folder to write; empty: RUN/export/FORMAT
};

// Leaves train.jsonl or train.parquet (records: records.bin and records_generated.py) and README.md, each replaced at
// once. 0, or 1 where a record could not be read: it is named on standard error, the rest is exported.
StatusOr<int> ExportStore(const ExportCommand& command);

}  // namespace orrery::runners
