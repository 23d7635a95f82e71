// SPDX-License-Identifier: Apache-2.0
//
// Mutated configurations and --set values: never a crash, an error is one line with its place, what is taken reads back
// to itself.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "base/paths.h"
#include "base/random.h"
#include "schema/config.h"
#include "schema/json.h"

namespace orrery::schema {
namespace {

void Check(bool held, const char* what, std::string_view input) {
  if (held) return;
  ADD_FAILURE() << what << ": " << testing::PrintToString(std::string(input));
  std::abort();
}

void CheckError(const Status& status, std::string_view place, std::string_view input) {
  const std::string message = Message(status);
  Check(ExitCode(status) == 2, "an error of the caller", input);
  Check(message.rfind(place, 0) == 0, "begins with its place", input);
  Check(message.find("expected") != std::string::npos, "says what was expected", input);
  Check(message.find('\n') == std::string::npos && IsUtf8(message), "is one line of text", input);
}

void CheckReadsBack(const ResolvedConfig& config, std::string_view input) {
  const auto again = ParseConfig(config.Record(), "again");
  Check(again.ok() && again->json() == config.json() && again->fingerprint() == config.fingerprint(),
        "reads back to itself", input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto config = ParseConfig(input, "f");
  if (config.ok()) {
    CheckReadsBack(*config, input);
  } else {
    CheckError(config.status(), "f:", input);
  }
  if (const auto setting = ParseKeyValue(input); setting.ok()) {
    const auto set = ParseConfig("{}", "f", {*setting});
    if (set.ok()) {
      CheckReadsBack(*set, input);
    } else {
      CheckError(set.status(), "--set: ", input);
    }
  }
  return 0;
}

namespace {

// Draws of one counter-based stream, in order.
class Draws {
 public:
  size_t Below(size_t bound) { return stream_.Bits(Purpose::kShuffle, index_++ & 0xFFFFFF) % bound; }
  void NextStream() { ++stream_.stream, index_ = 0; }

 private:
  RandomStream stream_{.key = 3, .stream = 0};
  uint32_t index_ = 0;
};

std::string Mutated(std::string text, const std::vector<std::string>& seeds, Draws* draws) {
  static const std::vector<std::string> kPieces = {
      "{",           "}",       "[",    "]",       "\"",       ":",          ",",     "//",
      "/*",          "*/",      "null", "true",    "-",        "0",          "1e999", "1e-999",
      "\\u",         "\\ud83d", "\xff", "\xc3",    "\n",       "16",         "=",     "18446744073709551616",
      "-0",          "\\n",     "é",    "\"run\"", "\"seed\"", "\"search\"", "0.5",   "\"rollouts\": ",
      "\xEF\xBB\xBF"};
  for (size_t edits = 1 + draws->Below(6); edits > 0; --edits) {
    const size_t at = draws->Below(text.size() + 1);
    switch (draws->Below(5)) {
      case 0: text.insert(at, kPieces[draws->Below(kPieces.size())]); break;
      case 1: text.erase(at, 1 + draws->Below(8)); break;
      case 2: text.insert(at, 1, static_cast<char>(draws->Below(256))); break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << draws->Below(8)));
        break;
      case 4: {
        const std::string& other = seeds[draws->Below(seeds.size())];
        const size_t from = draws->Below(other.size() + 1);
        text.insert(at, other.substr(from, draws->Below(60)));
        break;
      }
    }
  }
  return text;
}

TEST(Fuzz, Config) {
  std::vector<std::string> seeds = {
      "{}",
      "run.seed=7",
      "search.temperature=0.5",
      "model.name=x",
      R"({"search": {"rollouts": 16, "top_p": 0.9}})",
      R"({"run": {"out": "a\u00e9\"\\", "seed": 18446744073709551615, "max_hours": 1e-3}})"};
  for (const char* name : {"quickstart", "gsm8k"}) {
    const auto path = DataFile(fmt::format("configs/{}.json", name));
    ASSERT_TRUE(path.ok()) << path.status();
    seeds.push_back(*ReadFile(*path));
  }
  const char* seconds = std::getenv("ORRERY_FUZZ_SECONDS");
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds == nullptr ? 1.0 : std::atof(seconds));
  Draws draws;
  size_t inputs = 0;
  for (const std::string& seed : seeds)
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(seed.data()), seed.size());
  while (std::chrono::steady_clock::now() < end) {
    draws.NextStream();
    const std::string input = Mutated(seeds[draws.Below(seeds.size())], seeds, &draws);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
    ++inputs;
  }
  std::printf("%zu inputs\n", inputs);
  EXPECT_GT(inputs, 10u);
}

}  // namespace
}  // namespace orrery::schema
