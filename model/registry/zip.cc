// SPDX-License-Identifier: Apache-2.0
#include "model/registry/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace orrery::model {
namespace {

using Bytes = std::span<const uint8_t>;

// The caller has checked that the number lies inside.
template <class T>
T At(Bytes bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

constexpr size_t kEndBytes = 22, kEntryBytes = 46, kLocalBytes = 30;
constexpr uint32_t kEndMark = 0x06054B50, kEntryMark = 0x02014B50, kLocalMark = 0x04034B50;
constexpr size_t kMaxComment = 65535;

struct Directory {
  Bytes entries;
  uint16_t count;
};

// The end record lies at the end of the archive, followed only by its own comment.
StatusOr<Directory> FindDirectory(Bytes archive) {
  if (archive.size() < kEndBytes) return Corrupt("not a zip archive: {} bytes", archive.size());
  const size_t last = archive.size() - kEndBytes;
  const size_t first = last > kMaxComment ? last - kMaxComment : 0;
  for (size_t at = last + 1; at-- > first;) {
    if (At<uint32_t>(archive, at) != kEndMark || At<uint16_t>(archive, at + 20) != last - at) continue;
    if (At<uint16_t>(archive, at + 4) != 0 || At<uint16_t>(archive, at + 6) != 0)
      return Corrupt("a zip archive in several volumes");
    const uint32_t size = At<uint32_t>(archive, at + 12), offset = At<uint32_t>(archive, at + 16);
    if (size == 0xFFFFFFFF || offset == 0xFFFFFFFF) return Corrupt("a zip64 archive, which cannot be read");
    if (offset > at || size > at - offset)
      return Corrupt("the zip directory ({} bytes at {}) reaches beyond its end record at {}", size, offset, at);
    return Directory{archive.subspan(offset, size), At<uint16_t>(archive, at + 10)};
  }
  return Corrupt("not a zip archive: it has no end record");
}

StatusOr<ZipMember> Member(Bytes archive, Bytes entry, std::string_view name) {
  const uint16_t flags = At<uint16_t>(entry, 8), method = At<uint16_t>(entry, 10);
  const uint32_t packed = At<uint32_t>(entry, 20), size = At<uint32_t>(entry, 24), local = At<uint32_t>(entry, 42);
  if ((flags & 1) != 0) return Corrupt("zip member '{}' is encrypted", name);
  if (method != 0 && method != 8)
    return Corrupt("zip member '{}' is packed by method {}; 0 and 8 can be read", name, method);
  if (packed == 0xFFFFFFFF || size == 0xFFFFFFFF || local == 0xFFFFFFFF)
    return Corrupt("zip member '{}' is zip64, which cannot be read", name);
  if (method == 0 && packed != size)
    return Corrupt("zip member '{}' is stored plainly, but its two sizes differ", name);
  if (local > archive.size() || archive.size() - local < kLocalBytes || At<uint32_t>(archive, local) != kLocalMark) {
    return Corrupt("zip member '{}': no header at {}", name, local);
  }
  const uint64_t start =
      uint64_t{local} + kLocalBytes + At<uint16_t>(archive, local + 26) + At<uint16_t>(archive, local + 28);
  if (start > archive.size() || packed > archive.size() - start) {
    return Corrupt("zip member '{}': {} bytes at {} reach beyond the end of the archive ({} bytes)", name, packed,
                   start, archive.size());
  }
  return ZipMember{archive.subspan(start, packed), size, At<uint32_t>(entry, 16), method == 8};
}

Status Inflate(const ZipMember& member, const std::function<Status(std::string_view)>& piece) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return Failed("zlib cannot be started");
  const struct Ender {
    z_stream* stream;
    ~Ender() { inflateEnd(stream); }
  } ender{&stream};
  std::vector<char> buffer(1 << 18);
  stream.next_in = const_cast<Bytef*>(member.packed.data());
  stream.avail_in = static_cast<uInt>(member.packed.size());  // below 4 GiB: the archive is not zip64
  uint64_t done = 0;
  for (int result = Z_OK; result != Z_STREAM_END;) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    result = inflate(&stream, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END) return Corrupt("the packed data is damaged (zlib error {})", result);
    const size_t made = buffer.size() - stream.avail_out;
    if (made > member.size - done) return Corrupt("the packed data is longer than the {} bytes announced", member.size);
    done += made;
    ORRERY_RETURN_IF_ERROR(piece(std::string_view(buffer.data(), made)));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<ZipMember> FindZipMember(Bytes archive, std::string_view name) {
  ORRERY_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(archive));
  Bytes rest = directory.entries;
  for (uint16_t i = 0; i < directory.count; ++i) {
    if (rest.size() < kEntryBytes || At<uint32_t>(rest, 0) != kEntryMark)
      return Corrupt("entry {} of the zip directory is damaged", i);
    const size_t name_bytes = At<uint16_t>(rest, 28);
    const size_t bytes = kEntryBytes + name_bytes + At<uint16_t>(rest, 30) + At<uint16_t>(rest, 32);
    if (bytes > rest.size()) return Corrupt("entry {} of the zip directory is cut off", i);
    if (std::string_view(reinterpret_cast<const char*>(rest.data()) + kEntryBytes, name_bytes) == name)
      return Member(archive, rest, name);
    rest = rest.subspan(bytes);
  }
  return Corrupt("no member '{}' in the zip archive", name);
}

Status UnpackZipMember(const ZipMember& member, const std::function<Status(std::string_view)>& sink) {
  uint64_t size = 0;
  uLong crc = ::crc32(0, nullptr, 0);
  const auto piece = [&](std::string_view bytes) {
    size += bytes.size();
    crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    return sink(bytes);
  };
  if (member.deflated) {
    ORRERY_RETURN_IF_ERROR(Inflate(member, piece));
  } else {
    ORRERY_RETURN_IF_ERROR(piece({reinterpret_cast<const char*>(member.packed.data()), member.packed.size()}));
  }
  if (size != member.size) return Corrupt("{} bytes were unpacked, {} expected", size, member.size);
  if (crc != member.crc32) return Corrupt("CRC-32 {:08x}, expected {:08x}", crc, member.crc32);
  return absl::OkStatus();
}

}  // namespace orrery::model
