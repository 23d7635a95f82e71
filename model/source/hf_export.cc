// SPDX-License-Identifier: Apache-2.0
#include "model/source/hf_export.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "kernels/bfloat16.h"
#include "model/formats/gguf.h"
#include "model/formats/safetensors_writer.h"
#include "model/source/hf_folder.h"
#include "model/source/hf_names.h"
#include "model/source/model_source.h"
#include "model/source/new_tokens.h"
#include "model/source/tokenizer_export.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Names {
  const char *model_type, *class_name;
};

Names NamesOf(const ModelShape& shape) {
  if (shape.architecture == "qwen2") return {"qwen2", "Qwen2"};
  if (shape.architecture == "phi3") return {"phi3", "Phi3"};
  if (shape.window > 0) return {"mistral", "Mistral"};
  return {"llama", "Llama"};
}

// What transformers calls the model's kind, and what it does not know of a reward model.
void SetHead(const ModelShape& shape, Json& config) {
  const char* kind = shape.scores() ? "ForSequenceClassification" : "ForCausalLM";
  config["architectures"] = {std::string(NamesOf(shape).class_name) + kind};
  if (!shape.scores()) return;
  config["id2label"] = {{"0", "score"}};
  config["label2id"] = {{"score", 0}};
  config["score_scale"] = shape.score_scale;
}

StatusOr<Json> Rope(const ModelShape& shape, const fs::path& file) {
  const RopeScaling& rope = shape.rope;
  if (rope.factors.empty()) return Json();
  if (!rope.long_factors.empty()) {
    return Json{{"type", "longrope"},
                {"short_factor", rope.factors},
                {"long_factor", rope.long_factors},
                {"attention_factor", rope.magnitude}};
  }
  const bool linear =
      std::all_of(rope.factors.begin(), rope.factors.end(), [&](float f) { return f == rope.factors[0]; });
  if (linear) return Json{{"rope_type", "linear"}, {"factor", rope.factors[0]}};
  return InvalidInput("{}: tensor 'rope_freqs.weight': config.json has no way to say these RoPE factors",
                      file.string());
}

StatusOr<Json> Config(const ModelShape& shape, const fs::path& file, bool tied, const ExportOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const Json rope, Rope(shape, file));
  const Names names = NamesOf(shape);
  Json config = {{"model_type", names.model_type},
                 {"num_hidden_layers", shape.layers},
                 {"hidden_size", shape.width},
                 {"intermediate_size", shape.feed_forward},
                 {"vocab_size", shape.vocabulary},
                 {"max_position_embeddings", shape.context_length},
                 {"num_attention_heads", shape.attention.heads},
                 {"num_key_value_heads", shape.attention.kv_heads},
                 {"rms_norm_eps", shape.norm_epsilon},
                 {"rope_theta", shape.rope_base},
                 {"rope_scaling", rope},
                 {"hidden_act", "silu"},
                 {"tie_word_embeddings", tied},
                 {"torch_dtype", options.bfloat16 ? "bfloat16" : "float32"}};
  SetHead(shape, config);
  config["sliding_window"] = shape.window > 0 ? Json(shape.window) : Json();
  if (shape.architecture == "qwen2") config["use_sliding_window"] = shape.window > 0, config["max_window_layers"] = 0;
  if (shape.attention.head_dim * shape.attention.heads != shape.width) config["head_dim"] = shape.attention.head_dim;
  if (!rope.is_null() && shape.rope.original_context > 0)
    config["original_max_position_embeddings"] = shape.rope.original_context;
  return config;
}

class Writer {
 public:
  Writer(const ModelSource& source, const ModelShape& shape, const fs::path& folder, const ExportOptions& options,
         std::vector<NewToken> added)
      : source_(source), shape_(shape), folder_(folder), options_(options), added_(std::move(added)) {}

  Status Weights(bool tied) {
    std::vector<std::vector<std::string>> shards(1);
    uint64_t bytes = 0, total = 0;
    for (const std::string& name : TensorNames(shape_, tied)) {
      const GgufTensor* tensor = Find(name);
      if (tensor == nullptr) return InvalidInput("{} is missing", source_.Describe(name));
      const uint64_t size = Bytes(name, *tensor);
      if (bytes > 0 && bytes + size > options_.shard_bytes) shards.emplace_back(), bytes = 0;
      shards.back().push_back(name);
      bytes += size, total += size;
    }
    Json map = Json::object();
    for (size_t i = 0; i < shards.size(); ++i) {
      const std::string file = shards.size() == 1
                                   ? "model.safetensors"
                                   : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
      ORRERY_RETURN_IF_ERROR(Shard(folder_ / file, shards[i]));
      for (const std::string& name : shards[i]) map[HfTensorName(name, shape_.fused)] = file;
    }
    if (shards.size() == 1) return absl::OkStatus();
    return WriteJson("model.safetensors.index.json", {{"metadata", {{"total_size", total}}}, {"weight_map", map}});
  }

  Status WriteJson(const char* name, const Json& json) const {
    std::ofstream out(folder_ / name, std::ios::binary);
    out << json.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
    out.close();
    return out ? absl::OkStatus() : Failed("{}: cannot be written", (folder_ / name).string());
  }

 private:
  // A score's row is no tensor of the model that it was trained from.
  const GgufTensor* Find(const std::string& name) const {
    return name == kScoreTensor && source_.Find(name) == nullptr ? &score_ : source_.Find(name);
  }
  // Those of a tensor with a row for each token follow the vocabulary, which may have grown.
  uint64_t Rows(std::string_view name, const GgufTensor& tensor) const {
    return HasTokens(name) ? static_cast<uint64_t>(shape_.vocabulary) : tensor.elements() / tensor.shape[0];
  }
  static bool HasTokens(std::string_view name) { return name == "token_embd.weight" || name == "output.weight"; }
  uint64_t Bytes(std::string_view name, const GgufTensor& tensor) const {
    return Rows(name, tensor) * tensor.shape[0] * (options_.bfloat16 ? 2 : 4);
  }

  Status Shard(const fs::path& path, const std::vector<std::string>& names) const {
    std::vector<SafetensorsEntry> entries;
    for (const std::string& name : names) {
      const GgufTensor& tensor = *Find(name);
      std::vector<uint64_t> shape(tensor.shape.rbegin(), tensor.shape.rend());
      if (HasTokens(name)) shape[0] = Rows(name, tensor);
      entries.push_back({HfTensorName(name, shape_.fused), std::move(shape), options_.bfloat16});
    }
    std::ofstream out(path, std::ios::binary);
    out << SafetensorsHead(entries);
    for (const std::string& name : names) Tensor(name, out);
    out.close();
    return out ? absl::OkStatus() : Failed("{}: cannot be written", path.string());
  }

  void Tensor(const std::string& name, std::ofstream& out) const {
    const GgufTensor& tensor = *Find(name);
    const uint64_t width = tensor.shape[0];
    std::vector<float> values(width);
    std::vector<uint16_t> halves(width);
    for (uint64_t row = 0; row < Rows(name, tensor) && out; ++row) {
      const auto added = std::ranges::find(added_, static_cast<TokenId>(row), &NewToken::id);
      if (HasTokens(name) && added != added_.end()) {
        MeanRow(name, tensor, *added, values);
      } else {
        Row(name, tensor, row, values);
      }
      if (!options_.bfloat16) {
        out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(width * sizeof(float)));
        continue;
      }
      for (uint64_t i = 0; i < width; ++i) halves[i] = kernels::ToBfloat16(values[i]);
      out.write(reinterpret_cast<const char*>(halves.data()), static_cast<std::streamsize>(width * 2));
    }
  }

  // A row beyond those of the file, which no token has, is zeros.
  void Row(std::string_view name, const GgufTensor& tensor, uint64_t row, std::vector<float>& values) const {
    const uint64_t width = values.size(), first = HfSourceRow(shape_, name, row) * width;
    const float* replaced = options_.weights != nullptr ? options_.weights->values(name) : nullptr;
    if (first >= tensor.elements()) {
      std::ranges::fill(values, 0.0f);
    } else if (replaced != nullptr) {
      std::copy_n(replaced + first, width, values.data());
    } else {
      Dequantise(tensor, first, width, values.data());
    }
  }

  void MeanRow(std::string_view name, const GgufTensor& tensor, const NewToken& token,
               std::vector<float>& values) const {
    std::vector<double> sums(values.size());
    for (const TokenId part : token.parts) {
      Row(name, tensor, static_cast<uint64_t>(part), values);
      for (size_t i = 0; i < values.size(); ++i) sums[i] += double{values[i]};
    }
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(sums[i] / static_cast<double>(token.parts.size()));
  }

  const ModelSource& source_;
  const ModelShape& shape_;
  const fs::path& folder_;
  const ExportOptions& options_;
  const std::vector<NewToken> added_;
  GgufTensor score_{std::string(kScoreTensor), GgufType::kF32, {static_cast<uint64_t>(shape_.width), 1}, {}};
};

Status CopyFiles(const fs::path& from, const fs::path& to) {
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                           "chat_template.jinja", "special_tokens_map.json"}) {
    std::error_code error;
    if (!fs::exists(from / name, error)) continue;
    fs::copy_file(from / name, to / name, error);
    if (error) return Failed("{}: cannot be copied ({})", (from / name).string(), error.message());
  }
  return absl::OkStatus();
}

// The tokenizer of a folder, or that of a GGUF file as a folder has it.
StatusOr<Json> TokenizerOf(const fs::path& model) {
  std::error_code error;
  if (fs::is_directory(model, error)) return ReadJsonObject(model / "tokenizer.json");
  ORRERY_ASSIGN_OR_RETURN(const auto file, GgufFile::Open(model));
  return TokenizerJson(*file);
}

// The files of a folder, but for its weights and what this export changes.
Status FillFromFolder(const fs::path& model, const Writer& writer, const ModelShape& shape, const fs::path& folder,
                      bool tied) {
  ORRERY_RETURN_IF_ERROR(CopyFiles(model, folder));
  ORRERY_ASSIGN_OR_RETURN(Json config, ReadJsonObject(model / "config.json"));
  const bool grown = config.value("vocab_size", 0) < shape.vocabulary;
  const bool retied = !shape.scores() && config.value("tie_word_embeddings", tied) != tied;
  if (!shape.scores() && !grown && !retied) return absl::OkStatus();
  if (grown) config["vocab_size"] = shape.vocabulary;
  if (retied) config["tie_word_embeddings"] = tied;
  if (shape.scores()) SetHead(shape, config);
  return writer.WriteJson("config.json", config);
}

Status FillFromGguf(const fs::path& model, const Writer& writer, const ModelShape& shape, bool tied,
                    const ExportOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto file, GgufFile::Open(model));
  ORRERY_ASSIGN_OR_RETURN(const Json tokenizer_config, TokenizerConfig(*file));
  ORRERY_ASSIGN_OR_RETURN(const Json generation, GenerationConfig(*file));
  ORRERY_ASSIGN_OR_RETURN(Json config, Config(shape, model, tied, options));
  for (const char* key : {"bos_token_id", "pad_token_id"}) config[key] = generation.value(key, Json());
  config["eos_token_id"] = generation["eos_token_id"];
  ORRERY_RETURN_IF_ERROR(writer.WriteJson("config.json", config));
  ORRERY_RETURN_IF_ERROR(writer.WriteJson("generation_config.json", generation));
  return writer.WriteJson("tokenizer_config.json", tokenizer_config);
}

Status Fill(const fs::path& model, const fs::path& folder, const ExportOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto source, ModelSource::Open(model));
  ORRERY_ASSIGN_OR_RETURN(ModelShape shape, source->Shape());
  if (options.weights != nullptr) shape.score_scale = options.weights->score_scale;
  const bool tied = options.weights != nullptr ? options.weights->tied : source->Find("output.weight") == nullptr;
  std::error_code error;
  const bool from_folder = fs::is_directory(model, error);
  Json tokenizer;
  std::vector<NewToken> added;
  if (!from_folder || !options.new_tokens.empty()) {
    ORRERY_ASSIGN_OR_RETURN(tokenizer, TokenizerOf(model));
    ORRERY_ASSIGN_OR_RETURN(const auto plain, source->ReadTokenizer());
    ORRERY_ASSIGN_OR_RETURN(added, AddTokens(options.new_tokens, *plain, tokenizer));
  }
  if (!added.empty()) shape.vocabulary = std::max<int>(shape.vocabulary, added.back().id + 1);
  Writer writer(*source, shape, folder, options, added);
  ORRERY_RETURN_IF_ERROR(from_folder ? FillFromFolder(model, writer, shape, folder, tied)
                                     : FillFromGguf(model, writer, shape, tied, options));
  if (!tokenizer.is_null()) ORRERY_RETURN_IF_ERROR(writer.WriteJson("tokenizer.json", tokenizer));
  return writer.Weights(tied);
}

}  // namespace

Status ExportHfFolder(const fs::path& model, const fs::path& out, const ExportOptions& options) {
  std::error_code error;
  if (fs::exists(out, error))
    return InvalidInput("{}: is there already; a new folder's path was expected", out.string());
  const fs::path partial = fmt::format("{}.partial-{}", out.string(), getpid());
  fs::create_directories(partial, error);
  if (error) return Failed("{}: cannot be made ({})", partial.string(), error.message());
  Status status = Fill(model, partial, options);
  if (status.ok()) {
    fs::rename(partial, out, error);
    if (error) status = Failed("{}: cannot be renamed to {} ({})", partial.string(), out.string(), error.message());
  }
  if (!status.ok()) fs::remove_all(partial, error);
  return status;
}

}  // namespace orrery::model
