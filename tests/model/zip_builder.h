// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes small zip archives for tests.

#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace orrery::model {

class ZipBuilder {
 public:
  ZipBuilder& Add(std::string_view name, std::string_view content, bool deflated) {
    const std::string packed = deflated ? Deflate(content) : std::string(content);
    const auto crc =
        static_cast<uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
    const std::string common = Two(20) + Two(0) + Two(deflated ? 8 : 0) + Four(0) + Four(crc) + Four(packed.size()) +
                               Four(content.size()) + Two(name.size()) + Two(0);
    directory_ += std::string("PK\1\2") + Two(20) + common + Two(0) + Two(0) + Two(0) + Four(0) + Four(bytes_.size()) +
                  std::string(name);
    bytes_ += std::string("PK\3\4") + common + std::string(name) + packed;
    ++count_;
    return *this;
  }
  std::string Bytes(std::string_view comment = "") const {
    return bytes_ + directory_ + std::string("PK\5\6") + Two(0) + Two(0) + Two(count_) + Two(count_) +
           Four(directory_.size()) + Four(bytes_.size()) + Two(comment.size()) + std::string(comment);
  }

 private:
  static std::string Two(uint64_t value) { return {static_cast<char>(value), static_cast<char>(value >> 8)}; }
  static std::string Four(uint64_t value) { return Two(value) + Two(value >> 16); }
  static std::string Deflate(std::string_view content) {
    z_stream stream{};
    deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&stream, content.size()) + 16, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
  }

  std::string bytes_, directory_;
  uint64_t count_ = 0;
};

}  // namespace orrery::model
