// SPDX-License-Identifier: Apache-2.0

// Any bytes as text: the tokens give the text back (replaced and normalised), for both pre-tokenisers over a vocabulary
// of all bytes.

#include <memory>
#include <string>

#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/unicode.h"
#include "tests/model/fuzz.h"
#include "tests/model/gguf_builder.h"

namespace {

using namespace orrery::model;

std::unique_ptr<Tokenizer> Make(const char* pre) {
  using B = GgufBuilder;
  std::string tokens, types, merges;
  uint64_t count = 0;
  const auto add = [&](const std::string& text, int32_t type) {
    tokens += B::Sized(text), types += B::Raw(type), ++count;
  };
  int other = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const int c = itself ? byte : other++;
    add(c < 0x80 ? std::string(1, static_cast<char>(c))
                 : std::string{static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 63))},
        1);
  }
  for (const char* merge : {"a b", "ab ab", "= =", "== ==", "\u0120 \u0120"}) {
    std::string joined = merge;
    joined.erase(joined.find(' '), 1);
    add(joined, 1), merges += B::Sized(merge);
  }
  add("<|im_end|>", 4);
  B builder;
  builder.Key("tokenizer.ggml.model", B::kString, B::Sized("gpt2"))
      .Key("tokenizer.ggml.pre", B::kString, B::Sized(pre));
  builder.Key("tokenizer.ggml.tokens", B::kArray, B::Array(B::kString, count, tokens));
  builder.Key("tokenizer.ggml.token_type", B::kArray, B::Array(B::kInt32, count, types));
  builder.Key("tokenizer.ggml.merges", B::kArray, B::Array(B::kString, 5, merges));
  const std::string bytes = builder.Bytes();
  const auto file = GgufFile::FromBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "fuzz.gguf");
  return Tokenizer::FromGguf(**file).value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto qwen2 = Make("qwen2"), smollm = Make("smollm");
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string well_formed = ReplaceIllFormed(text);
  if (ReplaceIllFormed(well_formed) != well_formed) std::abort();
  if (NormalFormC(NormalFormC(well_formed)) != NormalFormC(well_formed)) std::abort();
  if (qwen2->Decode(qwen2->Encode(text, SpecialTokens::kPlain)) != NormalFormC(well_formed)) std::abort();
  if (smollm->Decode(smollm->Encode(text, SpecialTokens::kPlain)) != well_formed) std::abort();
  if (smollm->Decode(smollm->Encode(text, SpecialTokens::kParse)) != well_formed)
    std::abort();  // user-defined tokens keep their text
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  return orrery::fuzz::Drive(
      {"abab == <|im_end|> it's 12\r\n\t x", "e\u0301\u0323 \u1100\u1161\u11A8 \u0915\u093C\U0001F44D\u200D",
       std::string(120, '=') + "ab", "\u00A0\u3000\u0085\n \u0661\u00B2"},
      60000);
}
#endif
