// SPDX-License-Identifier: Apache-2.0
#pragma once

// One batch through the model: rows in, logits out, keys and values into their pages.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "kernels/device.h"
#include "model/tokenizer/tokenizer.h"
#include "model/weights.h"

namespace orrery::model {

struct BatchRow {
  TokenId token;
  int32_t position;
  const int32_t* pages;  // page numbers of its sequence, up to the one of `position` at least
  bool wants_logits;
  bool wants_score = false;
};

class Transformer {
 public:
  // Logits of so many rows are made, handed over and overwritten at a time.
  static constexpr int kLogitRows = 64;

  // The device must outlive the transformer. What it could not do is in its status().
  Transformer(Weights weights, kernels::Device& device, int pages, int max_rows);
  ~Transformer();

  // Bytes of one page of all layers.
  static size_t PageBytes(const ModelShape& shape, const kernels::Device& device);
  // Bytes of everything but weights and pages.
  static uint64_t WorkBytes(const ModelShape& shape, int max_rows);

  const ModelShape& shape() const { return weights_.shape; }

  // logits(first, count, values, stride): rows first … first + count − 1 of those that want logits, in their order.
  using LogitsReader = std::function<void(int first, int count, const float* values, ptrdiff_t stride)>;
  // Rows of one sequence and rows that share pages should be neighbours: then those pages are read once for all of
  // them. `scores` hears likewise of the rows that want a score, one value each. No row may want what the model has no
  // weights for.
  void Forward(std::span<const BatchRow> rows, const LogitsReader& logits, const LogitsReader& scores = {});

  // A reward model's row of outputs, beside a policy's own.
  void SetScoreRow(std::unique_ptr<kernels::WeightMatrix> row) { weights_.score = std::move(row); }

  void ClearPage(int32_t page);
  // The first `slots` tokens; the rest of `to` becomes zero.
  void CopyPage(int32_t from, int32_t to, int slots);

 private:
  struct Buffers;

  void Begin(std::span<const BatchRow> rows);
  void Attention(int rows, int number);
  void FeedForward(int rows, const LayerWeights& layer);
  // What the matrix makes of the rows of the batch that `wanted` names.
  void Outputs(const kernels::WeightMatrix& matrix, std::span<const int32_t> wanted, const LogitsReader& reader);

  Weights weights_;
  kernels::Device& device_;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace orrery::model
