// SPDX-License-Identifier: Apache-2.0
#pragma once

// Work that every engine can be given alike: prompts as token ids, how many tokens to write after each, and what has to
// be over before a prompt begins.

#include <cstdint>
#include <string>
#include <vector>

#include "model/tokenizer/tokenizer.h"

namespace orrery::bench {

// Samples that continue one prompt, as the candidates of an expansion do.
struct WorkGroup {
  int after = -1;    // begins when that group, an earlier one, has ended; -1: at once
  int extends = -1;  // the prompt is the prompt of `after`, its sample of this number, then `tokens`; -1: `tokens`
  std::vector<model::TokenId> tokens;
  std::vector<int> lengths;  // new tokens of each sample, exactly
};

struct Workload {
  std::string name;        // of the case
  std::string conditions;  // in words
  std::vector<WorkGroup> groups;
};

uint64_t NewTokens(const Workload& workload);

// {"case": …, "groups": [{"after": …, "extends": …, "tokens": […], "lengths": […]}]}, as the peers read it.
std::string AsJson(const Workload& workload);

// The same prompts with at most `length` new tokens each: what warms an engine up.
Workload Shortened(Workload workload, int length);

// Ordinary text. Texts of different salts part within their first few tokens.
std::vector<model::TokenId> Text(const model::Tokenizer& tokenizer, int tokens, int salt);

// `salt` makes the prompts of one workload different from those of another, so that no cache knows them.
struct WorkMaker {
  const model::Tokenizer* tokenizer;
  int salt = 0;

  // `streams` prompts with nothing in common, of `least` to `most` tokens.
  Workload Flat(int streams, int least, int most, int new_tokens) const;
  // `streams` samples of one prompt.
  Workload Shared(int streams, int prompt, int new_tokens) const;
  // A search: `prefixes` prompts, `siblings` samples of each, one of which is continued by as many samples, and so on.
  Workload Tree(int prefixes, int prompt, int siblings, int new_tokens, int levels) const;
};

}  // namespace orrery::bench
