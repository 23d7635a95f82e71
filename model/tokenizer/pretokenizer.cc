// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <limits>

#include "model/tokenizer/unicode_tables.h"

namespace orrery::model {
namespace {

// Insides of character classes. White space is spelled out: PCRE2's \s has U+180E, which lost that property in
// Unicode 6.3.
const std::string kSpace = R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
const std::string kLetter = std::string(R"(\p{L})") + kLaterLetters;
const std::string kNumber = std::string(R"(\p{N})") + kLaterNumbers;
const std::string kDigit = kNumber + kLaterDigits;

// Qwen2 and Llama 3 differ in how many digits are a piece.
std::string WithDigits(std::string_view digits) {
  return fmt::format(
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n{0}{1}]?[{0}]+|[{1}]{3}| ?[^{2}{0}{1}]+[\r\n]*|[{2}]*[\r\n]+|[{2}]+(?![^{2}])|[{2}]+)",
      kLetter, kNumber, kSpace, digits);
}

std::string Gpt2() {
  return fmt::format(R"('(?:[sdmt]|ll|ve|re)| ?[{0}]+| ?[{1}]+| ?[^{2}{0}{1}]+|[{2}]+(?![^{2}])|[{2}]+)", kLetter,
                     kNumber, kSpace);
}

// Digits are cut out one by one first, then GPT-2's pattern splits what lies between. One pattern does both: a digit is
// a piece, no other piece contains one, and blanks before a digit are blanks at the end of what lies between.
std::string SmolLm() {
  return fmt::format(R"([{1}]|'(?:[sdmt]|ll|ve|re)| ?[{0}]+| ?[^{2}{0}{1}]+|[{2}]+(?![^{2}{1}])|[{2}]+)", kLetter,
                     kDigit, kSpace);
}

}  // namespace

struct Pretokenizer::Code {
  pcre2_code* pattern = nullptr;
  pcre2_match_context* context = nullptr;
  ~Code() {
    pcre2_match_context_free(context);
    pcre2_code_free(pattern);
  }
};

Pretokenizer::~Pretokenizer() = default;

StatusOr<std::unique_ptr<Pretokenizer>> Pretokenizer::Create(std::string_view name) {
  std::string text;
  if (name == "qwen2") text = WithDigits("");
  if (name == "llama-bpe") text = WithDigits("{1,3}");
  if (name == "gpt-2") text = Gpt2();
  if (name == "smollm") text = SmolLm();
  if (text.empty())
    return InvalidInput("pre-tokeniser '{}' is not known (qwen2, smollm, llama-bpe and gpt-2 are)", name);
  std::unique_ptr<Pretokenizer> splitter(new Pretokenizer);
  splitter->normalises_ = name == "qwen2";
  splitter->code_ = std::make_unique<Code>();
  Code& code = *splitter->code_;
  int error = 0;
  size_t at = 0;
  code.pattern = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), PCRE2_UTF | PCRE2_UCP, &error,
                               &at, nullptr);
  if (code.pattern == nullptr)
    return Failed("the pattern of pre-tokeniser '{}' does not compile: error {} at {}", name, error, at);
  // Without executable memory the interpreter serves: slower, the same pieces.
  (void)pcre2_jit_compile(code.pattern, PCRE2_JIT_COMPLETE);
  code.context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(code.context, std::numeric_limits<uint32_t>::max());
  return splitter;
}

std::string Pretokenizer::PatternOf(std::string_view name) {
  if (name != "qwen2" && name != "llama-bpe") return {};
  return fmt::format("{}{}{}", R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})",
                     name == "qwen2" ? "" : "{1,3}", R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)");
}

std::string_view Pretokenizer::NameOfPattern(std::string_view pattern) {
  for (const std::string_view name : {"qwen2", "llama-bpe"}) {
    if (pattern == PatternOf(name)) return name;
  }
  return {};
}

void Pretokenizer::Split(std::string_view text, std::vector<std::string_view>* pieces) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(pcre2_match_data_create(1, nullptr),
                                                                                  pcre2_match_data_free);
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  for (size_t at = 0; at < text.size();) {
    const int found = pcre2_match(code_->pattern, subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED,
                                  match.get(), code_->context);
    // Every character begins some alternative and none matches the empty string; should PCRE2 run out of memory, the
    // rest is one piece.
    const size_t end = found > 0 ? pcre2_get_ovector_pointer(match.get())[1] : text.size();
    pieces->push_back(text.substr(at, end - at));
    at = end;
  }
}

}  // namespace orrery::model
