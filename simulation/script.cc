// SPDX-License-Identifier: Apache-2.0
#include "simulation/script.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/random.h"
#include "reasoning/step.h"

namespace orrery::simulation {
namespace {

using model::TokenId;

constexpr size_t kTokenBytes = 4;
constexpr std::string_view kHead = "#~";  // then two digits: the depth
constexpr size_t kLookBack = 512;         // tokens of a step and the output after it, at most
constexpr std::string_view kRight = "right", kWrong = "wrong";
constexpr std::string_view kRaise = "\nraise\n", kPrint = "\nprint('";

constexpr std::array<std::string_view, 64> kWords = {
    "the ",       "of ",       "to ",     "number ",  "total ",  "each ",  "cost ",  "price ",  "per ",     "day ",
    "hour ",      "week ",     "first ",  "then ",    "left ",   "sum ",   "add ",   "times ",  "half ",    "double ",
    "rest ",      "all ",      "both ",   "from ",    "and ",    "is ",    "in ",    "for ",    "with ",    "by ",
    "how ",       "many ",     "much ",   "more ",    "less ",   "than ",  "same ",  "other ",  "next ",    "last ",
    "apples ",    "pages ",    "miles ",  "dollars ", "people ", "boxes ", "speed ", "age ",    "weight ",  "length ",
    "area ",      "share ",    "rate ",   "part ",    "group ",  "step ",  "value ", "result ", "compute ", "find ",
    "calculate ", "multiply ", "divide ", "subtract "};

// Words up to `bytes`, from the stream of a text.
void AppendWords(const RandomStream& stream, size_t bytes, std::string* text) {
  constexpr uint32_t kFirst = 64;  // draws before belong to other questions
  for (uint32_t i = kFirst; text->size() < bytes; ++i) {
    uint32_t bits = stream.Bits(Purpose::kSimulate, i);
    for (int word = 0; word < 5 && text->size() < bytes; ++word, bits >>= 6) text->append(kWords[bits & 63]);
  }
  text->resize(bytes);
}

std::array<char, kTokenBytes> BytesOf(TokenId token) {
  std::array<char, kTokenBytes> bytes;
  std::memcpy(bytes.data(), &token, kTokenBytes);
  return bytes;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The depth that a token says, −1 where it is none that begins a step.
int DepthOf(TokenId token) {
  const auto bytes = BytesOf(token);
  if (bytes[0] != kHead[0] || bytes[1] != kHead[1] || !IsDigit(bytes[2]) || !IsDigit(bytes[3])) return -1;
  return (bytes[2] - '0') * 10 + (bytes[3] - '0');
}

}  // namespace

std::vector<TokenId> SimulatedTokenizer::Encode(std::string_view text, model::SpecialTokens) const {
  std::vector<TokenId> tokens((text.size() + kTokenBytes - 1) / kTokenBytes, 0);
  if (!text.empty()) std::memcpy(tokens.data(), text.data(), text.size());
  return tokens;
}

std::string_view SimulatedTokenizer::Bytes(TokenId token) const {
  thread_local std::array<char, kTokenBytes> bytes;
  bytes = BytesOf(token);
  const auto end = std::ranges::find(bytes, '\0');
  return {bytes.data(), static_cast<size_t>(end - bytes.begin())};
}

Script Write(const SampleDraw& sample, const Place& place, double bytes_per_token) {
  const RandomStream stream{place.key, Mixed(sample.text, 6)};
  const auto number = stream.Bits(Purpose::kSimulate, 8);
  Script script;
  std::string tail;
  switch (sample.kind) {
    case Kind::kLost: break;
    case Kind::kFailed:
      tail = kRaise;
      script.stop = reasoning::kEndOfStep;
      break;
    case Kind::kStep:
      tail = fmt::format("\nx = {}\n", number % 1000);
      script.stop = reasoning::kEndOfStep;
      break;
    case Kind::kFinal:
      tail = fmt::format("{}{} {}')\n", kPrint, sample.right ? kRight : kWrong, number);
      script.stop = reasoning::kEndOfCode;
      break;
    case Kind::kAnswer:
      tail = fmt::format("\\boxed{{{}}}\n", sample.right ? kRight : kWrong);
      script.stop = reasoning::kEndOfAnswer;
      break;
  }
  const auto bytes = static_cast<size_t>(sample.tokens * bytes_per_token);
  const size_t around = tail.size() + script.stop.size();
  script.text.reserve(bytes + 24);
  if (!place.after_output) script.text = fmt::format("{}{:02} ", kHead, std::min(place.depth, 99));
  AppendWords(stream, std::max(script.text.size() + 8, bytes > around ? bytes - around : 0), &script.text);
  script.text += tail;
  return script;
}

Place PlaceAtEnd(const std::vector<TokenId>& prompt, uint64_t key) {
  Place place{.key = key};
  const size_t least = prompt.size() > kLookBack ? prompt.size() - kLookBack : 0;
  size_t at = prompt.size();
  int depth = -1;
  while (at > least && depth < 0) depth = DepthOf(prompt[--at]);
  if (depth < 0) return place;
  // Each piece of a solution is encoded for itself, so a step begins with a token of its own.
  place.depth = depth + 1;
  for (size_t i = at; i < prompt.size(); ++i) place.node = Mixed(place.node, static_cast<uint32_t>(prompt[i]));
  const std::string_view last(reinterpret_cast<const char*>(&prompt[at]), (prompt.size() - at) * kTokenBytes);
  const size_t output = last.rfind(reasoning::kOutput);
  if (output == std::string_view::npos) return place;
  place.after_output = true;
  place.right = last.substr(output + reasoning::kOutput.size()).starts_with(kRight);
  return place;
}

std::optional<std::string> Printed(std::string_view code) {
  // Programs come without the newline that ends them.
  if (code.ends_with(kRaise.substr(0, kRaise.size() - 1)) || code.ends_with(kRaise)) return std::nullopt;
  const size_t begin = code.rfind(kPrint);
  if (begin == std::string_view::npos) return "";
  const std::string_view rest = code.substr(begin + kPrint.size());
  return std::string(rest.substr(0, rest.find('\''))) + "\n";
}

bool IsRight(std::string_view answer) { return answer == kRight; }

}  // namespace orrery::simulation
