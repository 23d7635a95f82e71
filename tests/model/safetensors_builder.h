// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes safetensors bytes by hand for tests, right or wrong as asked.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace orrery::model {

inline std::string Safetensors(std::string_view header, std::string_view data) {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes.append(header).append(data);
}

}  // namespace orrery::model
