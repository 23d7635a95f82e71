// SPDX-License-Identifier: Apache-2.0
#pragma once

// A row of the tokenizers' golden files: its text, and the ids that are expected of it.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/digest.h"
#include "model/tokenizer/tokenizer.h"

namespace orrery::model {

// Written as it is, in hexadecimal where it is no UTF-8, or as runs of [piece, times].
inline std::string Text(const nlohmann::json& row) {
  if (row.contains("text")) return row["text"].get<std::string>();
  std::string text;
  if (row.contains("hex")) {
    const auto digits = row["hex"].get<std::string>();
    for (size_t i = 0; i < digits.size(); i += 2)
      text += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
    return text;
  }
  for (const nlohmann::json& run : row["runs"]) {
    for (int i = 0; i < run[1].get<int>(); ++i) text += run[0].get<std::string>();
  }
  return text;
}

// Ids, or of a long row their count and hash.
inline void ExpectIds(const std::vector<TokenId>& ids, const nlohmann::json& expected) {
  if (expected.is_array()) {
    EXPECT_EQ(ids, expected.get<std::vector<TokenId>>());
    return;
  }
  EXPECT_EQ(ids.size(), expected["count"].get<size_t>());
  EXPECT_EQ(Sha256Hex({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(TokenId)}),
            expected["sha256"].get<std::string>());
}

}  // namespace orrery::model
