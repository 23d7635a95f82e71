// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a device must pass before it is trusted: the checks of //tests:gpu, which also run on the emulator.

#include <string_view>
#include <utility>
#include <vector>

#include "kernels/device.h"
#include "kernels/training.h"

namespace orrery {

// Prints a line for each check and counts.
class Report {
 public:
  void Line(bool good, std::string_view name, std::string_view detail);
  int good() const { return good_; }
  int bad() const { return bad_; }

 private:
  int good_ = 0, bad_ = 0;
};

// `reference` is a host device on the ordered reference. Our own kernels must have its bits; products, which may be a
// library's, must be near.
void CheckOperations(kernels::Device& device, kernels::Device& reference, Report& report);

// Each row's product is that of the row alone, at whatever place among however many. sizes: n and k of matrices.
void CheckProductsCompany(kernels::Device& device, const std::vector<std::pair<int, int>>& sizes, Report& report);

// A small transformer's logits: near the reference's, and the same bits in every composition of batches.
void CheckForward(kernels::Device& device, kernels::Device& reference, Report& report);

// Every operation of a training: `reference` is the ordered one, and what is asked of our kernels and of products is as
// above. Run again, all of it has the same bits, products too.
void CheckTraining(const kernels::TrainingOps& ops, const kernels::TrainingOps& reference, Report& report);

// Steps of training of a small transformer of random weights, on texts: losses and gradients near the reference's, and
// the same bits again.
void CheckTrainingSteps(const kernels::TrainingOps& ops, const kernels::TrainingOps& reference, Report& report);

}  // namespace orrery
