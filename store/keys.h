// SPDX-License-Identifier: Apache-2.0
#pragma once

// How expansions are keyed in RocksDB: the problem's length (4 bytes, big end first), the problem, then the path, a
// byte a step. The length keeps a problem whose name begins another's from sharing its range of keys; a problem's
// expansions lie together, in order of their paths.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "store/store.h"

namespace orrery::store {

inline std::string ProblemPrefix(std::string_view problem) {
  std::string key;
  key.reserve(problem.size() + 20);
  for (int shift = 24; shift >= 0; shift -= 8) key += static_cast<char>(static_cast<uint32_t>(problem.size()) >> shift);
  key += problem;
  return key;
}

inline std::string ExpansionKey(std::string_view problem, const uint8_t* path, size_t depth) {
  return ProblemPrefix(problem).append(reinterpret_cast<const char*>(path), depth);
}

// Back again; a key that is none gives an empty problem.
inline std::pair<std::string_view, Path> SplitExpansionKey(std::string_view key) {
  size_t length = 0;
  for (size_t i = 0; i < 4 && i < key.size(); ++i) length = length << 8 | static_cast<uint8_t>(key[i]);
  if (key.size() < 4 || length > key.size() - 4) return {};
  const std::string_view path = key.substr(4 + length);
  return {key.substr(4, length), Path(path.begin(), path.end())};
}

}  // namespace orrery::store
