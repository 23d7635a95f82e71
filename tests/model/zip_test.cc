// SPDX-License-Identifier: Apache-2.0
#include "model/registry/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/model/zip_builder.h"

namespace orrery::model {
namespace {

using ::testing::HasSubstr;

std::span<const uint8_t> Span(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

StatusOr<std::string> Content(const std::string& archive, std::string_view name) {
  ORRERY_ASSIGN_OR_RETURN(const ZipMember member, FindZipMember(Span(archive), name));
  std::string content;
  ORRERY_RETURN_IF_ERROR(UnpackZipMember(member, [&](std::string_view bytes) {
    content += bytes;
    return absl::OkStatus();
  }));
  return content;
}

std::string Long() {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += static_cast<char>((i * 2654435761u) >> (i % 7 + 13));
  return text + std::string(500000, 'x');
}

std::string Archive() {
  return ZipBuilder().Add("a/x.bin", Long(), true).Add("b", "plain", false).Add("empty", "", false).Bytes("note");
}

TEST(Zip, UnpacksDeflatedAndStoredMembers) {
  EXPECT_EQ(Content(Archive(), "a/x.bin").value(), Long());
  EXPECT_EQ(Content(Archive(), "b").value(), "plain");
  EXPECT_EQ(Content(Archive(), "empty").value(), "");
  EXPECT_THAT(Message(Content(Archive(), "c").status()), HasSubstr("no member 'c'"));
}

// Sets `bytes` little-endian bytes at the place of `mark` plus `offset`.
std::string Patched(std::string archive, std::string_view mark, size_t offset, uint64_t value, size_t bytes) {
  const size_t at = archive.find(mark) + offset;
  for (size_t i = 0; i < bytes; ++i) archive[at + i] = static_cast<char>(value >> (8 * i));
  return archive;
}

TEST(Zip, RefusesWhatIsDamaged) {
  const std::string entry("PK\1\2", 4), end("PK\5\6", 4);
  const std::string whole = ZipBuilder().Add("b", "some plain text, some plain text", true).Bytes();
  const struct {
    std::string archive, expected;
  } cases[] = {
      {"", "not a zip archive: 0 bytes"},
      {std::string(100, 'x'), "it has no end record"},
      {whole.substr(0, whole.size() - 1), "it has no end record"},
      {Patched(whole, end, 4, 1, 2), "several volumes"},
      {Patched(whole, end, 16, 0xFFFFFFFF, 4), "zip64"},
      {Patched(whole, end, 16, 0xFFFFFFF0, 4), "reaches beyond"},
      {Patched(whole, end, 12, 1 << 20, 4), "reaches beyond"},
      {Patched(whole, end, 12, 20, 4), "entry 0 of the zip directory is damaged"},
      {Patched(whole, entry, 28, 60000, 2), "is cut off"},
      {Patched(whole, entry, 8, 1, 2), "encrypted"},
      {Patched(whole, entry, 10, 12, 2), "packed by method 12"},
      {Patched(whole, entry, 10, 0, 2), "stored plainly, but its two sizes differ"},
      {Patched(whole, entry, 24, 0xFFFFFFFF, 4), "zip64"},
      {Patched(whole, entry, 42, 5, 4), "no header at 5"},
      {Patched(whole, entry, 42, 0x7FFFFFFF, 4), "no header at"},
      {Patched(whole, entry, 20, 1 << 20, 4), "reach beyond the end of the archive"},
      {Patched(whole, entry, 20, 3, 4), "the packed data is damaged"},
      {Patched(whole, entry, 24, 5, 4), "longer than the 5 bytes announced"},
      {Patched(whole, entry, 24, 500, 4), "32 bytes were unpacked, 500 expected"},
      {Patched(whole, entry, 16, 7, 4), "expected 00000007"},
      {Patched(whole, std::string("PK\3\4", 4), 26, 65535, 2), "reach beyond the end of the archive"},
  };
  for (const auto& [archive, expected] : cases) {
    const auto content = Content(archive, "b");
    ASSERT_FALSE(content.ok()) << expected;
    EXPECT_THAT(Message(content.status()), HasSubstr(expected));
  }
}

TEST(Zip, StopsWhereTheSinkFails) {
  const std::string archive = Archive();
  const auto member = FindZipMember(Span(archive), "a/x.bin");
  ASSERT_TRUE(member.ok());
  int calls = 0;
  const Status status = UnpackZipMember(*member, [&](std::string_view) {
    ++calls;
    return Failed("full");
  });
  EXPECT_EQ(Message(status), "full");
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace orrery::model
