// SPDX-License-Identifier: Apache-2.0
#include "model/registry/package_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace orrery::model {
namespace {

using ::testing::HasSubstr;

constexpr char kFile[] = "llm_x-0.1-py3-none-any.whl";

TEST(PackageIndex, ReadsAJsonPage) {
  const std::string page = R"({"files": [7, {"filename": "llm_x-0.0.whl", "url": "https://h/a"},
    {"filename": "llm_x-0.1-py3-none-any.whl", "url": "https://h/p/llm_x-0.1-py3-none-any.whl", "hashes": {}}]})";
  EXPECT_EQ(FindWheelUrl(page, "https://i/simple/llm-x/", kFile).value(), "https://h/p/llm_x-0.1-py3-none-any.whl");
  EXPECT_THAT(Message(FindWheelUrl(page, "https://me:secret@i/simple/llm-x/", "other.whl").status()),
              HasSubstr("https://i/simple/llm-x/ does not list other.whl"));
  EXPECT_FALSE(FindWheelUrl("{}", "https://i/", kFile).ok());
  EXPECT_FALSE(FindWheelUrl("[1]", "https://i/", kFile).ok());
}

TEST(PackageIndex, ReadsAnHtmlPage) {
  const auto url = [](const std::string& href) {
    return FindWheelUrl("<!DOCTYPE html><a href='x'>x</a><a class=\"c\" href=\"" + href + "\">text</a>",
                        "https://i:8/simple/llm-x/", kFile);
  };
  EXPECT_EQ(url("https://h/llm_x-0.1-py3-none-any.whl#sha256=00").value(), "https://h/llm_x-0.1-py3-none-any.whl");
  EXPECT_EQ(url("https://h/llm_x-0.1-py3-none-any.whl?a=1&amp;b=2#sha256=00").value(),
            "https://h/llm_x-0.1-py3-none-any.whl?a=1&b=2");
  EXPECT_EQ(url("../../p/llm_x-0.1-py3-none-any.whl").value(),
            "https://i:8/simple/llm-x/../../p/llm_x-0.1-py3-none-any.whl");
  EXPECT_EQ(url("/p/llm_x-0.1-py3-none-any.whl").value(), "https://i:8/p/llm_x-0.1-py3-none-any.whl");
  EXPECT_EQ(url("//h/llm_x-0.1-py3-none-any.whl").value(), "https://h/llm_x-0.1-py3-none-any.whl");
  EXPECT_EQ(url("llm_x-0.1-py3-none-any.whl").value(), "https://i:8/simple/llm-x/llm_x-0.1-py3-none-any.whl");
  EXPECT_FALSE(url("https://h/other_llm_x-0.1-py3-none-any.whl").ok());
  EXPECT_FALSE(url("https://h/llm_x-0.1-py3-none-any.whl.metadata").ok());
  EXPECT_FALSE(FindWheelUrl("<a href=\"llm_x", "https://i/", kFile).ok());
  EXPECT_FALSE(FindWheelUrl("", "https://i/", kFile).ok());
}

TEST(PackageIndex, RefusesAddressesThatCouldMeanSomethingElse) {
  for (const std::string address : {"ftp://h/f", "https://h/a b", "https://h/a\\\"b", "https://h/a\\nb"}) {
    EXPECT_FALSE(FindWheelUrl("{\"files\":[{\"filename\":\"f\",\"url\":\"" + address + "\"}]}", "x", "f").ok())
        << address;
  }
}

TEST(PackageIndex, AddressesOfPages) {
  EXPECT_EQ(ProjectPage("https://pypi.org/simple", "a-b"), "https://pypi.org/simple/a-b/");
  EXPECT_EQ(ProjectPage("https://pypi.org/simple/", "a-b"), "https://pypi.org/simple/a-b/");
  EXPECT_EQ(ProjectPage("file:///srv/simple", "a-b"), "file:///srv/simple/a-b/index.html");
  EXPECT_EQ(WithoutCredentials("https://me:pass@word@h/x@y"), "https://h/x@y");
  EXPECT_EQ(WithoutCredentials("https://h/x@y"), "https://h/x@y");
  EXPECT_EQ(WithoutCredentials("nothing"), "nothing");
}

TEST(PackageIndex, PipsEnvironmentDecides) {
  setenv("PIP_INDEX_URL", "https://mirror.example/simple", 1);
  EXPECT_EQ(PipIndexUrl(), "https://mirror.example/simple");
  unsetenv("PIP_INDEX_URL");
  EXPECT_THAT(PipIndexUrl(), HasSubstr("://"));
}

}  // namespace
}  // namespace orrery::model
