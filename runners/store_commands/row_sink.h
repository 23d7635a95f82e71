// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the rows of a data set go: a JSON-lines file, or a Parquet file that pyarrow writes in the pinned Python
// environment. Neither is seen before it is whole.

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "store/training_sets.h"

namespace orrery::runners {

class RowSink {
 public:
  static StatusOr<std::unique_ptr<RowSink>> JsonLines(const std::filesystem::path& path);
  // The columns' types are those of the file; a row that does not fit them is an error of Commit.
  static StatusOr<std::unique_ptr<RowSink>> Parquet(const std::filesystem::path& path,
                                                    const std::vector<store::Column>& columns);
  // Without a Commit nothing is left behind.
  virtual ~RowSink() = default;

  // `row` is a JSON object on one line.
  virtual Status Write(std::string_view row) = 0;
  virtual Status Commit() = 0;
};

}  // namespace orrery::runners
