// SPDX-License-Identifier: Apache-2.0
#include "model/source/hf_folder.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/digest.h"
#include "base/paths.h"
#include "model/formats/safetensors.h"
#include "model/source/hf_config.h"
#include "model/source/hf_names.h"
#include "model/source/model_source.h"
#include "model/tokenizer/tokenizer_json.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// What is read beside the weights, where it is there.
constexpr const char* kFiles[] = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                                  "chat_template.jinja"};

class HfFolder final : public ModelSource {
 public:
  HfFolder(fs::path path, HfConfig config, SafetensorsFolder tensors)
      : path_(std::move(path)), config_(std::move(config)), tensors_(std::move(tensors)) {}

  // The tensors are those that such a model has, no more and no less.
  Status CheckNames() {
    const ModelShape& shape = config_.shape;
    const bool has_head = tensors_.Find("lm_head.weight") != nullptr;
    if (!config_.tied) config_.tied = !has_head;
    std::set<std::string> expected;
    if (!shape.scores()) expected.insert("lm_head.weight");
    for (const std::string& name : TensorNames(shape, *config_.tied)) {
      expected.insert(HfTensorName(name, shape.fused));
      if (Find(name) == nullptr) return InvalidInput("{} is missing", Describe(name));
    }
    for (const auto& file : tensors_.files()) {
      for (const GgufTensor& tensor : file->tensors()) {
        if (expected.contains(tensor.name) || tensor.name.ends_with(".rotary_emb.inv_freq")) continue;
        return InvalidInput("{}: tensor '{}' is none that a {} model of {} layers has", file->path().string(),
                            tensor.name, shape.architecture, shape.layers);
      }
    }
    const GgufTensor& embedding = *Find("token_embd.weight");
    if (embedding.shape.size() != 2 || embedding.shape[1] != static_cast<uint64_t>(shape.vocabulary)) {
      return InvalidInput("{} has {} rows; {} were expected (key 'vocab_size' of config.json)",
                          Describe("token_embd.weight"), embedding.shape.size() == 2 ? embedding.shape[1] : 0,
                          shape.vocabulary);
    }
    return absl::OkStatus();
  }

  const fs::path& path() const override { return path_; }
  StatusOr<ModelShape> Shape() const override { return config_.shape; }

  StatusOr<std::unique_ptr<Tokenizer>> ReadTokenizer() const override {
    ORRERY_ASSIGN_OR_RETURN(auto tokenizer, TokenizerFromFolder(path_));
    if (tokenizer->vocabulary_size() > config_.shape.vocabulary) {
      return InvalidInput("{}: {} tokens, but key 'vocab_size' of config.json is {}",
                          (path_ / "tokenizer.json").string(), tokenizer->vocabulary_size(), config_.shape.vocabulary);
    }
    return tokenizer;
  }

  StatusOr<std::string> ChatTemplate() const override {
    std::error_code error;
    if (fs::exists(path_ / "chat_template.jinja", error)) return ReadFile(path_ / "chat_template.jinja");
    if (!fs::exists(path_ / "tokenizer_config.json", error)) return std::string();
    ORRERY_ASSIGN_OR_RETURN(const Json config, ReadJsonObject(path_ / "tokenizer_config.json"));
    const Json text = config.value("chat_template", Json());
    if (text.is_string()) return text.get<std::string>();
    if (!text.is_array()) return std::string();
    for (const Json& named : text) {  // several by name
      if (named.is_object() && named.value("name", Json()) == "default" && named.value("template", Json()).is_string())
        return named["template"].get<std::string>();
    }
    return std::string();
  }

  const GgufTensor* Find(std::string_view name) const override {
    if (name == "output.weight" && config_.tied.value_or(false)) return nullptr;
    return tensors_.Find(HfTensorName(name, config_.shape.fused));
  }
  std::string Describe(std::string_view name) const override {
    const std::string own = HfTensorName(name, config_.shape.fused);
    return fmt::format("{}: tensor '{}'", tensors_.FileOf(own).string(), own);
  }

 private:
  fs::path path_;
  HfConfig config_;
  SafetensorsFolder tensors_;
};

}  // namespace

StatusOr<Json> ReadJsonObject(const fs::path& path) {
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return InvalidInput("{}: no JSON object", path.string());
  return json;
}

StatusOr<std::unique_ptr<ModelSource>> OpenHfFolder(const fs::path& folder) {
  ORRERY_ASSIGN_OR_RETURN(const Json json, ReadJsonObject(folder / "config.json"));
  ORRERY_ASSIGN_OR_RETURN(HfConfig config, ReadHfConfig(json, (folder / "config.json").string()));
  ORRERY_ASSIGN_OR_RETURN(SafetensorsFolder tensors, SafetensorsFolder::Open(folder));
  auto source = std::make_unique<HfFolder>(folder, std::move(config), std::move(tensors));
  ORRERY_RETURN_IF_ERROR(source->CheckNames());
  return source;
}

StatusOr<std::string> ModelDigest(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return Sha256HexOfFile(path);
  ORRERY_ASSIGN_OR_RETURN(const SafetensorsFolder tensors, SafetensorsFolder::Open(path));
  std::vector<fs::path> files;
  for (const char* name : kFiles) {
    if (fs::exists(path / name, error)) files.push_back(path / name);
  }
  for (const auto& file : tensors.files()) files.push_back(file->path());
  Sha256 hash;
  for (const fs::path& file : files) {
    ORRERY_ASSIGN_OR_RETURN(const std::string one, Sha256HexOfFile(file));
    hash.UpdateSized(file.filename().string());
    hash.UpdateSized(one);
  }
  return Hex(hash.Finish());
}

}  // namespace orrery::model
