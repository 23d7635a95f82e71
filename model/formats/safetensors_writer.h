// SPDX-License-Identifier: Apache-2.0
#pragma once

// The head of a safetensors file, which its tensors' data follow in the same order without gaps.

#include <cstdint>
#include <string>
#include <vector>

namespace orrery::model {

struct SafetensorsEntry {
  std::string name;
  std::vector<uint64_t> shape;  // as PyTorch names it: the contiguous dimension last
  bool bfloat16 = false;        // else float32

  uint64_t bytes() const;
};

std::string SafetensorsHead(const std::vector<SafetensorsEntry>& entries);

}  // namespace orrery::model
