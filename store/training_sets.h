// SPDX-License-Identifier: Apache-2.0
#pragma once

// A finished search as rows of the data sets that trainers read: supervised fine-tuning, preferences, KTO, stepwise
// supervision.

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "search/tree.h"
#include "store/export.h"

namespace orrery::store {

enum class SetFormat : uint8_t {
  kSft,          // prompt, completion (or messages): the best right trajectories
  kPreferences,  // prompt, chosen, rejected: pairs of steps on one prefix, pairs of whole trajectories
  kKto,          // prompt, completion, label: every trajectory, right or wrong
  kStepwise,     // prompt, completions[], labels[]: every trajectory by its steps; true where a right answer lies below
};

struct SetOptions {
  SetFormat format = SetFormat::kSft;
  ExportOptions texts;    // prompt, fingerprint, output_limit and pairs are used
  bool messages = false;  // sft: a user's and an assistant's message in place of prompt and completion
  // Trajectories of each problem at most, right and wrong ones apart: the right of the highest mean Q, the wrong of the
  // lowest; 0: all.
  int per_problem = 0;
};

// A row's field, in the order of the row's fields.
struct Column {
  std::string_view name;
  std::string_view type;     // string, bool, int64, double, list<string>, list<bool>, list<double>, list<message>
  std::string_view meaning;  // for a data card
};
std::vector<Column> ColumnsOf(SetFormat format, bool messages);

// JSON objects, a line each without its newline, in an order that depends on the record alone. `problem` is the id.
std::vector<std::string> RowsOf(std::string_view problem, const schema::TreeRecord& record, const search::Tree& tree,
                                const SetOptions& options);

}  // namespace orrery::store
