// SPDX-License-Identifier: Apache-2.0
#include "schema/json.h"

#include <gtest/gtest.h>

namespace orrery::schema {
namespace {

JsonValue Good(std::string_view text) {
  const auto value = ReadJson(text, "f");
  EXPECT_TRUE(value.ok()) << text << ": " << value.status();
  return value.ok() ? *value : JsonValue{};
}

std::string Error(std::string_view text) {
  const auto value = ReadJson(text, "f");
  EXPECT_FALSE(value.ok()) << text;
  if (value.ok()) return "";
  EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(value.status()).find('\n'), std::string::npos);
  return Message(value.status());
}

TEST(Json, KnowsTheLineOfEveryKeyAndValue) {
  const JsonValue root =
      Good("// a comment\n{\n  \"a\": /* one\n two */ 1,\n  \"b\":\n  {\"c\": [true,\n null]}\n}\n// the end");
  ASSERT_EQ(root.kind, JsonValue::Kind::kObject);
  EXPECT_EQ(root.line, 2);
  ASSERT_EQ(root.members.size(), 2u);
  EXPECT_EQ(root.members[0].key, "a");
  EXPECT_EQ(root.members[0].line, 3);
  EXPECT_EQ(root.members[0].value.line, 4);
  EXPECT_EQ(root.members[0].value.text, "1");
  const JsonValue& list = root.members[1].value.members.at(0).value;
  EXPECT_EQ(root.members[1].value.line, 6);
  ASSERT_EQ(list.elements.size(), 2u);
  EXPECT_EQ(list.elements[0].kind, JsonValue::Kind::kBool);
  EXPECT_EQ(list.elements[1].kind, JsonValue::Kind::kNull);
  EXPECT_EQ(list.elements[1].line, 7);
}

TEST(Json, ReadsEveryKindOfText) {
  EXPECT_EQ(Good(R"("a\"\\\/\b\f\n\r\t")").text, "a\"\\/\b\f\n\r\t");
  EXPECT_EQ(Good("\"\\u00e9\\u20AC\\uD83D\\uDE00\"").text, "é€😀");
  EXPECT_EQ(Good("\"é€😀\"").text, "é€😀");
  EXPECT_EQ(Good("\xEF\xBB\xBF{}").kind, JsonValue::Kind::kObject);
  EXPECT_EQ(Good("\"// no comment /* here */\"").text, "// no comment /* here */");
  EXPECT_EQ(Good("[]").elements.size(), 0u);
}

TEST(Json, KeepsNumbersAsTheyAreWritten) {
  for (const char* text : {"0", "-0", "16", "-12.50", "1e3", "1E+3", "0.5e-7", "18446744073709551616"}) {
    EXPECT_EQ(Good(text).kind, JsonValue::Kind::kNumber);
    EXPECT_EQ(Good(text).text, text);
  }
}

TEST(Json, RefusesWithTheLineAndWhatWasExpected) {
  EXPECT_EQ(Error(""), "f:1: expected a value, found the end of the text");
  EXPECT_EQ(Error("{} {}"), "f:1: expected the end of the text, found '{'");
  EXPECT_EQ(Error("{\n\"a\": 1,\n}"), "f:3: expected a key in quotes, found '}'");
  EXPECT_EQ(Error("{a: 1}"), "f:1: expected a key in quotes, found 'a'");
  EXPECT_EQ(Error("{\"a\" 1}"), "f:1: expected a colon after the key \"a\", found '1'");
  EXPECT_EQ(Error("{\"a\": 1\n\"b\": 2}"), "f:2: expected a comma or }, found '\"'");
  EXPECT_EQ(Error("[1 2]"), "f:1: expected a comma or ], found '2'");
  EXPECT_EQ(Error("{\"a\": chatml}"), "f:1: expected a value, found chatml without quotes");
  EXPECT_EQ(Error("{\"a\": True}"), "f:1: expected a value, found True without quotes");
  EXPECT_EQ(Error("\n\n/* never\nends"), "f:3: expected */ after this /*, found the end of the text");
  EXPECT_EQ(Error("{\"a\": \"x"), "f:1: expected the closing quote of a text, found the end of the text");
  EXPECT_EQ(Error("\"a\nb\""),
            "f:1: expected the closing quote of a text (control characters are written as escapes), found the control "
            "character 0x0a");
  EXPECT_EQ(Error("\"\\x\""), "f:1: expected an escape that JSON knows, found 'x'");
  EXPECT_EQ(Error("\"\\u12g4\""), "f:1: expected four hexadecimal digits after \\u, found 'g'");
  EXPECT_EQ(Error("\"\\ud800\""), "f:1: expected a whole \\u pair, found half of one");
  EXPECT_EQ(Error("\"\\ud800\\u0041\""), "f:1: expected the second half of a \\u pair, found '\"'");
  EXPECT_EQ(Error("\"\\u0000\""), "f:1: expected text without the character NUL, found \\u0000");
  EXPECT_EQ(Error("007"), "f:1: expected a number without leading zeros, found 007");
  EXPECT_EQ(Error("-"), "f:1: expected a digit, found the end of the text");
  EXPECT_EQ(Error("1.x"), "f:1: expected a digit after the decimal point, found 'x'");
  EXPECT_EQ(Error("1e"), "f:1: expected a digit of the exponent, found the end of the text");
  EXPECT_EQ(Error("/"), "f:1: expected a value, found '/'");
  EXPECT_EQ(Error(std::string_view("{\0}", 3)), "f:1: expected a key in quotes, found the control character 0x00");
}

TEST(Json, RefusesWhatIsNotUtf8) {
  for (const char* bytes :
       {"\xff", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "\xf0\x9f\x98"}) {
    EXPECT_NE(Error("\"" + std::string(bytes) + "\"").find("expected UTF-8, found the byte 0x"), std::string::npos);
    EXPECT_FALSE(IsUtf8(bytes));
  }
  EXPECT_TRUE(IsUtf8("aé€😀"));
}

TEST(Json, EndsAtTheDepthLimit) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  Good(nested(kMaxJsonDepth));
  EXPECT_EQ(Error(nested(kMaxJsonDepth + 2)), "f:1: expected at most 32 levels of braces and brackets, found more");
  Error(std::string(1000000, '['));
}

TEST(Json, QuotesSoThatItReadsBack) {
  const std::string text = "a\"b\\c\n\r\t\x01\x7f é😀";
  EXPECT_EQ(Good(QuoteJson(text)).text, text);
}

TEST(Json, DescribesInShort) {
  EXPECT_EQ(Describe(Good("\"16\"")), "\"16\"");
  EXPECT_EQ(Describe(Good("7")), "7");
  EXPECT_EQ(Describe(Good("[7]")), "a list");
  EXPECT_EQ(Describe(Good("{}")), "an object");
  EXPECT_EQ(Describe(Good("null")), "null");
  std::string euros;
  for (int i = 0; i < 50; ++i) euros += "€";
  EXPECT_EQ(DescribeText(euros), "\"" + euros.substr(0, 14 * 3) + "\"…");
}

}  // namespace
}  // namespace orrery::schema
