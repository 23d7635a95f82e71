// SPDX-License-Identifier: Apache-2.0
#include "bench/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace orrery::bench {

uint64_t NewTokens(const Workload& workload) {
  uint64_t sum = 0;
  for (const WorkGroup& group : workload.groups) {
    for (const int length : group.lengths) sum += static_cast<uint64_t>(length);
  }
  return sum;
}

std::string AsJson(const Workload& workload) {
  auto groups = nlohmann::json::array();
  for (const WorkGroup& group : workload.groups) {
    groups.push_back(
        {{"after", group.after}, {"extends", group.extends}, {"tokens", group.tokens}, {"lengths", group.lengths}});
  }
  return nlohmann::json{{"case", workload.name}, {"groups", std::move(groups)}}.dump();
}

Workload Shortened(Workload workload, int length) {
  for (WorkGroup& group : workload.groups) {
    for (int& each : group.lengths) each = std::min(each, length);
  }
  return workload;
}

std::vector<model::TokenId> Text(const model::Tokenizer& tokenizer, int tokens, int salt) {
  std::string text = fmt::format("{} ", salt);
  for (int i = 0; static_cast<int>(text.size()) < tokens * 6; ++i) {
    text += fmt::format("Question {}: a shop sells {} apples a day at {} cents each; what does it earn in {} days?\n",
                        i + salt % 1000, (i * 37 + salt * 11) % 97, (i * 13 + salt) % 89, i % 30 + 2);
  }
  auto ids = tokenizer.Encode(text, model::SpecialTokens::kPlain);
  ids.resize(std::min<size_t>(ids.size(), static_cast<size_t>(tokens)));
  return ids;
}

Workload WorkMaker::Flat(int streams, int least, int most, int new_tokens) const {
  Workload workload;
  for (int i = 0; i < streams; ++i) {
    const int length = least + (streams > 1 ? i * (most - least) / (streams - 1) : 0);
    workload.groups.push_back({.tokens = Text(*tokenizer, length, salt + i), .lengths = {new_tokens}});
  }
  workload.conditions =
      fmt::format("{} prompts of {} tokens with nothing in common, {} new tokens each", streams,
                  least == most ? std::to_string(least) : fmt::format("{} to {}", least, most), new_tokens);
  return workload;
}

Workload WorkMaker::Shared(int streams, int prompt, int new_tokens) const {
  return {.conditions =
              fmt::format("{} samples of one prompt of {} tokens, {} new tokens each", streams, prompt, new_tokens),
          .groups = {{.tokens = Text(*tokenizer, prompt, salt),
                      .lengths = std::vector<int>(static_cast<size_t>(streams), new_tokens)}}};
}

Workload WorkMaker::Tree(int prefixes, int prompt, int siblings, int new_tokens, int levels) const {
  Workload workload;
  const std::vector<int> lengths(static_cast<size_t>(siblings), new_tokens);
  for (int prefix = 0; prefix < prefixes; ++prefix)
    workload.groups.push_back({.tokens = Text(*tokenizer, prompt, salt + prefix), .lengths = lengths});
  for (int level = 1; level < levels; ++level) {
    for (int prefix = 0; prefix < prefixes; ++prefix) {
      workload.groups.push_back({.after = (level - 1) * prefixes + prefix,
                                 .extends = (level * 3 + prefix) % siblings,
                                 .tokens = tokenizer->EncodeContinuation("\n# Next\n", model::SpecialTokens::kPlain),
                                 .lengths = lengths});
    }
  }
  workload.conditions = fmt::format("{} prefixes of {} tokens, {} siblings each, {} new tokens, {} levels", prefixes,
                                    prompt, siblings, new_tokens, levels);
  return workload;
}

}  // namespace orrery::bench
