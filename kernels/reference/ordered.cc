// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <limits>

#include "kernels/portable.h"
#include "kernels/reference/lane_sums.h"
#include "kernels/reference/loops.h"
#include "kernels/reference/reference.h"

namespace orrery::kernels::reference {
namespace {

class OrderedBackend : public ReferenceBackend {
 public:
  explicit OrderedBackend(Type type) : ReferenceBackend(type, WeightType::kSame) {}

  void RmsNorm(const float* x, const float* gain, int width, float eps, void* out) const override {
    std::array<float, kSumLanes> lanes = {};
    for (int i = 0; i < width; ++i) lanes[i % kSumLanes] = Fma(x[i], x[i], lanes[i % kSumLanes]);
    const float scale = 1 / std::sqrt(Total(lanes) / static_cast<float>(width) + eps);
    for (int i = 0; i < width; ++i) Elements{type(), out}.Put(i, x[i] * scale * gain[i]);
  }

  void SwiGlu(const float* gate_up, int count, int block, void* out) const override {
    for (int i = 0; i < count; ++i) {
      const float* gate = gate_up + (i / block) * 2 * block + i % block;
      Elements{type(), out}.Put(i, *gate / (1 + kernels::Exp(-*gate)) * gate[block]);
    }
  }

  double SumExp(const float* logits, int count, float shift, float scale) const override {
    std::array<double, kSumLanes> lanes = {};
    for (int i = 0; i < count; ++i) lanes[i % kSumLanes] += double{kernels::Exp((logits[i] - shift) * scale)};
    return Total(lanes);
  }

  void Exp(const float* logits, int count, float shift, float scale, float* weights) const override {
    for (int i = 0; i < count; ++i) weights[i] = kernels::Exp((logits[i] - shift) * scale);
  }

  void Attend(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int first, int last) const override {
    for (int r = first; r < last; ++r) {
      for (int g = 0; g < shape.group(); ++g) AttendOne(shape, rows, kv_head, r, kv_head * shape.group() + g);
    }
  }

 private:
  struct Running {
    float largest = -std::numeric_limits<float>::infinity();
    float total = 0;
    std::vector<float> value;
  };

  void AttendOne(const AttentionShape& shape, const AttentionRows& rows, int kv_head, int row, int head) const {
    const int dim = shape.head_dim;
    const float* q = rows.q + row * rows.q_stride + ptrdiff_t{head} * dim;
    Running running;
    running.value.resize(dim);
    const int seen = rows.FirstKey(row);
    for (int begin = seen / kPageTokens * kPageTokens; begin < rows.lengths[row]; begin += kPageTokens) {
      const uint8_t* page = rows.kv + rows.pages[row][begin / kPageTokens] * rows.kv_stride;
      AttendPage(shape, kv_head, q, Elements{type(), const_cast<uint8_t*>(page)}, std::max(0, seen - begin),
                 std::min(kPageTokens, rows.lengths[row] - begin), running);
    }
    const Elements out{type(), rows.out};
    const size_t begin = static_cast<size_t>(row) * PaddedWidth(shape.heads * dim) + static_cast<size_t>(head) * dim;
    for (int d = 0; d < dim; ++d) out.Put(begin + d, running.value[d] / running.total);
  }

  static void AttendPage(const AttentionShape& shape, int kv_head, const float* q, const Elements& page, int first,
                         int keys, Running& running) {
    const int dim = shape.head_dim;
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    std::array<float, kPageTokens> weights;
    float largest = running.largest;
    for (int j = first; j < keys; ++j) {
      float dot = 0;
      for (int d = 0; d < dim; ++d) dot = Fma(q[d], page.Get(Index(shape, kv_head, j, d)), dot);
      weights[j] = dot * scale;
      largest = std::fmax(largest, weights[j]);
    }
    const float correction = kernels::Exp(running.largest - largest);
    running.largest = largest;
    running.total *= correction;
    for (int d = 0; d < dim; ++d) running.value[d] *= correction;
    for (int j = first; j < keys; ++j) {
      const float weight = kernels::Exp(weights[j] - largest);
      running.total += weight;
      for (int d = 0; d < dim; ++d)
        running.value[d] = Fma(weight, page.Get(AllKeys(shape) + Index(shape, kv_head, j, d)), running.value[d]);
    }
  }
};

}  // namespace

std::unique_ptr<Backend> NewOrderedBackend(Type type) { return std::make_unique<OrderedBackend>(type); }

}  // namespace orrery::kernels::reference
