// SPDX-License-Identifier: Apache-2.0
// Tiny models of each family against transformers' float32 logits (golden/make_families_golden.py), as folders and as
// GGUF files, with prompts longer than the sliding window and the original context.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/paths.h"
#include "model/engine.h"
#include "model/source/hf_export.h"
#include "model/source/model_source.h"
#include "tests/model/gguf_builder.h"
#include "tests/model/tiny_model.h"

namespace orrery::model {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
namespace fs = std::filesystem;

const Json& Golden() {
  static const Json golden = Json::parse(ReadFile(*DataFile("tests/model/golden/families.json")).value());
  return golden;
}

fs::path Folder(const std::string& name) { return fs::path(testing::TempDir()) / name; }

StatusOr<std::unique_ptr<Engine>> LoadTiny(const fs::path& path, int context,
                                           Precision precision = Precision::kFloat32) {
  EngineOptions options;
  options.precision = precision;
  options.threads = 2;
  options.kv_bytes = uint64_t{16} << 20;
  options.context_length = context;
  return Engine::Load(path, options);
}

// The largest distance from the golden logits.
double Distance(const fs::path& path, const Json& golden, Precision precision = Precision::kFloat32) {
  const auto engine = LoadTiny(path, golden["context_length"].get<int>(), precision);
  EXPECT_TRUE(engine.ok()) << engine.status();
  if (!engine.ok()) return 1e9;
  const auto logits = (*engine)->Logits(golden["prompt"].get<std::vector<TokenId>>());
  EXPECT_TRUE(logits.ok()) << logits.status();
  double largest = 0;
  for (const auto& [row, expected] : golden["logits"].items()) {
    for (size_t i = 0; i < expected.size(); ++i) {
      const double actual = (*logits)[std::stoul(row) * expected.size() + i];
      largest = std::max(largest, std::abs(actual - expected[i].get<double>()));
    }
  }
  return largest;
}

class Families : public ::testing::TestWithParam<std::string> {
 protected:
  const Json& golden_ = Golden()[GetParam()];
  TinyModel model_{golden_["config"], golden_["tensors"]};
};

TEST_P(Families, LogitsOfAFolderAreThoseOfTransformers) {
  const fs::path folder = Folder("hf_" + GetParam());
  model_.Write(folder);
  EXPECT_LT(Distance(folder, golden_), 1e-4);
  model_.config = golden_["saved"];
  model_.Write(folder, 3);
  EXPECT_LT(Distance(folder, golden_), 1e-4);
  EXPECT_LT(Distance(folder, golden_, Precision::kBfloat16), 0.5);
  const fs::path out = Folder("again_" + GetParam());
  fs::remove_all(out);
  const Status status = ExportHfFolder(folder, out);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_LT(Distance(out, golden_), 1e-4);
}

// In GGUF's llama files the rows of queries and keys are paired by neighbours.
std::vector<float> Paired(const std::vector<float>& rows, int heads, int head_dim) {
  const size_t width = rows.size() / (static_cast<size_t>(heads) * head_dim);
  std::vector<float> paired(rows.size());
  for (int h = 0; h < heads; ++h) {
    for (int i = 0; i < head_dim; ++i) {
      const size_t to = static_cast<size_t>(h) * head_dim + 2 * (i % (head_dim / 2)) + i / (head_dim / 2);
      std::copy_n(&rows[(static_cast<size_t>(h) * head_dim + i) * width], width, &paired[to * width]);
    }
  }
  return paired;
}

class GgufWriter {
 public:
  explicit GgufWriter(const ModelShape& shape) : shape_(shape), prefix_(shape.architecture + ".") {
    using B = GgufBuilder;
    builder_.Key("general.architecture", B::kString, B::Sized(shape.architecture));
    Number("block_count", shape.layers), Number("embedding_length", shape.width);
    Number("feed_forward_length", shape.feed_forward), Number("context_length", 128);
    Number("attention.head_count", shape.attention.heads), Number("attention.head_count_kv", shape.attention.kv_heads);
    Number("attention.key_length", shape.attention.head_dim);
    if (shape.window > 0) Number("attention.sliding_window", shape.window);
    Real("attention.layer_norm_rms_epsilon", shape.norm_epsilon), Real("rope.freq_base", shape.rope_base);
    const std::string types = B::Raw<int32_t>(1), token = B::Sized("a");
    builder_.Key("tokenizer.ggml.model", B::kString, B::Sized("gpt2"));
    builder_.Key("tokenizer.ggml.pre", B::kString, B::Sized("gpt-2"));
    builder_.Key("tokenizer.ggml.tokens", B::kArray, B::Array(B::kString, 1, token));
    builder_.Key("tokenizer.ggml.token_type", B::kArray, B::Array(B::kInt32, 1, types));
    builder_.Key("tokenizer.ggml.merges", B::kArray, B::Array(B::kString, 0, ""));
    const RopeScaling& rope = shape.rope;
    if (!rope.long_factors.empty()) {
      Number("rope.scaling.original_context_length", rope.original_context);
      Real("rope.scaling.attn_factor", static_cast<float>(rope.magnitude));
      Tensor("rope_factors_short.weight", rope.factors, {rope.factors.size()});
      Tensor("rope_factors_long.weight", rope.long_factors, {rope.factors.size()});
    } else if (!rope.factors.empty()) {
      Tensor("rope_freqs.weight", rope.factors, {rope.factors.size()});
    }
  }
  void Tensor(const std::string& name, const std::vector<float>& values, std::vector<uint64_t> shape) {
    builder_.Tensor(name, shape, 0, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }
  // A tensor of the source, by its name in GGUF.
  void Copy(const ModelSource& source, const std::string& name) {
    const GgufTensor* tensor = source.Find(name);
    if (tensor == nullptr) return;
    std::vector<float> values(tensor->elements());
    Dequantise(*tensor, 0, values.size(), values.data());
    if (shape_.architecture == "llama" && name.ends_with("attn_q.weight"))
      values = Paired(values, shape_.attention.heads, shape_.attention.head_dim);
    if (shape_.architecture == "llama" && name.ends_with("attn_k.weight"))
      values = Paired(values, shape_.attention.kv_heads, shape_.attention.head_dim);
    Tensor(name, values, tensor->shape);
  }
  std::string Bytes() const { return builder_.Bytes(); }

 private:
  void Number(const std::string& key, int value) {
    builder_.Key(prefix_ + key, GgufBuilder::kUint32, GgufBuilder::Raw<uint32_t>(static_cast<uint32_t>(value)));
  }
  void Real(const std::string& key, float value) {
    builder_.Key(prefix_ + key, GgufBuilder::kFloat32, GgufBuilder::Raw(value));
  }
  ModelShape shape_;
  std::string prefix_;
  GgufBuilder builder_;
};

TEST_P(Families, LogitsOfAGgufFileAreThoseOfTransformers) {
  const fs::path folder = Folder("gg_" + GetParam()), path = Folder("gg_" + GetParam() + ".gguf");
  model_.Write(folder);
  const auto source = ModelSource::Open(folder);
  ASSERT_TRUE(source.ok()) << source.status();
  const ModelShape shape = (*source)->Shape().value();
  GgufWriter writer(shape);
  for (const std::string name : {"token_embd.weight", "output_norm.weight", "output.weight"})
    writer.Copy(**source, name);
  for (int i = 0; i < shape.layers; ++i) {
    for (const std::string part : {"attn_norm.weight", "ffn_norm.weight", "attn_q.weight", "attn_k.weight",
                                   "attn_v.weight", "attn_qkv.weight", "attn_q.bias", "attn_k.bias", "attn_v.bias",
                                   "attn_output.weight", "ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"})
      writer.Copy(**source, fmt::format("blk.{}.{}", i, part));
  }
  std::ofstream(path, std::ios::binary) << writer.Bytes();
  EXPECT_LT(Distance(path, golden_), 1e-4);

  const fs::path out = Folder("out_" + GetParam());
  fs::remove_all(out);
  const Status status = ExportHfFolder(path, out, {.shard_bytes = 20000});
  EXPECT_EQ(status.ok(), GetParam() != "llama3") << status;  // a GGUF file keeps the factors, not what they came from
  for (const auto& entry : fs::directory_iterator(testing::TempDir()))
    EXPECT_EQ(entry.path().string().find(".partial"), std::string::npos) << entry.path();
  if (!status.ok()) {
    EXPECT_THAT(Message(status), HasSubstr("'rope_freqs.weight': config.json has no way to say"));
    return;
  }
  EXPECT_TRUE(fs::exists(out / "model.safetensors.index.json"));
  EXPECT_LT(Distance(out, golden_), 1e-4);
  EXPECT_THAT(Message(ExportHfFolder(path, out)), HasSubstr("is there already"));
}

INSTANTIATE_TEST_SUITE_P(Cases, Families,
                         ::testing::Values("qwen2", "qwen2_tied", "llama2", "llama3", "llama_linear", "mistral",
                                           "mistral_whole", "phi3", "phi3_long", "phi3_short"),
                         [](const auto& info) { return info.param; });

class Refusals : public ::testing::Test {
 protected:
  // What loading says after `change` was made to a case's folder.
  template <class Change>
  std::string Refused(const std::string& name, Change change) {
    TinyModel model(Golden()[name]["config"], Golden()[name]["tensors"]);
    change(model);
    model.Write(Folder("refused"), shards_, last_);
    const auto engine = LoadTiny(Folder("refused"), 0);
    EXPECT_FALSE(engine.ok());
    const std::string message = Message(engine.status());
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message;
  }
  int shards_ = 1;
  bool last_ = true;
};

TEST_F(Refusals, NameTheKeyOfTheConfiguration) {
  const auto with = [&](const std::string& name, const std::string& patch) {
    return Refused(name, [&](TinyModel& model) { model.config.merge_patch(Json::parse(patch)); });
  };
  EXPECT_THAT(with("llama2", R"({"model_type":"mamba"})"),
              HasSubstr("config.json: key 'model_type' is \"mamba\"; qwen2"));
  EXPECT_THAT(with("llama2", R"({"rope_scaling":{"rope_type":"yarn","factor":4.0}})"),
              HasSubstr("key 'rope_scaling' asks for RoPE scaling \"yarn\"; default, linear"));
  EXPECT_THAT(with("llama3", R"({"rope_scaling":{"factor":null}})"), HasSubstr("key 'factor' is missing"));
  EXPECT_THAT(with("phi3_long", R"({"rope_scaling":{"long_factor":[1]}})"),
              HasSubstr("'long_factor' holds 1 elements; 8"));
  EXPECT_THAT(with("llama2", R"({"hidden_size":null})"), HasSubstr("key 'hidden_size' is missing"));
  EXPECT_THAT(with("llama2", R"({"hidden_act":"gelu"})"), HasSubstr("key 'hidden_act' is \"gelu\"; only \"silu\""));
  EXPECT_THAT(with("llama2", R"({"num_key_value_heads":3})"), HasSubstr("4 heads cannot share 3"));
  EXPECT_THAT(with("qwen2", R"({"use_sliding_window":true,"max_window_layers":1})"),
              HasSubstr("'max_window_layers' is 1"));
  EXPECT_THAT(with("llama2", R"({"quantization_config":{}})"), HasSubstr("'quantization_config' is there"));
  EXPECT_THAT(with("phi3", R"({"partial_rotary_factor":0.75})"), HasSubstr("'partial_rotary_factor' is 0.75"));
  EXPECT_THAT(with("llama2", R"({"vocab_size":95})"), HasSubstr("has 96 rows; 95 were expected (key 'vocab_size'"));
  EXPECT_THAT(with("llama2", R"({"intermediate_size":112})"),
              HasSubstr("mlp.down_proj.weight' has the shape [96, 64]; expected [112, 64]"));
}

TEST_F(Refusals, NameTheTensor) {
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  EXPECT_THAT(Refused("llama2", [&](TinyModel& model) { model.weights.erase(name); }),
              HasSubstr("model.safetensors: tensor '" + name + "' is missing"));
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(Refused("llama2", [&](TinyModel& model) { model.weights[name][64 * 17 + 3] = bad; }),
                HasSubstr("tensor '" + name + "': row 17 holds a NaN or an infinity"));
  }
  EXPECT_THAT(Refused("llama2", [&](TinyModel& model) { model.weights["model.norm.weight"][1] = std::nanf(""); }),
              HasSubstr("tensor 'model.norm.weight': row 0 holds a NaN"));
  EXPECT_THAT(
      Refused("llama2", [&](TinyModel& model) { model.weights["model.embed_tokens.weight"][64 * 5] = std::nanf(""); }),
      HasSubstr("tensor 'model.embed_tokens.weight': row 5 holds a NaN"));
  EXPECT_THAT(Refused("llama2",
                      [&](TinyModel& model) {
                        model.shapes["model.layers.0.self_attn.q_proj.bias"] = {64};
                        model.weights["model.layers.0.self_attn.q_proj.bias"].resize(64);
                      }),
              HasSubstr("'model.layers.0.self_attn.q_proj.bias' is none that a llama model"));
  EXPECT_THAT(Refused("llama2", [&](TinyModel& model) { model.weights.erase("lm_head.weight"); }),
              HasSubstr("tensor 'lm_head.weight' is missing"));
  shards_ = 2, last_ = false;
  EXPECT_THAT(Refused("llama2", [](TinyModel&) {}), HasSubstr("shard 'model-2.safetensors' is missing"));
}

TEST_F(Refusals, ATokenizerThatIsLargerThanTheModel) {
  EXPECT_THAT(Refused("llama2",
                      [](TinyModel& model) {
                        Json tokenizer = Json::parse(model.tokenizer);
                        tokenizer["model"]["vocab"]["d"] = 96;
                        model.tokenizer = tokenizer.dump();
                      }),
              HasSubstr("tokenizer.json: 97 tokens, but key 'vocab_size' of config.json is 96"));
}

}  // namespace
}  // namespace orrery::model
