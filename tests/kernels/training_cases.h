// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything that a training computes from one set of inputs, so that two of them can be compared: on the processor, on
// the emulator and on hardware.

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/training.h"

namespace orrery::kernels {

using Floats = std::vector<float>;

// Random numbers of a normal distribution.
Floats NormalFloats(size_t count, uint32_t seed, float scale = 1);

inline constexpr int kCaseRows = 70;
inline constexpr int32_t kCaseBegins[] = {0, 1, 20, 20, kCaseRows};  // a sequence of one token, an empty one
inline constexpr AttentionShape kCaseShape = {6, 2, 16};
inline constexpr int kCaseQkv = (6 + 4) * 16;
inline constexpr int kCaseWidth = 40;

// A prefix of 30 rows, then branches of 12, 1 and 20 rows; before it a sequence without branches.
struct CaseTree {
  std::vector<int32_t> begins = {0, 7, 70}, prefixes = {7, 30}, branches = std::vector<int32_t>(70);
  CaseTree() {
    for (int i = 30; i < 63; ++i) branches[7 + i] = i < 42 ? 30 : i < 43 ? 42 : 43;
  }
  Sequences sequences() const { return {begins, prefixes, branches}; }
  // The branch that begins at `first` with its prefix, as rows of the tree.
  std::vector<int> Alone(int first, int count) const {
    std::vector<int> rows(30);
    std::iota(rows.begin(), rows.end(), 7);
    for (int i = 0; i < count; ++i) rows.push_back(7 + first + i);
    return rows;
  }
};

// Values in a training's memory.
class Held {
 public:
  Held(const TrainingOps& ops, const Floats& values);
  ~Held();
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  operator float*() const { return data_; }  // NOLINT(google-explicit-constructor): it stands for them
  Floats Values() const;                     // after all operations

 private:
  const TrainingOps& ops_;
  size_t count_;
  float* data_;
};

RowsBuffer HeldRows(const TrainingOps& ops, const Held& values, int rows, int width);
Floats Values(const TrainingOps& ops, const RowsBuffer& buffer, int rows);

struct TrainingResult {
  std::string name;
  bool product;  // a matrix product: equal bits are not to be expected of a library
  Floats values;
};

std::vector<TrainingResult> RunTrainingCases(const TrainingOps& ops);

}  // namespace orrery::kernels
