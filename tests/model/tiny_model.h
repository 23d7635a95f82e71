// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tiny models whose weights are a formula, written as Hugging Face folders (golden/make_families_golden.py has the same
// formula).

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/model/safetensors_builder.h"

namespace orrery::model {

inline std::vector<float> FormulaWeights(const std::string& name, uint64_t count) {
  uint64_t seed = 0xCBF29CE484222325;
  for (const char byte : name) seed = (seed ^ static_cast<uint8_t>(byte)) * 0x100000001B3;
  std::vector<float> values(count);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t z = seed + i * 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    const double uniform = static_cast<double>(z >> 40) / (1 << 23) - 1;
    values[i] = static_cast<float>(name.find("norm") != std::string::npos ? 1 + uniform / 10 : uniform / 3);
  }
  return values;
}

// A tokenizer.json of three tokens; the models are asked by ids.
inline constexpr const char* kThreeTokens =
    R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2},"merges":[]},"pre_tokenizer":{"type":"ByteLevel",)"
    R"("add_prefix_space":false,"use_regex":true}})";

// A tokenizer.json with a token for each printable character, and two for blank and newline; 96 at most.
inline std::string CharacterTokenizer(int vocabulary_size) {
  nlohmann::json vocabulary = nlohmann::json::object();
  for (int id = 0; id < vocabulary_size - 2; ++id) vocabulary[std::string(1, static_cast<char>('!' + id))] = id;
  vocabulary["\u0120"] = vocabulary_size - 2;
  vocabulary["\u010a"] = vocabulary_size - 1;
  return nlohmann::json{{"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}},
                        {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}}}
      .dump();
}

class TinyModel {
 public:
  // `tensors`: names and shapes, the contiguous dimension last.
  TinyModel(nlohmann::json config, const nlohmann::json& tensors) : config(std::move(config)) {
    for (const auto& [name, shape] : tensors.items()) {
      uint64_t count = 1;
      for (const auto& size : shape) count *= size.get<uint64_t>();
      shapes[name] = shape.get<std::vector<uint64_t>>();
      weights[name] = FormulaWeights(name, count);
    }
  }

  std::string Bytes(const std::vector<std::string>& names) const {
    nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
    std::string data;
    for (const std::string& name : names) {
      const auto& values = weights.at(name);
      const size_t begin = data.size();
      data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
      header[name] = {{"dtype", "F32"}, {"shape", shapes.at(name)}, {"data_offsets", {begin, data.size()}}};
    }
    return Safetensors(header.dump(), data);
  }

  // In `shards` files; the last of several may be left out.
  void Write(const std::filesystem::path& folder, int shards = 1, bool last = true) const {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const auto write = [&](const std::string& name, const std::string& text) {
      std::ofstream(folder / name, std::ios::binary) << text;
    };
    write("config.json", config.dump());
    write("tokenizer.json", tokenizer);
    std::vector<std::vector<std::string>> names(static_cast<size_t>(shards));
    size_t next = 0;
    for (const auto& [name, values] : weights) names[next++ % names.size()].push_back(name);
    nlohmann::json map = nlohmann::json::object();
    for (int i = 0; i < shards; ++i) {
      const std::string file = shards == 1 ? "model.safetensors" : "model-" + std::to_string(i + 1) + ".safetensors";
      for (const std::string& name : names[i]) map[name] = file;
      if (i + 1 < shards || last) write(file, Bytes(names[i]));
    }
    if (shards > 1) write("model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
  }

  nlohmann::json config;
  std::string tokenizer = kThreeTokens;
  std::map<std::string, std::vector<uint64_t>> shapes;
  std::map<std::string, std::vector<float>> weights;
};

// A model of a family (golden/families.json) as a reward model: one row of outputs in place of the vocabulary's.
inline TinyModel TinyRewardModel(const nlohmann::json& family, double score_scale) {
  nlohmann::json config = family["config"], tensors = family["tensors"];
  const std::string causal = config["architectures"][0];
  config["architectures"] = {causal.substr(0, causal.find("For")) + "ForSequenceClassification"};
  config["id2label"] = {{"0", "score"}};
  config["score_scale"] = score_scale;
  tensors.erase("lm_head.weight");
  tensors["score.weight"] = {1, config["hidden_size"]};
  return {config, tensors};
}

}  // namespace orrery::model
