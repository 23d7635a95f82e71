// SPDX-License-Identifier: Apache-2.0
// The versions of libraries that a store's records were made with.

#include "runners/campaigns/libraries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/paths.h"
#include "tests/fresh.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(Libraries, OfThisMachine) {
  const auto versions = LibraryVersions(PythonEnvironment());
  ASSERT_TRUE(versions.ok()) << versions.status();
  EXPECT_THAT(*versions, testing::ContainsRegex("^oneDNN 2\\.[0-9]+\\.[0-9]+, Python 3\\.11\\.[0-9]+, "));
  for (const char* name : {"math_verify ", "numpy ", "sympy "}) EXPECT_THAT(*versions, HasSubstr(name));
}

TEST(Libraries, OfAnEnvironmentThatIsTold) {
  const fs::path python = FreshFolder("python");
  std::ofstream(python / "pyvenv.cfg") << "home = /usr/bin\nversion = 3.11.9\n";
  for (const char* package : {"sympy-1.2.dist-info", "numpy-1.26.4.dist-info", "openai-3.0.dist-info", "sympy"})
    fs::create_directories(python / "lib/python3.11/site-packages" / package);
  const auto versions = LibraryVersions(python);
  ASSERT_TRUE(versions.ok()) << versions.status();
  EXPECT_THAT(*versions, testing::EndsWith(", Python 3.11.9, numpy 1.26.4, sympy 1.2"));

  EXPECT_TRUE(absl::IsNotFound(LibraryVersions(FreshFolder("empty")).status()));
}

TEST(Libraries, AStoreIsGoneOnWithByThoseThatBeganIt) {
  const fs::path folder = FreshFolder("store");
  {
    const auto store = store::Store::Open(folder, "a campaign", "{}").value();
    EXPECT_TRUE(ClaimLibraries(*store, "sympy 1.2").ok());
    EXPECT_TRUE(ClaimLibraries(*store, "sympy 1.2").ok());
  }
  const auto store = store::Store::Open(folder, "a campaign", "{}").value();
  EXPECT_TRUE(ClaimLibraries(*store, "sympy 1.2").ok());
  const Status other = ClaimLibraries(*store, "sympy 1.3");
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.message()), HasSubstr("sympy 1.2; here are sympy 1.3"));
}

}  // namespace
}  // namespace orrery::runners
