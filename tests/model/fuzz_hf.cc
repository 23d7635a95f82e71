// SPDX-License-Identifier: Apache-2.0

// Any bytes as the tokenizer.json and the config.json of a Hugging Face folder: an error, or a tokenizer that encodes
// within its vocabulary and dimensions that are consistent.

#include <nlohmann/json.hpp>
#include <string>

#include "model/source/hf_config.h"
#include "model/tokenizer/tokenizer_json.h"
#include "tests/model/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace orrery::model;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto tokenizer = TokenizerFromJson(text, "fuzz.json"); tokenizer.ok()) {
    for (const auto special : {SpecialTokens::kParse, SpecialTokens::kPlain}) {
      for (const TokenId token : (*tokenizer)->Encode("ab <s> \u00e9\u2581 1" + text.substr(0, 100), special)) {
        if (token < 0 || token >= (*tokenizer)->vocabulary_size()) std::abort();
      }
    }
  }
  const auto config = ReadHfConfig(nlohmann::json::parse(text, nullptr, false), "fuzz.json");
  if (!config.ok()) return 0;
  const ModelShape& shape = config->shape;
  if (shape.attention.heads % shape.attention.kv_heads != 0 || shape.attention.head_dim % 16 != 0) std::abort();
  for (int i = 0; i < shape.attention.head_dim / 2 && i < 64; ++i) (void)shape.RopeFrequency(i);
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  return orrery::fuzz::Drive(
      {R"({"added_tokens":[{"id":2,"content":"<s>","special":true,"rstrip":true}],"normalizer":{"type":"Sequence",)"
       R"("normalizers":[{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":{"String":" "},"content":)"
       R"("\u2581"}]},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},)"
       R"({"Sequence":{"id":"A"}}]},"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,)"
       R"("vocab":{"<unk>":0,"<0x61>":1,"<s>":2,"a":3,"b":4,"ab":5},"merges":[["a","b"]]}})",
       R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},"model":)"
       R"({"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"],"ignore_merges":true}})",
       R"({"model_type":"phi3","num_hidden_layers":2,"hidden_size":64,"intermediate_size":96,"vocab_size":96,)"
       R"("max_position_embeddings":128,"num_attention_heads":2,"rms_norm_eps":1e-5,"sliding_window":16,"rope_scaling":)"
       R"({"type":"linear","factor":2.0}})"},
      100000);
}
#endif
