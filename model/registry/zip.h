// SPDX-License-Identifier: Apache-2.0
#pragma once

// Takes one member out of a zip archive (a wheel) held in memory. An archive is outside data: every offset and length
// is checked.
//
// Members stored plainly or deflated can be read; encrypted ones, zip64 and archives in several volumes are refused.

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/status.h"

namespace orrery::model {

struct ZipMember {
  std::span<const uint8_t> packed;
  uint64_t size = 0;  // unpacked
  uint32_t crc32 = 0;
  bool deflated = false;
};

// Errors do not name the archive; the caller does.
StatusOr<ZipMember> FindZipMember(std::span<const uint8_t> archive, std::string_view name);

// Hands the unpacked bytes to `sink` in pieces; never more than member.size of them. Length and CRC-32 are checked at
// the end.
Status UnpackZipMember(const ZipMember& member, const std::function<Status(std::string_view)>& sink);

}  // namespace orrery::model
