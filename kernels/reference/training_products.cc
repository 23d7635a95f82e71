// SPDX-License-Identifier: Apache-2.0
#include "kernels/training_products.h"

#include "kernels/reference/loops.h"

namespace orrery::kernels::reference {
namespace {

class PlainProducts : public TrainingProducts {
 public:
  explicit PlainProducts(Type type) : type_(type) {}

  void Multiply(const Factor& a, const Factor& b, int m, int n, int k, bool add, float* c) override {
    const std::vector<float> rows = Values(a, m, k, false), columns = Values(b, k, n, true);
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        double sum = 0;
        for (int l = 0; l < k; ++l) sum += double{rows[size_t(i) * k + l]} * columns[size_t(j) * k + l];
        float& to = c[size_t(i) * n + j];
        to = add ? to + static_cast<float>(sum) : static_cast<float>(sum);
      }
    }
  }
  Status status() const override { return absl::OkStatus(); }

 private:
  // The factor [rows × columns], or its transpose, without gaps.
  std::vector<float> Values(const Factor& factor, int rows, int columns, bool transpose) const {
    const Elements elements{type_, const_cast<void*>(factor.data)};
    std::vector<float> values(size_t(rows) * columns);
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) {
        const int64_t at = factor.transposed ? j * factor.stride + i : i * factor.stride + j;
        values[transpose ? size_t(j) * rows + i : size_t(i) * columns + j] = elements.Get(static_cast<size_t>(at));
      }
    }
    return values;
  }

  Type type_;
};

}  // namespace

std::unique_ptr<TrainingProducts> NewTrainingProducts(Type type) { return std::make_unique<PlainProducts>(type); }

}  // namespace orrery::kernels::reference
