// SPDX-License-Identifier: Apache-2.0
#include "model/source/hf_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace orrery::model {
namespace {

using Json = nlohmann::json;

constexpr int kLargest = 1 << 24;

// Typed access to an object's keys. A key whose value is null is as good as absent, as transformers has it.
class Keys {
 public:
  Keys(const Json& json, const std::string& file) : json_(json), file_(file) {}

  const Json* Find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  template <class... Args>
  Status Bad(const char* key, fmt::format_string<Args...> format, Args&&... args) const {
    return InvalidInput("{}: key '{}' {}", file_, key, fmt::format(format, std::forward<Args>(args)...));
  }
  StatusOr<int> Dimension(const char* key) const {
    const Json* value = Find(key);
    if (value == nullptr) return Bad(key, "is missing; a number from 1 to {} was expected", kLargest);
    if (!value->is_number_unsigned() || *value < 1 || *value > kLargest)
      return Bad(key, "is {}; a number from 1 to {} was expected", value->dump(), kLargest);
    return value->get<int>();
  }
  StatusOr<int> DimensionOr(const char* key, int otherwise) const {
    if (Find(key) == nullptr) return otherwise;
    return Dimension(key);
  }
  // Above 0.
  StatusOr<double> Number(const char* key) const {
    const Json* value = Find(key);
    if (value == nullptr) return Bad(key, "is missing; a number above 0 was expected");
    if (!value->is_number() || !(value->get<double>() > 0) || !std::isfinite(value->get<double>()))
      return Bad(key, "is {}; a number above 0 was expected", value->dump());
    return value->get<double>();
  }
  StatusOr<double> NumberOr(const char* key, double otherwise) const {
    if (Find(key) == nullptr) return otherwise;
    return Number(key);
  }
  StatusOr<std::vector<float>> Factors(const char* key, size_t count) const {
    const Json* value = Find(key);
    std::vector<float> factors;
    if (value == nullptr || !value->is_array() || value->size() != count)
      return Bad(key, "holds {} elements; {} factors were expected", value == nullptr ? 0 : value->size(), count);
    for (const Json& factor : *value) {
      if (!factor.is_number() || !(factor.get<double>() > 0))
        return Bad(key, "holds {}; numbers above 0 were expected", factor.dump());
      factors.push_back(factor.get<float>());
    }
    return factors;
  }
  // Refuses a value that we would compute wrongly.
  Status Only(const char* key, const Json& expected) const {
    const Json* value = Find(key);
    if (value == nullptr || *value == expected) return absl::OkStatus();
    return Bad(key, "is {}; only {} is supported", value->dump(), expected.dump());
  }
  const std::string& file() const { return file_; }

 private:
  const Json& json_;
  const std::string& file_;
};

Status Longrope(const Keys& config, const Keys& rope, ModelShape& shape) {
  const size_t pairs = shape.attention.head_dim / 2;
  ORRERY_ASSIGN_OR_RETURN(shape.rope.factors, rope.Factors("short_factor", pairs));
  ORRERY_ASSIGN_OR_RETURN(shape.rope.long_factors, rope.Factors("long_factor", pairs));
  const Keys& holder = rope.Find("original_max_position_embeddings") != nullptr ? rope : config;
  ORRERY_ASSIGN_OR_RETURN(shape.rope.original_context, holder.Dimension("original_max_position_embeddings"));
  ORRERY_ASSIGN_OR_RETURN(const double factor,
                          rope.NumberOr("factor", double(shape.context_length) / shape.rope.original_context));
  ORRERY_ASSIGN_OR_RETURN(shape.rope.magnitude,
                          rope.NumberOr("attention_factor", LongRopeMagnitude(factor, shape.rope.original_context)));
  return absl::OkStatus();
}

Status Llama3(const Keys& rope, ModelShape& shape) {
  Llama3Scaling scaling{};
  ORRERY_ASSIGN_OR_RETURN(scaling.factor, rope.Number("factor"));
  ORRERY_ASSIGN_OR_RETURN(scaling.low, rope.Number("low_freq_factor"));
  ORRERY_ASSIGN_OR_RETURN(scaling.high, rope.Number("high_freq_factor"));
  ORRERY_ASSIGN_OR_RETURN(scaling.original_context, rope.Dimension("original_max_position_embeddings"));
  if (scaling.high <= scaling.low)
    return rope.Bad("high_freq_factor", "is {}; a number above low_freq_factor ({}) was expected", scaling.high,
                    scaling.low);
  shape.rope.factors = Llama3Factors(scaling, shape.rope_base, shape.attention.head_dim);
  return absl::OkStatus();
}

// Older files have rope_theta and rope_scaling, newer ones both in rope_parameters.
Status ReadRope(const Keys& config, ModelShape& shape) {
  const char* key = config.Find("rope_parameters") != nullptr ? "rope_parameters" : "rope_scaling";
  const Json none = Json::object();
  const Json& scaling = config.Find(key) == nullptr ? none : *config.Find(key);
  if (!scaling.is_object()) return config.Bad(key, "is {}; an object was expected", scaling.dump());
  const Keys rope(scaling, config.file());
  const Keys& base = rope.Find("rope_theta") != nullptr ? rope : config;
  ORRERY_ASSIGN_OR_RETURN(const double theta, base.NumberOr("rope_theta", 10000));
  shape.rope_base = static_cast<float>(theta);
  ORRERY_RETURN_IF_ERROR(rope.Only("partial_rotary_factor", 1.0));
  const Json* type = rope.Find("rope_type") != nullptr ? rope.Find("rope_type") : rope.Find("type");
  if (type == nullptr || *type == "default") return absl::OkStatus();
  if (*type == "llama3") return Llama3(rope, shape);
  if (*type == "longrope" || *type == "su") return Longrope(config, rope, shape);
  if (*type == "linear") {
    ORRERY_ASSIGN_OR_RETURN(const double factor, rope.Number("factor"));
    shape.rope.factors.assign(shape.attention.head_dim / 2, static_cast<float>(factor));
    return absl::OkStatus();
  }
  return config.Bad(key, "asks for RoPE scaling {}; default, linear, llama3 or longrope was expected", type->dump());
}

Status ReadWindow(const Keys& config, const std::string& family, ModelShape& shape) {
  if (family == "llama" || config.Find("sliding_window") == nullptr) return absl::OkStatus();
  if (family == "qwen2" && (config.Find("use_sliding_window") == nullptr || *config.Find("use_sliding_window") != true))
    return absl::OkStatus();
  ORRERY_ASSIGN_OR_RETURN(shape.window, config.Dimension("sliding_window"));
  if (family != "qwen2") return absl::OkStatus();
  // Qwen2's first max_window_layers layers see all.
  const Json* full = config.Find("max_window_layers");
  if (full == nullptr || *full == 0) return absl::OkStatus();
  if (!full->is_number_unsigned() || *full < shape.layers) {
    return config.Bad("max_window_layers", "is {} of {} layers; a window in some layers only is not supported",
                      full->dump(), shape.layers);
  }
  shape.window = 0;
  return absl::OkStatus();
}

// A reward model as transformers has it: a class for sequences with one label, beside it how its output becomes a
// score.
Status ReadScore(const Keys& config, ModelShape& shape) {
  const Json* classes = config.Find("architectures");
  if (classes == nullptr || !classes->is_array() || classes->empty() || !(*classes)[0].is_string() ||
      !(*classes)[0].get_ref<const std::string&>().ends_with("ForSequenceClassification"))
    return absl::OkStatus();
  const Json* labels = config.Find("id2label");
  if (labels == nullptr || labels->size() != 1) {
    return config.Bad("id2label", "names {} labels; one was expected of a model that scores",
                      labels == nullptr ? 0 : labels->size());
  }
  ORRERY_ASSIGN_OR_RETURN(shape.score_scale, config.NumberOr("score_scale", 1));
  return absl::OkStatus();
}

Status CheckLayerTypes(const Keys& config, const ModelShape& shape) {
  const Json* types = config.Find("layer_types");
  if (types == nullptr) return absl::OkStatus();
  const char* expected = shape.window > 0 ? "sliding_attention" : "full_attention";
  if (!types->is_array()) return config.Bad("layer_types", "is no list");
  for (const Json& type : *types) {
    if (type != expected)
      return config.Bad("layer_types", "holds {}; {} in all layers was expected", type.dump(), expected);
  }
  return absl::OkStatus();
}

// What we would silently get wrong.
Status RefuseUnknown(const Keys& config) {
  ORRERY_RETURN_IF_ERROR(config.Only("hidden_act", "silu"));
  ORRERY_RETURN_IF_ERROR(config.Only("attention_bias", false));
  ORRERY_RETURN_IF_ERROR(config.Only("mlp_bias", false));
  ORRERY_RETURN_IF_ERROR(config.Only("partial_rotary_factor", 1.0));
  if (config.Find("quantization_config") != nullptr)
    return config.Bad("quantization_config", "is there; plain float32, float16 or bfloat16 weights were expected");
  return absl::OkStatus();
}

}  // namespace

StatusOr<HfConfig> ReadHfConfig(const Json& json, const std::string& file) {
  if (!json.is_object()) return InvalidInput("{}: no JSON object", file);
  const Keys config(json, file);
  HfConfig result;
  ModelShape& shape = result.shape;
  const Json* type = config.Find("model_type");
  const std::string family = type != nullptr && type->is_string() ? type->get<std::string>() : "";
  if (family != "qwen2" && family != "llama" && family != "mistral" && family != "phi3") {
    return config.Bad("model_type", "is {}; qwen2, llama, mistral or phi3 was expected",
                      type == nullptr ? "missing" : type->dump());
  }
  ORRERY_RETURN_IF_ERROR(RefuseUnknown(config));
  shape.architecture = family == "mistral" ? "llama" : family;
  shape.qkv_bias = family == "qwen2";
  shape.fused = family == "phi3";
  ORRERY_ASSIGN_OR_RETURN(shape.layers, config.Dimension("num_hidden_layers"));
  ORRERY_ASSIGN_OR_RETURN(shape.width, config.Dimension("hidden_size"));
  ORRERY_ASSIGN_OR_RETURN(shape.feed_forward, config.Dimension("intermediate_size"));
  ORRERY_ASSIGN_OR_RETURN(shape.vocabulary, config.Dimension("vocab_size"));
  ORRERY_ASSIGN_OR_RETURN(shape.context_length, config.Dimension("max_position_embeddings"));
  ORRERY_ASSIGN_OR_RETURN(shape.attention.heads, config.Dimension("num_attention_heads"));
  ORRERY_ASSIGN_OR_RETURN(shape.attention.kv_heads, config.DimensionOr("num_key_value_heads", shape.attention.heads));
  ORRERY_ASSIGN_OR_RETURN(shape.attention.head_dim,
                          config.DimensionOr("head_dim", shape.width / shape.attention.heads));
  ORRERY_ASSIGN_OR_RETURN(const double epsilon, config.Number("rms_norm_eps"));
  shape.norm_epsilon = static_cast<float>(epsilon);
  ORRERY_RETURN_IF_ERROR(CheckShape(shape, shape.attention.head_dim, file));
  ORRERY_RETURN_IF_ERROR(ReadRope(config, shape));
  ORRERY_RETURN_IF_ERROR(ReadWindow(config, family, shape));
  ORRERY_RETURN_IF_ERROR(CheckLayerTypes(config, shape));
  ORRERY_RETURN_IF_ERROR(ReadScore(config, shape));
  if (const Json* tied = config.Find("tie_word_embeddings")) {
    if (!tied->is_boolean())
      return config.Bad("tie_word_embeddings", "is {}; true or false was expected", tied->dump());
    result.tied = tied->get<bool>();
  }
  return result;
}

}  // namespace orrery::model
