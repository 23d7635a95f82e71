// SPDX-License-Identifier: Apache-2.0
#include "model/source/gguf_source.h"

#include <limits>

#include "model/source/model_source.h"

namespace orrery::model {
namespace {

constexpr uint64_t kLargest = 1u << 24;

// The keys of one architecture: `key` stands for `<architecture>.key`.
class Keys {
 public:
  Keys(const GgufFile& file, std::string architecture) : file_(file), architecture_(std::move(architecture)) {}

  std::string Name(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  bool Has(std::string_view key) const { return file_.metadata().contains(Name(key)); }

  // A positive int.
  StatusOr<int> Dimension(std::string_view key) const {
    ORRERY_ASSIGN_OR_RETURN(const uint64_t value, file_.Unsigned(Name(key)));
    if (value == 0 || value > kLargest) {
      return InvalidInput("{}: key '{}' is {}; expected a number from 1 to {}", file_.path().string(), Name(key), value,
                          kLargest);
    }
    return static_cast<int>(value);
  }
  StatusOr<int> DimensionOr(std::string_view key, int otherwise) const {
    if (!Has(key)) return otherwise;
    return Dimension(key);
  }
  StatusOr<double> FloatOr(std::string_view key, double otherwise) const {
    if (!Has(key)) return otherwise;
    return file_.Float(Name(key));
  }

 private:
  const GgufFile& file_;
  std::string architecture_;
};

// One positive number for each pair of a head's dimensions; empty if there is no such tensor.
StatusOr<std::vector<float>> Factors(const GgufFile& file, const char* name, int head_dim) {
  const GgufTensor* tensor = file.Find(name);
  std::vector<float> factors;
  if (tensor == nullptr) return factors;
  const auto count = static_cast<uint64_t>(head_dim / 2);
  if (tensor->shape != std::vector<uint64_t>{count} || tensor->type != GgufType::kF32)
    return InvalidInput("{}: tensor '{}': {} float32 factors were expected", file.path().string(), name, count);
  factors.resize(count);
  Dequantise(*tensor, 0, count, factors.data());
  for (const float factor : factors) {
    if (!(factor > 0) || factor == std::numeric_limits<float>::infinity())
      return InvalidInput("{}: tensor '{}' holds the factor {}; positive numbers were expected", file.path().string(),
                          name, factor);
  }
  return factors;
}

Status ReadRope(const GgufFile& file, const Keys& keys, ModelShape& shape) {
  const int head_dim = shape.attention.head_dim;
  ORRERY_ASSIGN_OR_RETURN(const double base, keys.FloatOr("rope.freq_base", 10000));
  if (!(base >= 1) || base > 1e12)
    return InvalidInput("{}: key '{}' is {}; expected a number from 1 to 1e12", file.path().string(),
                        keys.Name("rope.freq_base"), base);
  shape.rope_base = static_cast<float>(base);
  ORRERY_ASSIGN_OR_RETURN(shape.rope.factors, Factors(file, "rope_freqs.weight", head_dim));
  if (file.Find("rope_factors_long.weight") != nullptr || file.Find("rope_factors_short.weight") != nullptr) {
    ORRERY_ASSIGN_OR_RETURN(shape.rope.factors, Factors(file, "rope_factors_short.weight", head_dim));
    ORRERY_ASSIGN_OR_RETURN(shape.rope.long_factors, Factors(file, "rope_factors_long.weight", head_dim));
    ORRERY_ASSIGN_OR_RETURN(shape.rope.original_context, keys.Dimension("rope.scaling.original_context_length"));
    if (shape.rope.factors.empty() || shape.rope.long_factors.empty())
      return InvalidInput("{}: tensors 'rope_factors_short.weight' and 'rope_factors_long.weight' belong together",
                          file.path().string());
    const double stretched = double(shape.context_length) / shape.rope.original_context;
    ORRERY_ASSIGN_OR_RETURN(
        shape.rope.magnitude,
        keys.FloatOr("rope.scaling.attn_factor", LongRopeMagnitude(stretched, shape.rope.original_context)));
  }
  if (!keys.Has("rope.scaling.type")) return absl::OkStatus();
  ORRERY_ASSIGN_OR_RETURN(const std::string_view type, file.String(keys.Name("rope.scaling.type")));
  if (type == "linear") {
    ORRERY_ASSIGN_OR_RETURN(const double factor, file.Float(keys.Name("rope.scaling.factor")));
    if (!(factor >= 1) || factor > 1e6)
      return InvalidInput("{}: key '{}' is {}; expected a number from 1 to 1e6", file.path().string(),
                          keys.Name("rope.scaling.factor"), factor);
    shape.rope.factors.assign(head_dim / 2, static_cast<float>(factor));
  } else if (type != "none" && (type != "longrope" || shape.rope.long_factors.empty())) {
    return InvalidInput(
        "{}: key '{}' is '{}'; RoPE scaling by 'none', 'linear' or 'longrope' (with its factors) was expected",
        file.path().string(), keys.Name("rope.scaling.type"), type);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<ModelShape> ReadShape(const GgufFile& file) {
  ModelShape shape;
  ORRERY_ASSIGN_OR_RETURN(const std::string_view architecture, file.String("general.architecture"));
  if (architecture != "qwen2" && architecture != "llama" && architecture != "phi3") {
    return InvalidInput("{}: key 'general.architecture' is '{}'; expected 'qwen2', 'llama' or 'phi3'",
                        file.path().string(), architecture);
  }
  shape.architecture = std::string(architecture);
  const Keys keys(file, shape.architecture);
  shape.qkv_bias = architecture == "qwen2";
  shape.fused = architecture == "phi3";
  shape.pairs = architecture == "llama" ? kernels::RopePairs::kInterleaved : kernels::RopePairs::kHalves;
  ORRERY_ASSIGN_OR_RETURN(shape.layers, keys.Dimension("block_count"));
  ORRERY_ASSIGN_OR_RETURN(shape.width, keys.Dimension("embedding_length"));
  ORRERY_ASSIGN_OR_RETURN(shape.feed_forward, keys.Dimension("feed_forward_length"));
  ORRERY_ASSIGN_OR_RETURN(shape.context_length, keys.Dimension("context_length"));
  ORRERY_ASSIGN_OR_RETURN(shape.attention.heads, keys.Dimension("attention.head_count"));
  ORRERY_ASSIGN_OR_RETURN(shape.attention.kv_heads, keys.DimensionOr("attention.head_count_kv", shape.attention.heads));
  ORRERY_ASSIGN_OR_RETURN(shape.attention.head_dim,
                          keys.DimensionOr("attention.key_length", shape.width / shape.attention.heads));
  ORRERY_ASSIGN_OR_RETURN(const int rotated, keys.DimensionOr("rope.dimension_count", shape.attention.head_dim));
  ORRERY_RETURN_IF_ERROR(CheckShape(shape, rotated, file.path().string()));
  ORRERY_ASSIGN_OR_RETURN(const double epsilon, file.Float(keys.Name("attention.layer_norm_rms_epsilon")));
  shape.norm_epsilon = static_cast<float>(epsilon);
  ORRERY_ASSIGN_OR_RETURN(shape.window, keys.DimensionOr("attention.sliding_window", 0));
  ORRERY_RETURN_IF_ERROR(ReadRope(file, keys, shape));
  const GgufTensor* embedding = file.Find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2 ||
      embedding->shape[0] != static_cast<uint64_t>(shape.width) || embedding->shape[1] == 0 ||
      embedding->shape[1] > std::numeric_limits<int>::max()) {
    return InvalidInput("{}: tensor 'token_embd.weight' is missing or not [{}, vocabulary]", file.path().string(),
                        shape.width);
  }
  shape.vocabulary = static_cast<int>(embedding->shape[1]);
  return shape;
}

namespace {

class GgufSource final : public ModelSource {
 public:
  explicit GgufSource(std::unique_ptr<GgufFile> file) : file_(std::move(file)) {}

  const std::filesystem::path& path() const override { return file_->path(); }
  StatusOr<ModelShape> Shape() const override { return ReadShape(*file_); }
  StatusOr<std::unique_ptr<Tokenizer>> ReadTokenizer() const override { return Tokenizer::FromGguf(*file_); }
  StatusOr<std::string> ChatTemplate() const override {
    if (!file_->metadata().contains("tokenizer.chat_template")) return std::string();
    ORRERY_ASSIGN_OR_RETURN(const std::string_view text, file_->String("tokenizer.chat_template"));
    return std::string(text);
  }
  const GgufTensor* Find(std::string_view name) const override { return file_->Find(name); }
  std::string Describe(std::string_view name) const override {
    return fmt::format("{}: tensor '{}'", file_->path().string(), name);
  }

 private:
  std::unique_ptr<GgufFile> file_;
};

}  // namespace

std::unique_ptr<ModelSource> FromGguf(std::unique_ptr<GgufFile> file) {
  return std::make_unique<GgufSource>(std::move(file));
}

StatusOr<std::unique_ptr<ModelSource>> ModelSource::Open(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return OpenHfFolder(path);
  ORRERY_ASSIGN_OR_RETURN(auto file, GgufFile::Open(path));
  return FromGguf(std::move(file));
}

}  // namespace orrery::model
