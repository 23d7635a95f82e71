// SPDX-License-Identifier: Apache-2.0
#include "model/formats/safetensors_writer.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

namespace orrery::model {

uint64_t SafetensorsEntry::bytes() const {
  return std::accumulate(shape.begin(), shape.end(), uint64_t{bfloat16 ? 2u : 4u}, std::multiplies());
}

std::string SafetensorsHead(const std::vector<SafetensorsEntry>& entries) {
  nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t at = 0;
  for (const SafetensorsEntry& entry : entries) {
    header[entry.name] = {
        {"dtype", entry.bfloat16 ? "BF16" : "F32"}, {"shape", entry.shape}, {"data_offsets", {at, at + entry.bytes()}}};
    at += entry.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
}

}  // namespace orrery::model
