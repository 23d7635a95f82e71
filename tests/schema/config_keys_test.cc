// SPDX-License-Identifier: Apache-2.0
#include "schema/config_keys.h"

#include <flatbuffers/idl.h>
#include <gtest/gtest.h>

namespace orrery::schema {
namespace {

// Compiles a schema with one section of one field.
StatusOr<ConfigKeys> Compile(std::string_view field, std::string_view comment = "/// What it is for.") {
  flatbuffers::IDLOptions options;
  options.binary_schema_comments = true;
  options.binary_schema_builtins = true;
  flatbuffers::Parser parser(options);
  const std::string text = fmt::format(
      "attribute \"result\"; attribute \"machine\"; attribute \"budget\"; attribute \"min\"; attribute \"max\"; "
      "attribute \"above\";"
      "attribute \"default\"; attribute \"one_of\"; attribute \"otherwise\"; attribute \"version\";"
      "enum Colour : ubyte {{ red, green }} table Part {{\n{}\n{}\n}} table Root (version: \"7\") {{ part:Part; }} "
      "root_type Root;",
      comment, field);
  EXPECT_TRUE(parser.Parse(text.c_str())) << parser.error_;
  parser.Serialize();
  return ReadConfigKeys({reinterpret_cast<const char*>(parser.builder_.GetBufferPointer()), parser.builder_.GetSize()});
}

std::string Error(std::string_view field, std::string_view comment = "/// What it is for.") {
  const auto keys = Compile(field, comment);
  EXPECT_FALSE(keys.ok()) << field;
  return keys.ok() ? "" : Message(keys.status());
}

TEST(ConfigKeys, OurSchemaKeepsItsRules) {
  const auto keys = ReadConfigKeys(CompiledConfigSchema());
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_FALSE(keys->version.empty());
  size_t count = 0;
  for (const ConfigSection& section : keys->sections) {
    EXPECT_FALSE(section.comment.empty()) << section.name;
    EXPECT_FALSE(section.keys.empty()) << section.name;
    count += section.keys.size();
  }
  EXPECT_GT(count, 40u);
}

TEST(ConfigKeys, MarksThatOthersRelyOn) {
  const auto mark = [](std::string_view name) {
    const ConfigKey* key = Keys().Find(name);
    EXPECT_NE(key, nullptr) << name;
    return key == nullptr ? KeyMark::kBudget : key->mark;
  };
  for (const char* name : {"run.seed", "search.preset", "search.candidates", "search.temperature", "search.wave",
                           "search.prompt", "search.chat_format", "model.name", "model.precision",
                           "sandbox.wall_seconds", "sandbox.memory_bytes", "sandbox.output_bytes"}) {
    EXPECT_EQ(mark(name), KeyMark::kResult) << name;
  }
  for (const char* name :
       {"run.threads", "run.out", "run.limit", "run.offset", "run.max_hours", "problems.file", "model.kv_bytes",
        "model.max_batch_rows", "sandbox.isolation", "sandbox.processes", "sandbox.snapshot_bytes"}) {
    EXPECT_EQ(mark(name), KeyMark::kMachine) << name;
  }
  EXPECT_EQ(mark("search.rollouts"), KeyMark::kBudget);
  EXPECT_EQ(mark("search.extra_rollouts_when_unsolved"), KeyMark::kBudget);
}

TEST(ConfigKeys, ReadsTypesRangesAndDefaults) {
  const auto read = [](std::string_view field) {
    const auto keys = Compile(field);
    EXPECT_TRUE(keys.ok()) << keys.status();
    return keys->sections.at(0).keys.at(0);
  };
  EXPECT_EQ(read("x:uint64 = 5 (result);").most, static_cast<WideInteger>(UINT64_MAX));
  EXPECT_EQ(read("x:uint64 = 9223372036854775807 (result);").standard, "9223372036854775807");
  EXPECT_EQ(read("x:int64 = -5 (result);").least, static_cast<WideInteger>(INT64_MIN));
  EXPECT_EQ(read("x:int64 = -5 (result);").standard, "-5");
  EXPECT_EQ(read("x:byte = 5 (result, min: \"-3\", max: \"9\");").least, -3);
  EXPECT_EQ(read("x:double = 0.25 (machine, above: \"0\", max: \"1\");").standard, "0.25");
  EXPECT_EQ(read("x:bool = true (budget);").standard, "true");
  EXPECT_EQ(read("x:Colour = green (result);").standard, "\"green\"");
  EXPECT_EQ(read("x:Colour = green (result);").choices, (std::vector<std::string>{"red", "green"}));
  EXPECT_EQ(read("x:int = null (result, otherwise: \"luck\");").standard, std::nullopt);
  EXPECT_EQ(read("x:int = null (result, otherwise: \"luck\");").otherwise, "luck");
  EXPECT_EQ(read("x:string (result, default: \"b\", one_of: \"a|b\");").choices, (std::vector<std::string>{"a", "b"}));
}

TEST(ConfigKeys, RefusesASchemaThatBreaksTheRules) {
  EXPECT_EQ(Error("x:int = 1;"),
            "schema: part.x: expected exactly one of result, machine, budget, training, plan, found 0");
  EXPECT_EQ(Error("x:int = 1 (result, machine);"),
            "schema: part.x: expected exactly one of result, machine, budget, training, plan, found 2");
  EXPECT_EQ(Error("x:int = 1 (result);", ""), "schema: part.x: expected a /// comment, found none");
  EXPECT_EQ(Error("x:int = 1 (result, min: \"one\");"),
            "schema: part.x: min: expected a whole number that the type holds, found \"one\"");
  EXPECT_EQ(Error("x:byte = 1 (result, max: \"128\");"),
            "schema: part.x: max: expected a whole number that the type holds, found \"128\"");
  EXPECT_EQ(Error("x:double = 1 (result, above: \"\");"), "schema: part.x: above: expected a number, found \"\"");
  EXPECT_EQ(Error("x:int = 1 (result, min: \"2\");"),
            "schema: part.x: default: expected a whole number from 2 to 2147483647, found 1");
  EXPECT_EQ(Error("x:string (result);"), "schema: part.x: expected a default, found none");
  EXPECT_EQ(Error("x:string (result, default: \"c\", one_of: \"a|b\");"),
            "schema: part.x: default: expected one of \"a\", \"b\", found \"c\"");
  EXPECT_EQ(Error("x:int = null (result);"),
            "schema: part.x: expected the attribute otherwise beside = null, found none");
  EXPECT_NE(Error("x:[int] (result);").find("schema: part.x: expected a plain value"), std::string::npos);
  EXPECT_FALSE(ReadConfigKeys("no schema").ok());
}

TEST(ConfigKeys, CanonicalFormsOfEqualValuesAreEqual) {
  const ConfigKey& temperature = *Keys().Find("search.temperature");
  const auto canonical = [](const ConfigKey& key, std::string_view json) {
    return Canonical(key, *ReadJson(json, ""));
  };
  EXPECT_EQ(canonical(temperature, "0.70"), "0.7");
  EXPECT_EQ(canonical(temperature, "7e-1"), "0.7");
  EXPECT_EQ(canonical(temperature, "1.0"), "1");
  EXPECT_EQ(canonical(temperature, "-0.0"), "0");
  EXPECT_EQ(canonical(temperature, "10.01"), std::nullopt);
  EXPECT_EQ(canonical(temperature, "1e400"), std::nullopt);
  EXPECT_EQ(canonical(*Keys().Find("search.top_p"), "0"), std::nullopt);
  EXPECT_EQ(canonical(*Keys().Find("search.top_p"), "1"), "1");
  EXPECT_EQ(canonical(*Keys().Find("run.limit"), "-0"), "0");
  EXPECT_EQ(canonical(*Keys().Find("run.seed"), "18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(canonical(*Keys().Find("run.seed"), "18446744073709551616"), std::nullopt);
}

}  // namespace
}  // namespace orrery::schema
