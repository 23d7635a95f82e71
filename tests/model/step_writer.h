// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tiny models of random weights whose samples are steps of a program, so that a whole search can run on them in
// seconds: beside the 256 bytes their vocabulary holds whole lines with their markers, and the output matrix prefers
// those.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/model/tiny_model.h"

namespace orrery::model {

inline const std::vector<std::string>& StepLines() {
  static const std::vector<std::string> lines = {
      "# so\n",
      "# then\n",
      "a = 1\n<end_of_step>",
      "b = 2\n<end_of_step>",
      "c = 3\n<end_of_step>",
      "a = a + 1\n<end_of_step>",
      "print(0)\n<end_of_code>",
      "print(1)\n<end_of_code>",
      "print(2)\n<end_of_code>",
      "print(a)\n<end_of_code>",
      "It is \\boxed{0}\n<end_of_answer>",
      "It is \\boxed{1}\n<end_of_answer>",
      "It is \\boxed{2}\n<end_of_answer>",
      "The result: \\boxed{0}\n<end_of_answer>",
      "The result: \\boxed{1}\n<end_of_answer>",
  };
  return lines;
}

// A byte-level vocabulary without merges: a byte that prints stands for itself, the others for the characters from 256
// on.
inline std::string StepTokenizer() {
  nlohmann::json vocabulary = nlohmann::json::object(), added = nlohmann::json::array();
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool prints = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    const int code = prints ? byte : next++;
    const std::string character =
        code < 128 ? std::string(1, static_cast<char>(code))
                   : std::string{static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    vocabulary[character] = byte;
  }
  for (size_t i = 0; i < StepLines().size(); ++i)
    added.push_back({{"id", 256 + i}, {"content", StepLines()[i]}, {"special", false}, {"normalized", false}});
  return nlohmann::json{{"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}},
                        {"added_tokens", added},
                        {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}}}
      .dump();
}

// A model of a family (golden/families.json), one layer deep; a reward model where `score_scale` is above zero.
inline void WriteStepModel(nlohmann::json family, double score_scale, const std::filesystem::path& folder) {
  const int vocabulary = 256 + static_cast<int>(StepLines().size());
  family["config"]["vocab_size"] = vocabulary;
  family["config"]["num_hidden_layers"] = 1;
  family["config"]["max_position_embeddings"] = 512;
  family["config"]["eos_token_id"] = 0;
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) family["tensors"][name][0] = vocabulary;
  for (auto it = family["tensors"].begin(); it != family["tensors"].end();)
    it = it.key().find("layers.1.") != std::string::npos ? family["tensors"].erase(it) : std::next(it);
  TinyModel model =
      score_scale > 0 ? TinyRewardModel(family, score_scale) : TinyModel(family["config"], family["tensors"]);
  model.tokenizer = StepTokenizer();
  const size_t width = family["config"]["hidden_size"];
  // The first dimension is the same for every token, is read by no layer, and tells bytes from lines in the output.
  for (auto& [name, values] : model.weights) {
    const bool read = name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight") ||
                      name.ends_with("v_proj.weight") || name.ends_with("gate_proj.weight") ||
                      name.ends_with("up_proj.weight");
    const bool table = name.ends_with("embed_tokens.weight"), output = name == "lm_head.weight";
    for (size_t row = 0; (read || table || output) && row * width < values.size(); ++row) {
      float* weights = &values[row * width];
      for (size_t i = 0; table && i < width; ++i) weights[i] *= 10;
      weights[0] = table ? 20.0f : output && row < 256 ? -4.0f : 0.0f;
    }
  }
  model.Write(folder);
}

}  // namespace orrery::model
