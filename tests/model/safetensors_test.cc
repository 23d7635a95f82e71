// SPDX-License-Identifier: Apache-2.0
#include "model/formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/model/safetensors_builder.h"

namespace orrery::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

StatusOr<std::unique_ptr<SafetensorsFile>> Read(const std::string& bytes) {
  return SafetensorsFile::FromBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "x.safetensors");
}

std::string Refused(std::string_view header, std::string_view data) {
  const auto file = Read(Safetensors(header, data));
  EXPECT_FALSE(file.ok()) << header;
  return Message(file.status());
}

TEST(Safetensors, TensorsInTheOrderOfTheirData) {
  const std::string bytes =
      Safetensors(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},)"
                  R"("b":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}})",
                  std::string_view("\x00\x3c\x00\xc0\x00\x00\x00\x38\x80\x3f\x00\xc0", 12));
  const auto file = Read(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ((*file)->tensors().size(), 2u);
  const GgufTensor &first = (*file)->tensors()[0], &second = (*file)->tensors()[1];
  EXPECT_EQ(first.name, "b");
  std::vector<float> values(4);
  Dequantise(first, 0, 4, values.data());
  EXPECT_THAT(values, ElementsAre(1, -2, 0, 0.5f));
  values.resize(2);
  Dequantise(second, 0, 2, values.data());
  EXPECT_THAT(values, ElementsAre(1, -2));
}

TEST(Safetensors, TheContiguousDimensionIsFirst) {
  const auto bytes = Safetensors(R"({"a":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}})", std::string(24, '\0'));
  EXPECT_THAT((*Read(bytes))->tensors()[0].shape, ElementsAre(2u, 3u));
}

TEST(Safetensors, ErrorsNameFileAndTensor) {
  EXPECT_THAT(Message(Read("abc").status()), HasSubstr("x.safetensors: 3 bytes"));
  EXPECT_THAT(Message(Read(std::string(8, '\xff')).status()), HasSubstr("cut off"));
  EXPECT_THAT(Refused("[]", ""), HasSubstr("no JSON object"));
  EXPECT_THAT(Refused(R"({"a":1})", ""), HasSubstr("tensor 'a': an object with dtype"));
  EXPECT_THAT(Refused(R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "1"), HasSubstr("dtype 'I8'; F32"));
  EXPECT_THAT(Refused(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234"), HasSubstr("'shape'"));
  EXPECT_THAT(Refused(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", ""),
              HasSubstr("overflows"));
  EXPECT_THAT(Refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", "12345678"),
              HasSubstr("tensor 'a': data_offsets 0 to 8; 4 bytes were expected"));
  EXPECT_THAT(Refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}})", "12345678"), HasSubstr("8 to 4"));
  EXPECT_THAT(Refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                      "123456"),
              HasSubstr("tensor 'b' begins at offset 2, inside the one before, which ends at 4"));
  EXPECT_THAT(Refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "12345678"), HasSubstr("gap"));
  EXPECT_THAT(Refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "1234"), HasSubstr("cut off"));
  EXPECT_THAT(Refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "12345"),
              HasSubstr("1 bytes of data belong to no tensor"));
}

class Shards : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  static std::string One(const std::string& name) {
    return Safetensors(R"({")" + name + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234");
  }
  fs::path folder_;
};

TEST_F(Shards, AreJoined) {
  Write("model.safetensors.index.json", R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  Write("1.safetensors", One("a"));
  Write("2.safetensors", One("b"));
  const auto tensors = SafetensorsFolder::Open(folder_);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_NE(tensors->Find("b"), nullptr);
  EXPECT_EQ(tensors->FileOf("b").filename(), "2.safetensors");
  EXPECT_EQ(tensors->Find("c"), nullptr);
}

TEST_F(Shards, WhatIsMissingIsNamed) {
  const auto refused = [&] { return Message(SafetensorsFolder::Open(folder_).status()); };
  EXPECT_THAT(refused(), HasSubstr("neither model.safetensors"));
  Write("model.safetensors.index.json", R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  Write("1.safetensors", One("a"));
  EXPECT_THAT(refused(), HasSubstr("shard '2.safetensors' is missing"));
  Write("2.safetensors", One("c"));
  EXPECT_THAT(refused(), HasSubstr("tensor 'b' is not in '2.safetensors'"));
  Write("2.safetensors", One("a"));
  EXPECT_THAT(refused(), HasSubstr("tensor 'a' is in"));
  Write("model.safetensors.index.json", R"({"weight_map":{"a":"../1.safetensors"}})");
  EXPECT_THAT(refused(), HasSubstr("in the same folder"));
  Write("model.safetensors.index.json", "{");
  EXPECT_THAT(refused(), HasSubstr("'weight_map' is missing"));
}

}  // namespace
}  // namespace orrery::model
