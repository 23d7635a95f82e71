// SPDX-License-Identifier: Apache-2.0
#pragma once

// SHA-256, for fingerprints, digests of results and the check of fetched files.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery {

class Sha256 {
 public:
  using Bytes = std::array<uint8_t, 32>;

  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(std::string_view bytes);
  // The length as 8 little-endian bytes, then the bytes: a list of parts hashes without ambiguity.
  void UpdateSized(std::string_view bytes);
  // Ends the hash; the object may not be used afterwards.
  Bytes Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// 64 lower-case hexadecimal digits.
std::string Hex(const Sha256::Bytes& bytes);
std::string Sha256Hex(std::string_view bytes);
// Reads the file in pieces; NotFound or Failed name the path.
StatusOr<std::string> Sha256HexOfFile(const std::filesystem::path& path);

}  // namespace orrery
