// SPDX-License-Identifier: Apache-2.0
#pragma once

// The README.md beside a trained model: what it was made from, how, how good it was on what was kept back, and how it
// is used.

#include <string>

#include "schema/config.h"

namespace orrery::runners {

struct ModelCard {
  std::string base;       // the folder or file that it was trained from
  std::string objective;  // sft, ppm, orm or pqm
  std::string data;       // digest of the examples
  uint64_t problems = 0, learnt = 0, validation = 0;
  int64_t steps = 0;
  std::string measured;  // on the problems kept for validation, in words; empty: none were kept
};

// With the metadata that Hugging Face's hub reads.
std::string CardText(const ModelCard& card, const schema::Config& config);

}  // namespace orrery::runners
