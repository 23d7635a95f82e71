// SPDX-License-Identifier: Apache-2.0
#pragma once

// Steps of a training beside PyTorch's golden ones, for policies and reward models.

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "model/source/hf_names.h"
#include "model/training/network.h"

namespace orrery::model {

// One step of AdamW as the golden scripts set it: matrices decay by 0.1.
inline void StepOfAdamW(const kernels::TrainingOps& ops, Parameters& parameters, Network& network, int step,
                        float scale, float rate = 1e-3f) {
  for (const ParameterTensor& tensor : parameters.tensors()) {
    ops.Step({.rate = rate, .decay = tensor.decays ? 0.1f : 0, .step = step, .gradient_scale = scale},
             tensor.rows * tensor.width, parameters.gradients.at(tensor.offset), parameters.values.at(tensor.offset),
             parameters.first_moments.at(tensor.offset), parameters.second_moments.at(tensor.offset));
  }
  network.Refresh();
}

// Every tensor's gradient: its norm, and one element of every `golden["stride"]`.
inline void ExpectGradients(const kernels::TrainingOps& ops, const Parameters& parameters, bool fused,
                            const nlohmann::json& golden) {
  const size_t stride = golden["stride"];
  for (const ParameterTensor& tensor : parameters.tensors()) {
    const std::string name = HfTensorName(tensor.name, fused);
    ASSERT_TRUE(golden["tensors"].contains(name)) << name;
    const nlohmann::json& expected = golden["tensors"][name];
    const float* gradient = parameters.gradients.at(tensor.offset);
    const double norm = expected["norm"];
    ASSERT_EQ(expected["elements"].size(), (tensor.rows * tensor.width + stride - 1) / stride) << name;
    EXPECT_NEAR(std::sqrt(ops.SquaredNorm(gradient, tensor.rows * tensor.width)), norm, 1e-3 * norm) << name;
    for (size_t i = 0; i < expected["elements"].size(); ++i) {
      const double element = expected["elements"][i];
      ASSERT_NEAR(gradient[stride * i], element, 1e-3 * norm + 1e-6) << name << " at " << stride * i;
    }
  }
}

}  // namespace orrery::model
