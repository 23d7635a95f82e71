// SPDX-License-Identifier: Apache-2.0
#include "model/formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "base/paths.h"
#include "tests/model/gguf_builder.h"

namespace orrery::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

StatusOr<std::unique_ptr<GgufFile>> Read(const std::string& bytes) {
  return GgufFile::FromBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "it.gguf");
}

void ExpectError(const std::string& bytes, const std::string& expected) {
  const auto file = Read(bytes);
  ASSERT_FALSE(file.ok()) << "was read, but '" << expected << "' was expected";
  EXPECT_THAT(Message(file.status()), HasSubstr(expected));
  EXPECT_THAT(Message(file.status()), HasSubstr("it.gguf: "));
  EXPECT_EQ(ExitCode(file.status()), 2);
}

std::string Floats(const std::vector<float>& numbers) {
  return std::string(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
}

GgufBuilder Small() {
  GgufBuilder builder;
  builder.Key("general.architecture", GgufBuilder::kString, GgufBuilder::Sized("llama"));
  builder.Key("n", GgufBuilder::kUint32, GgufBuilder::Raw<uint32_t>(7));
  builder.Key("tokens", GgufBuilder::kArray,
              GgufBuilder::Array(GgufBuilder::kString, 2, GgufBuilder::Sized("a") + GgufBuilder::Sized("bc")));
  builder.Tensor("x", {3, 2}, 0, Floats({1, 2, 3, 4, 5, 6}));
  builder.Tensor("y", {1}, 0, Floats({7}));
  return builder;
}

TEST(Gguf, ReadsWhatWasWritten) {
  for (const uint32_t version : {2u, 3u}) {
    GgufBuilder builder = Small();
    builder.version = version;
    const std::string bytes = builder.Bytes();
    const auto file = Read(bytes);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ((*file)->String("general.architecture").value(), "llama");
    EXPECT_EQ((*file)->Unsigned("n").value(), 7u);
    const auto strings = (*file)->Strings("tokens").value();
    EXPECT_THAT(std::vector<std::string>(strings.begin(), strings.end()), ElementsAre("a", "bc"));
    const GgufTensor* x = (*file)->Find("x");
    ASSERT_NE(x, nullptr);
    EXPECT_THAT(x->shape, ElementsAre(3, 2));
    EXPECT_EQ(x->elements(), 6u);
    std::vector<float> values(3);
    Dequantise(*x, 3, 3, values.data());
    EXPECT_THAT(values, ElementsAre(4, 5, 6));
    EXPECT_EQ((*file)->Find("z"), nullptr);
    EXPECT_EQ((*file)->tensors().size(), 2u);
  }
}

TEST(Gguf, ReadsEveryKindOfValue) {
  using B = GgufBuilder;
  B builder;
  builder.Key("u8", B::kUint8, B::Raw<uint8_t>(255)).Key("i8", B::kInt8, B::Raw<int8_t>(-1));
  builder.Key("u16", B::kUint16, B::Raw<uint16_t>(65535)).Key("i16", B::kInt16, B::Raw<int16_t>(-2));
  builder.Key("i32", B::kInt32, B::Raw<int32_t>(5)).Key("u64", B::kUint64, B::Raw<uint64_t>(~uint64_t{0}));
  builder.Key("i64", B::kInt64, B::Raw<int64_t>(-9))
      .Key("f64", B::kFloat64, B::Raw<double>(0.1))
      .Key("b", B::kBool, B::Raw<uint8_t>(1));
  builder.Key("bools", B::kArray, B::Array(B::kBool, 2, std::string("\0\1", 2)));
  builder.Key("floats", B::kArray, B::Array(B::kFloat32, 1, B::Raw(2.5f)));
  builder.Key("shorts", B::kArray, B::Array(B::kInt16, 2, B::Raw<int16_t>(-3) + B::Raw<int16_t>(4)));
  builder.Key("none", B::kArray, B::Array(B::kString, 0, ""));
  const std::string bytes = builder.Bytes();
  const auto file = Read(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->Unsigned("u8").value(), 255u);
  EXPECT_EQ(std::get<int64_t>((*file)->metadata().at("i8")), -1);
  EXPECT_EQ((*file)->Unsigned("u16").value(), 65535u);
  EXPECT_EQ(std::get<int64_t>((*file)->metadata().at("i16")), -2);
  EXPECT_EQ((*file)->Unsigned("i32").value(), 5u);
  EXPECT_EQ((*file)->Unsigned("u64").value(), ~uint64_t{0});
  EXPECT_EQ((*file)->Float("f64").value(), 0.1);
  EXPECT_TRUE((*file)->Boolean("b").value());
  EXPECT_THAT((*file)->Integers("bools").value(), ElementsAre(0, 1));
  EXPECT_THAT((*file)->Integers("shorts").value(), ElementsAre(-3, 4));
  EXPECT_EQ((*file)->Strings("none").value().size(), 0u);
  EXPECT_THAT(Message((*file)->Unsigned("i64").status()), HasSubstr("key 'i64' is -9"));
  EXPECT_THAT(Message((*file)->Float("b").status()),
              HasSubstr("it.gguf: key 'b' has another type; a floating-point number was expected"));
  EXPECT_THAT(Message((*file)->String("missing").status()), HasSubstr("key 'missing' is missing"));
  EXPECT_THAT(Message((*file)->Strings("floats").status()), HasSubstr("an array of strings was expected"));
}

TEST(Gguf, RefusesEveryTruncation) {
  const std::string bytes = Small().Bytes();
  const size_t needed = bytes.size() - 28;  // the last tensor's padding may be missing
  for (size_t size = 0; size < needed; ++size) {
    EXPECT_FALSE(Read(bytes.substr(0, size)).ok()) << size << " of " << bytes.size() << " bytes";
  }
  EXPECT_TRUE(Read(bytes.substr(0, needed)).ok());
  ExpectError(bytes.substr(0, needed - 1), "tensor 'y': 4 bytes at offset 32");
  ExpectError(bytes.substr(0, 90), "truncated?");
}

TEST(Gguf, RefusesAWrongHead) {
  ExpectError("", "does not begin with the bytes 'GGUF'");
  GgufBuilder builder = Small();
  builder.magic = "GGML";
  ExpectError(builder.Bytes(), "not a GGUF file");
  builder.magic = "GGUF";
  builder.version = 1;
  ExpectError(builder.Bytes(), "GGUF version 1; versions 2 and 3 can be read");
  builder.version = 0x03000000;
  ExpectError(builder.Bytes(), "big-endian");
  builder.version = 3;
  builder.key_count = ~uint64_t{0};
  ExpectError(builder.Bytes(), "18446744073709551615 keys cannot fit");
  builder.key_count = 3;
  builder.tensor_count = uint64_t{1} << 60;
  ExpectError(builder.Bytes(), "tensors cannot fit");
}

TEST(Gguf, RefusesWrongKeys) {
  using B = GgufBuilder;
  ExpectError(Small().Key("n", B::kUint8, "x").Bytes(), "key 'n' occurs twice");
  ExpectError(Small().Key("k", 13, "x").Bytes(), "key 'k': value type 13 is unknown");
  ExpectError(Small().Key("k", B::kBool, "\2").Bytes(), "a boolean of value 2");
  ExpectError(Small().Key("", B::kBool, "\1").Bytes(), "a key of 0 bytes");
  ExpectError(Small().Key(std::string(65536, 'k'), B::kBool, "\1").Bytes(), "a key of 65536 bytes");
  ExpectError(Small().Key("k", B::kString, B::Raw(~uint64_t{0})).Bytes(), "needs 18446744073709551615 bytes");
  ExpectError(Small().Key("k", B::kArray, B::Array(B::kFloat64, uint64_t{1} << 61, "")).Bytes(),
              "2305843009213693952 elements cannot fit");
  ExpectError(Small().Key("k", B::kArray, B::Array(99, 1, "a")).Bytes(), "element type 99 is unknown");
  ExpectError(Small().Key("k", B::kArray, B::Array(B::kArray, 1, std::string(12, '\0'))).Bytes(), "an array of arrays");
  ExpectError(Small().Key("k", B::kArray, B::Array(B::kUint64, 1, B::Raw(~uint64_t{0}))).Bytes(),
              "beyond a signed 64-bit number");
}

TEST(Gguf, RefusesWrongTensors) {
  ExpectError(Small().Tensor("x", {1}, 0, "0123").Bytes(), "tensor 'x' occurs twice");
  ExpectError(Small().Tensor("z", {}, 0, "").Bytes(), "tensor 'z': 0 dimensions");
  ExpectError(Small().Tensor("z", {1, 1, 1, 1, 1}, 0, "0123").Bytes(), "5 dimensions; 1 to 4");
  ExpectError(Small().Tensor("z", {4, 0}, 0, "").Bytes(), "a dimension of size 0");
  ExpectError(Small().Tensor("z", {uint64_t{1} << 33, uint64_t{1} << 33}, 0, "").Bytes(), "more than 2^64 elements");
  ExpectError(Small().Tensor("z", {uint64_t{1} << 63}, 0, "").Bytes(), "more than 2^64 bytes");
  ExpectError(Small().Tensor("z", {uint64_t{1} << 40}, 0, "").Bytes(), "beyond the end of the file");
  ExpectError(Small().Tensor("z", {33}, 8, "").Bytes(), "rows of 33 elements are not whole blocks of 32 (Q8_0)");
  ExpectError(Small().Tensor("z", {32}, 4, "").Bytes(), "type 4 cannot be read");
  ExpectError(Small().Tensor("z", {1}, 0, "0123", 4).Bytes(), "offset 4 is not a multiple of the alignment 32");
  ExpectError(Small().Tensor("z", {1}, 0, "0123", 1 << 20).Bytes(), "4 bytes at offset 1048576");
  ExpectError(Small().Tensor("z", {1}, 0, "0123", std::numeric_limits<int64_t>::max() - 31).Bytes(),
              "beyond the end of the file");
  ExpectError(Small().Tensor("", {1}, 0, "0123").Bytes(), "a tensor's name of 0 bytes");
}

TEST(Gguf, HonoursTheAlignmentKey) {
  GgufBuilder builder;
  builder.alignment = 64;
  builder.Key("general.alignment", GgufBuilder::kUint32, GgufBuilder::Raw<uint32_t>(64));
  builder.Tensor("a", {1}, 0, Floats({1})).Tensor("b", {1}, 0, Floats({2}));
  const std::string bytes = builder.Bytes();
  const auto file = Read(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  float value = 0;
  Dequantise(*(*file)->Find("b"), 0, 1, &value);
  EXPECT_EQ(value, 2);
  for (const uint32_t wrong : {0u, 4u, 48u, 1u << 21}) {
    ExpectError(GgufBuilder().Key("general.alignment", GgufBuilder::kUint32, GgufBuilder::Raw(wrong)).Bytes(),
                "a power of two from 8");
  }
}

TEST(Gguf, OpensOnlyRegularFiles) {
  EXPECT_THAT(Message(GgufFile::Open("/no/such/file.gguf").status()),
              HasSubstr("/no/such/file.gguf: cannot be opened"));
  EXPECT_THAT(Message(GgufFile::Open("/dev").status()), HasSubstr("not a regular file"));
  EXPECT_THAT(Message(GgufFile::Open("/dev/null").status()), HasSubstr("not a regular file"));
  const std::string empty = ::testing::TempDir() + "/empty.gguf";
  std::ofstream(empty).close();
  EXPECT_THAT(Message(GgufFile::Open(empty).status()), HasSubstr("not a GGUF file"));
}

class Golden : public ::testing::Test {
 protected:
  void SetUp() override {
    auto path = DataFile("tests/model/golden/dequantise.gguf");
    ASSERT_TRUE(path.ok()) << path.status();
    auto file = GgufFile::Open(*path);
    ASSERT_TRUE(file.ok()) << file.status();
    file_ = std::move(*file);
  }
  std::unique_ptr<GgufFile> file_;
};

TEST_F(Golden, KeysOfThePythonPackageAreRead) {
  EXPECT_EQ(file_->Unsigned("golden.unsigned").value(), 4294967295u);
  EXPECT_EQ(std::get<int64_t>(file_->metadata().at("golden.signed")), -7);
  EXPECT_EQ(file_->Float("golden.float").value(), 1.5);
  EXPECT_TRUE(file_->Boolean("golden.boolean").value());
  EXPECT_EQ(file_->String("golden.string").value(), "Schlüssel");
  const auto strings = file_->Strings("golden.strings").value();
  EXPECT_THAT(std::vector<std::string>(strings.begin(), strings.end()), ElementsAre("", "a", "中"));
  EXPECT_THAT(file_->Integers("golden.integers").value(), ElementsAre(3, -1, 2));
}

TEST_F(Golden, EveryTypeIsReadBitForBit) {
  int types = 0;
  for (const GgufTensor& raw : file_->tensors()) {
    if (!raw.name.ends_with(".raw")) continue;
    ++types;
    const std::string type(Name(raw.type));
    SCOPED_TRACE(type);
    EXPECT_EQ(raw.name, type + ".raw");
    const GgufTensor* expected = file_->Find(type + ".expected");
    ASSERT_NE(expected, nullptr);
    ASSERT_EQ(raw.elements(), expected->elements());
    std::vector<float> wanted(expected->elements()), all(raw.elements());
    std::memcpy(wanted.data(), expected->data.data(), expected->data.size());
    Dequantise(raw, 0, raw.elements(), all.data());
    for (size_t i = 0; i < wanted.size(); ++i) ASSERT_EQ(all[i], wanted[i]) << "element " << i;
    const uint64_t step = Block(raw.type).elements;
    std::vector<float> piece(step);
    for (uint64_t first = 0; first < raw.elements(); first += step) {
      Dequantise(raw, first, step, piece.data());
      ASSERT_EQ(std::memcmp(piece.data(), wanted.data() + first, step * sizeof(float)), 0) << "block from " << first;
    }
  }
  EXPECT_EQ(types, 11);
}

}  // namespace
}  // namespace orrery::model
