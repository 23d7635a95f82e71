// SPDX-License-Identifier: Apache-2.0
#pragma once

// The README.md beside an exported data set: what it holds, how it was made, where its problems come from and under
// which licences.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "store/training_sets.h"

namespace orrery::runners {

struct DataCard {
  std::string title;                   // "sft"
  std::string file;                    // beside the card
  std::string sha256;                  // of the file
  std::string command;                 // that made it
  std::vector<store::Column> columns;  // empty: no table of rows
  std::string reading;                 // how the file is read, where it is no table
  std::string fingerprint;
  uint64_t problems = 0;    // finished in the store
  uint64_t unreadable = 0;  // damaged records that were left out
  uint64_t rows = 0;

  struct Origin {
    uint64_t problems = 0, with_rows = 0, rows = 0;
  };
  std::map<std::pair<std::string, std::string>, Origin> origins;  // by source and licence
};

// `run` is the folder of a run; its config.json tells how the campaign was made, where it is there.
std::string CardText(const DataCard& card, const std::filesystem::path& run);

}  // namespace orrery::runners
