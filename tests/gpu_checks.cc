// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/kernels/device_cases.h"
#include "tests/kernels/training_cases.h"
#include "tests/model/small_training.h"
#include "tests/model/small_transformer.h"

namespace orrery {
namespace {

using kernels::Computed;
using kernels::Device;
using kernels::DeviceCase;
using kernels::Type;

// The largest difference, relative to the values' own size where that is above one; infinity for a NaN.
double Difference(const std::vector<float>& got, const std::vector<float>& want) {
  if (got.size() != want.size()) return HUGE_VAL;
  double largest = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double difference = std::abs(double{got[i]} - want[i]) / (1 + std::abs(double{want[i]}));
    largest = std::isnan(difference) ? HUGE_VAL : std::max(largest, difference);
  }
  return largest;
}

bool SameBits(const std::vector<float>& got, const std::vector<float>& want) {
  return got.size() == want.size() && std::memcmp(got.data(), want.data(), got.size() * sizeof(float)) == 0;
}

}  // namespace

void Report::Line(bool good, std::string_view name, std::string_view detail) {
  fmt::print("{} {}: {}\n", good ? "ok    " : "FAILED", name, detail);
  ++(good ? good_ : bad_);
}

void CheckOperations(Device& device, Device& reference, Report& report) {
  const double near = device.type() == Type::kFloat32 ? 1e-5 : 1e-2;
  for (const DeviceCase& one : kernels::DeviceCases()) {
    const Computed want = one.run(reference), got = one.run(device);
    const double difference = Difference(got.values, want.values);
    const bool bits = SameBits(got.values, want.values);
    const bool good = got.status.ok() && (one.product ? difference < near : bits);
    report.Line(good, one.name,
                got.status.ok() ? fmt::format("{}difference {:.2g}", bits ? "same bits, " : "", difference)
                                : Message(got.status));
  }
}

void CheckProductsCompany(Device& device, const std::vector<std::pair<int, int>>& sizes, Report& report) {
  constexpr int kRows = 300;
  for (const auto& [n, k] : sizes) {
    const std::vector<float> w = kernels::Normal(size_t(n) * k, 1, 0.05f), all = kernels::Normal(size_t(kRows) * k, 2);
    const auto matrix = device.NewMatrix(n, k);
    for (int b = 0; b < matrix->blocks(); ++b) matrix->Pack(b, &w[size_t(b) * matrix->block_columns() * k]);
    const int stride = Device::OutputStride(*matrix);
    const auto input = device.NewBuffer(device.type(), size_t(device.PaddedRows(kRows)) * kernels::PaddedWidth(k));
    const auto y = device.NewBuffer(Type::kFloat32, size_t(device.PaddedRows(kRows)) * stride);
    // Rows first, first + 1, … of `all` go to places 0, 1, …
    const auto product = [&](int first, int rows) {
      kernels::UploadRows(device, *input, &all[size_t(first) * k], rows, k);
      device.Product(*matrix, *input, rows, *y);
      std::vector<float> values(size_t(rows) * stride);
      device.Download(*y, 0, values.size() * sizeof(float), values.data());
      return values;
    };
    const std::vector<float> whole = product(0, kRows);
    int differing = 0;
    for (const auto& [first, rows] : {std::pair{0, 1},
                                      {1, 1},
                                      {127, 1},
                                      {128, 1},
                                      {299, 1},
                                      {0, 2},
                                      {3, 17},
                                      {5, 64},
                                      {60, 127},
                                      {11, 128},
                                      {7, 129},
                                      {2, 256},
                                      {50, 250}}) {
      const std::vector<float> part = product(first, rows);
      for (int r = 0; r < rows; ++r) {
        differing += std::memcmp(&part[size_t(r) * stride], &whole[size_t(first + r) * stride], n * sizeof(float)) != 0;
      }
    }
    report.Line(differing == 0 && device.status().ok(), fmt::format("rows of a product {}x{} in any company", n, k),
                device.status().ok() ? fmt::format("{} rows differ", differing) : Message(device.status()));
  }
}

void CheckForward(Device& device, Device& reference, Report& report) {
  const double near = device.type() == Type::kFloat32 ? 1e-4 : 1e-1;
  const auto compositions = model::Compositions();
  const model::Logits want = model::RunAll(reference, compositions[0]), first = model::RunAll(device, compositions[0]);
  double difference = first.size() == want.size() ? 0 : HUGE_VAL;
  for (const auto& [name, values] : first) difference = std::max(difference, Difference(values, want.at(name)));
  report.Line(difference < near && device.status().ok(), "forward pass", fmt::format("difference {:.2g}", difference));
  for (size_t i = 1; i < compositions.size(); ++i) {
    const model::Logits other = model::RunAll(device, compositions[i]);
    int differing = 0;
    for (const auto& [name, values] : first) differing += !other.contains(name) || !SameBits(other.at(name), values);
    report.Line(differing == 0 && device.status().ok(), fmt::format("forward pass in batch composition {}", i),
                fmt::format("{} of {} rows differ", differing, first.size()));
  }
}

void CheckTraining(const kernels::TrainingOps& ops, const kernels::TrainingOps& reference, Report& report) {
  const double near = ops.type() == Type::kFloat32 ? 2e-5 : 1e-2;
  const auto want = kernels::RunTrainingCases(reference), got = kernels::RunTrainingCases(ops),
             again = kernels::RunTrainingCases(ops);
  for (size_t i = 0; i < want.size(); ++i) {
    const double difference = Difference(got[i].values, want[i].values);
    const bool bits = SameBits(got[i].values, want[i].values), same = SameBits(again[i].values, got[i].values);
    const bool good = ops.status().ok() && same && (want[i].product ? difference < near : bits);
    report.Line(good, "training: " + want[i].name,
                ops.status().ok() ? fmt::format("{}difference {:.2g}{}", bits ? "same bits, " : "", difference,
                                                same ? "" : ", other bits when run again")
                                  : Message(ops.status()));
  }
}

void CheckTrainingSteps(const kernels::TrainingOps& ops, const kernels::TrainingOps& reference, Report& report) {
  const double near = ops.type() == Type::kFloat32 ? 1e-4 : 3e-2;
  const auto want = model::RunSmallTraining(reference), got = model::RunSmallTraining(ops),
             again = model::RunSmallTraining(ops);
  if (!want.ok() || !got.ok() || !again.ok()) {
    report.Line(false, "training steps", Message(!got.ok() ? got.status() : again.status()));
    return;
  }
  const double losses = Difference(got->losses, want->losses), gradient = Difference(got->gradient, want->gradient);
  report.Line(losses < near && gradient < near, "training steps",
              fmt::format("losses differ by {:.2g}, the first gradient by {:.2g}", losses, gradient));
  report.Line(SameBits(again->values, got->values), "training steps again",
              fmt::format("{} values", got->values.size()));
}

}  // namespace orrery
