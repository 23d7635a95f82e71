// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a recorded campaign tells about its policy, its problems and its machine, as distributions to draw from: a
// simulated campaign is made of draws from one Profile.
//
// It is fitted by simulation/fit.h and kept as JSON. Times are seconds, lengths are tokens.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "search/rules.h"

namespace orrery::simulation {

// A distribution as its values at evenly spaced ranks, the least first.
struct Quantiles {
  std::vector<double> at;

  // The value at rank `uniform` in [0, 1), between two points on the line between them; 0 where there is no point.
  double Draw(double uniform) const;
  double Mean() const;
};
inline constexpr size_t kQuantilePoints = 33;
Quantiles QuantilesOf(std::vector<double> values, size_t points = kQuantilePoints);

// What a sample turns out to be.
enum class Kind : uint8_t {
  kLost,    // no step: cut off, prose, a repetition
  kFailed,  // its program does not run, or prints nothing to answer from
  kStep,
  kFinal,  // ends the program
  kAnswer,
};
inline constexpr size_t kKinds = 5;
inline bool IsValid(Kind kind) { return kind != Kind::kLost && kind != Kind::kFailed; }
std::string_view Name(Kind kind);

// What samples are at a node of one sort.
struct Moves {
  std::array<double, kKinds> share{};  // of samples, by Kind; their sum is 1
  // Siblings resemble each other: with these chances a sample is valid or not as its node's samples commonly are, is of
  // its node's common kind among the valid ones, or has its node's common text of its kind. Else it is drawn for
  // itself.
  double common_validity = 0, common_kind = 0, common_text = 0;
};

// How the policy writes on problems of one class of difficulty.
struct Shape {
  std::vector<Moves> by_depth;  // while the program is being written; the last stands for all deeper nodes
  Moves after_output;
  std::array<Quantiles, kKinds> tokens;         // of a sample while the program is being written …
  std::array<Quantiles, kKinds> answer_tokens;  // … and after its output
};

// The device: a batch of n rows takes seconds_per_batch + n · seconds_per_row.
struct DeviceCurve {
  double seconds_per_batch = 0;
  double seconds_per_row = 0;
  int max_rows = 256;
  double prompt_rows = 0;  // rows of prompts that an expansion costs before its first token

  double Seconds(double rows) const { return seconds_per_batch + rows * seconds_per_row; }
};

// A worker that takes one request at a time.
struct ServiceTime {
  double mean = 0;
  double deviation = 0;  // of one request
  int workers = 1;
};

// The campaign that was fitted, as its files tell it.
struct Recorded {
  uint64_t problems = 0, solved = 0, rollouts = 0, expansions = 0, samples = 0, tokens = 0, steps = 0;
  uint64_t batches = 0, rows = 0;
  double seconds = 0;
  uint64_t live_trees = 64;  // at most at once
  std::string model, cpu;
};

struct Profile {
  Recorded recorded;
  search::Rules rules;  // it searched by these
  // The chance that a complete program prints the right answer, over problems; and over those of a level where enough
  // of them were recorded.
  Quantiles success;
  std::map<std::string, Quantiles> success_by_level;
  // Classes of difficulty, the hardest first, each of as many problems: a problem belongs to the class of its chance's
  // rank in `success`.
  std::vector<Shape> shapes;
  double faithful = 1;         // the chance that an answer is right after a program that printed the right one …
  double lucky = 0;            // … and after another
  double output_tokens = 0;    // that the program's output adds to the solution
  double bytes_per_token = 0;  // of the steps' text
  DeviceCurve device;
  ServiceTime sandbox, grader, journal;  // journal: one commit
};

// Keys in a fixed order, ends with a newline.
std::string ToJson(const Profile& profile);
// InvalidInput names `file` and the field.
StatusOr<Profile> ParseProfile(std::string_view text, std::string_view file);

}  // namespace orrery::simulation
