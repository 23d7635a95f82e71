// SPDX-License-Identifier: Apache-2.0
#pragma once

// The back ends that this processor allows, each beside the reference, for tests of every kind of operation.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/kernels.h"

namespace orrery::kernels {

inline constexpr Isa kAll[] = {Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx};

// Activations in a back end's type, padded as kernels.h asks for, aligned to 64 bytes.
class Activations {
 public:
  Activations(Type type, int rows, int width)
      : type_(type),
        stride_(PaddedWidth(width)),
        bytes_(static_cast<size_t>(PaddedRows(rows)) * stride_ * Size(type) + 64) {}

  void* row(int r) {
    auto* base = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(bytes_.data()) + 63) / 64 * 64);
    return base + static_cast<size_t>(r) * stride_ * Size(type_);
  }
  float Get(int r, int i) {
    return type_ == Type::kFloat32 ? static_cast<float*>(row(r))[i] : FromBfloat16(static_cast<uint16_t*>(row(r))[i]);
  }
  void Put(int r, int i, float value) {
    if (type_ == Type::kFloat32) {
      static_cast<float*>(row(r))[i] = value;
    } else {
      static_cast<uint16_t*>(row(r))[i] = ToBfloat16(value);
    }
  }

 private:
  Type type_;
  int stride_;
  std::vector<uint8_t> bytes_;
};

inline std::vector<float> Normal(size_t count, uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

class BackEndTest : public ::testing::TestWithParam<std::tuple<Isa, Type>> {
 protected:
  void SetUp() override {
    const auto [isa, type] = GetParam();
    if (isa > HostIsa()) GTEST_SKIP() << "this processor (or ONEDNN_MAX_CPU_ISA) has no " << Name(isa);
    cpu_ = Backend::Create(isa, type);
    reference_ = Backend::Create(Isa::kReference, type);
    // One rounding of the stored type, relative to the size of what is summed.
    tolerance_ = type == Type::kFloat32 ? 2e-6f : 8e-3f;
  }
  Type type() const { return std::get<1>(GetParam()); }

  std::unique_ptr<Backend> cpu_, reference_;
  float tolerance_ = 0;
};

using BackEndParam = ::testing::TestParamInfo<std::tuple<Isa, Type>>;
inline std::string BackEndName(const BackEndParam& info) {
  std::string name(Name(std::get<0>(info.param)));
  std::erase(name, '-');
  return name + (std::get<1>(info.param) == Type::kFloat32 ? "_float32" : "_bfloat16");
}

inline const auto kBackEnds =
    ::testing::Combine(::testing::ValuesIn(kAll), ::testing::Values(Type::kFloat32, Type::kBfloat16));

}  // namespace orrery::kernels
