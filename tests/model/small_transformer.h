// SPDX-License-Identifier: Apache-2.0
#pragma once

// A small random transformer and three sequences that share a prefix, to be run in batches of several compositions.

#include <map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "kernels/device.h"
#include "model/random_weights.h"
#include "model/transformer.h"

namespace orrery::model {

inline ModelShape SmallShape() {
  ModelShape shape;
  shape.architecture = "qwen2";
  shape.layers = 2;
  shape.width = 48;
  shape.feed_forward = 80;
  shape.vocabulary = 70;
  shape.context_length = 128;
  shape.attention = {4, 2, 16};
  shape.rope_base = 10000;
  shape.norm_epsilon = 1e-6f;
  shape.qkv_bias = true;
  return shape;
}

// Tokens [first, last) of a sequence, as part of a batch.
struct Piece {
  int sequence, first, last;
};
using Logits = std::map<std::pair<int, int>, std::vector<float>>;  // of (sequence, position)

// Three sequences of which the second and the third begin with the first one's first 40 tokens: one page is shared, and
// eight slots of the next are copied.
class SmallModel {
 public:
  static constexpr int kShared = 40;
  static constexpr int kLengths[] = {60, 75, 44};

  explicit SmallModel(kernels::Device& device)
      : device_(device), transformer_(RandomWeights(SmallShape(), device, 11), device, 8, 64) {}

  static TokenId Token(int sequence, int position) {
    return (position * 31 + 7 + (position < kShared ? 0 : sequence * 13)) % SmallShape().vocabulary;
  }

  // Lets the second and third sequence begin where the first one's shared tokens end.
  void Share() {
    transformer_.ClearPage(4);
    transformer_.ClearPage(6);
    transformer_.CopyPage(2, 4, kShared % kernels::kPageTokens);
    transformer_.CopyPage(2, 6, kShared % kernels::kPageTokens);
  }

  Status Run(const std::vector<Piece>& batch, Logits& all) {
    std::vector<BatchRow> rows;
    std::vector<std::pair<int, int>> names;
    for (const Piece& piece : batch) {
      for (int p = piece.first; p < piece.last; ++p) {
        rows.push_back({Token(piece.sequence, p), p, kPages[piece.sequence], p % 3 != 1});
        if (p % 3 != 1) names.emplace_back(piece.sequence, p);
      }
    }
    transformer_.Forward(rows, [&](int first, int count, const float* values, ptrdiff_t stride) {
      for (int i = 0; i < count; ++i)
        all[names[first + i]].assign(values + i * stride, values + i * stride + SmallShape().vocabulary);
    });
    return device_.status();
  }

 private:
  static constexpr int32_t kPages[3][3] = {{1, 2, 0}, {1, 4, 5}, {1, 6, 7}};

  kernels::Device& device_;
  Transformer transformer_;
};

// The ways of giving the same tokens; Share() comes after the first `before` batches.
struct Composition {
  size_t before;
  std::vector<std::vector<Piece>> batches;
};

inline std::vector<Composition> Compositions() {
  Composition whole = {1, {{{0, 0, 60}}, {{1, 40, 75}}, {{2, 40, 44}}}};
  Composition together = {1, {{{0, 0, 40}}, {{2, 40, 44}, {0, 40, 60}, {1, 40, 75}}}};
  Composition chunks = {3, {{{0, 0, 1}}, {{0, 1, 34}}, {{0, 34, 40}}, {{1, 40, 41}, {0, 40, 43}}}};
  for (int p = 41; p < 75; ++p) {  // decoding: one token of each that is left
    std::vector<Piece> batch = {{1, p, p + 1}};
    if (p - 1 < 44) batch.push_back({2, p - 1, p});
    if (p + 2 < 60) batch.insert(batch.begin(), {0, p + 2, p + 3});
    chunks.batches.push_back(batch);
  }
  return {whole, together, chunks};
}

inline Logits RunAll(kernels::Device& device, const Composition& composition) {
  SmallModel model(device);
  Logits logits;
  for (size_t b = 0; b < composition.batches.size(); ++b) {
    if (b == composition.before) model.Share();
    if (!model.Run(composition.batches[b], logits).ok()) break;
  }
  return logits;
}

}  // namespace orrery::model
