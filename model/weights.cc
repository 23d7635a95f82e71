// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <limits>
#include <utility>

namespace orrery::model {
namespace {

// Reads `<architecture>.<key>` as a positive int.
StatusOr<int> Dimension(const GgufFile& file, const std::string& architecture, std::string_view key) {
  const std::string name = fmt::format("{}.{}", architecture, key);
  ORRERY_ASSIGN_OR_RETURN(const uint64_t value, file.Unsigned(name));
  if (value == 0 || value > 1u << 24) {
    return InvalidInput("{}: key '{}' is {}; expected a number from 1 to {}", file.path().string(), name, value,
                        1u << 24);
  }
  return static_cast<int>(value);
}

StatusOr<int> DimensionOr(const GgufFile& file, const std::string& architecture, std::string_view key, int otherwise) {
  if (!file.metadata().contains(fmt::format("{}.{}", architecture, key))) return otherwise;
  return Dimension(file, architecture, key);
}

std::string ShapeText(const std::vector<uint64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

StatusOr<const GgufTensor*> Tensor(const GgufFile& file, const std::string& name, const std::vector<uint64_t>& shape) {
  const GgufTensor* tensor = file.Find(name);
  if (tensor == nullptr) return InvalidInput("{}: tensor '{}' is missing", file.path().string(), name);
  if (tensor->shape != shape) {
    return InvalidInput("{}: tensor '{}' has the shape {}; expected {}", file.path().string(), name,
                        ShapeText(tensor->shape), ShapeText(shape));
  }
  return tensor;
}

StatusOr<std::vector<float>> Vector(const GgufFile& file, const std::string& name, int width) {
  ORRERY_ASSIGN_OR_RETURN(const GgufTensor* tensor, Tensor(file, name, {static_cast<uint64_t>(width)}));
  std::vector<float> values(width);
  Dequantise(*tensor, 0, width, values.data());
  return values;
}

std::unique_ptr<kernels::Buffer> Uploaded(const std::vector<float>& values, kernels::Device& device) {
  auto buffer = device.NewBuffer(kernels::Type::kFloat32, values.size());
  device.Upload(values.data(), values.size() * sizeof(float), *buffer, 0);
  return buffer;
}

// Row i of a packed matrix is row `row` of `tensor`.
struct Source {
  const GgufTensor* tensor;
  int row;
};

std::unique_ptr<kernels::WeightMatrix> PackRows(const std::vector<Source>& rows, int k, kernels::Device& device,
                                                kernels::ThreadPool& pool) {
  std::unique_ptr<kernels::WeightMatrix> matrix = device.NewMatrix(static_cast<int>(rows.size()), k);
  pool.ParallelFor(matrix->blocks(), [&](int block, int) {
    std::vector<float> values(static_cast<size_t>(matrix->columns(block)) * k);
    for (int c = 0; c < matrix->columns(block); ++c) {
      const Source& source = rows[static_cast<size_t>(block) * matrix->block_columns() + c];
      Dequantise(*source.tensor, static_cast<uint64_t>(source.row) * k, k, &values[static_cast<size_t>(c) * k]);
    }
    matrix->Pack(block, values.data());
  });
  return matrix;
}

void Append(std::vector<Source>& rows, const GgufTensor* tensor, int first, int count) {
  for (int i = 0; i < count; ++i) rows.push_back({tensor, first + i});
}

class Loader {
 public:
  Loader(const GgufFile& file, const ModelShape& shape, kernels::Device& device, kernels::ThreadPool& pool)
      : file_(file), shape_(shape), device_(device), pool_(pool) {}

  StatusOr<LayerWeights> Layer(int number) {
    prefix_ = fmt::format("blk.{}.", number);
    LayerWeights layer;
    ORRERY_ASSIGN_OR_RETURN(const auto attention_norm, Vector(file_, prefix_ + "attn_norm.weight", shape_.width));
    ORRERY_ASSIGN_OR_RETURN(const auto feed_forward_norm, Vector(file_, prefix_ + "ffn_norm.weight", shape_.width));
    layer.attention_norm = Uploaded(attention_norm, device_);
    layer.feed_forward_norm = Uploaded(feed_forward_norm, device_);
    if (shape_.qkv_bias) {
      std::vector<float> all;
      for (const auto& [name, width] : Projections()) {
        ORRERY_ASSIGN_OR_RETURN(const std::vector<float> bias, Vector(file_, prefix_ + name + ".bias", width));
        all.insert(all.end(), bias.begin(), bias.end());
      }
      layer.qkv_bias = Uploaded(all, device_);
    }
    std::vector<Source> rows;
    for (const auto& [name, width] : Projections()) {
      ORRERY_ASSIGN_OR_RETURN(const GgufTensor* tensor, Weight(name, shape_.width, width));
      Append(rows, tensor, 0, width);
    }
    layer.qkv = PackRows(rows, shape_.width, device_, pool_);
    ORRERY_ASSIGN_OR_RETURN(layer.output, Whole("attn_output", shape_.query_width(), shape_.width));
    ORRERY_ASSIGN_OR_RETURN(layer.down, Whole("ffn_down", shape_.feed_forward, shape_.width));
    ORRERY_ASSIGN_OR_RETURN(const GgufTensor* gate, Weight("ffn_gate", shape_.width, shape_.feed_forward));
    ORRERY_ASSIGN_OR_RETURN(const GgufTensor* up, Weight("ffn_up", shape_.width, shape_.feed_forward));
    rows.clear();
    for (int i = 0; i < shape_.feed_forward; i += kGateRun) {
      Append(rows, gate, i, kGateRun);
      Append(rows, up, i, kGateRun);
    }
    layer.gate_up = PackRows(rows, shape_.width, device_, pool_);
    return layer;
  }

 private:
  std::vector<std::pair<std::string, int>> Projections() const {
    return {{"attn_q", shape_.query_width()}, {"attn_k", shape_.key_width()}, {"attn_v", shape_.key_width()}};
  }

  StatusOr<const GgufTensor*> Weight(const std::string& name, int k, int n) {
    return Tensor(file_, prefix_ + name + ".weight", {static_cast<uint64_t>(k), static_cast<uint64_t>(n)});
  }

  StatusOr<std::unique_ptr<kernels::WeightMatrix>> Whole(const std::string& name, int k, int n) {
    ORRERY_ASSIGN_OR_RETURN(const GgufTensor* tensor, Weight(name, k, n));
    std::vector<Source> rows;
    Append(rows, tensor, 0, n);
    return PackRows(rows, k, device_, pool_);
  }

  const GgufFile& file_;
  const ModelShape& shape_;
  kernels::Device& device_;
  kernels::ThreadPool& pool_;
  std::string prefix_;
};

// What we would silently get wrong.
Status RefuseUnknown(const GgufFile& file, const std::string& architecture) {
  const std::string scaling = architecture + ".rope.scaling.type";
  if (file.metadata().contains(scaling)) {
    ORRERY_ASSIGN_OR_RETURN(const std::string_view type, file.String(scaling));
    if (type != "none")
      return InvalidInput("{}: key '{}' is '{}'; RoPE scaling is not supported", file.path().string(), scaling, type);
  }
  if (file.Find("rope_freqs.weight") != nullptr) {
    return InvalidInput("{}: tensor 'rope_freqs.weight': RoPE scaling is not supported", file.path().string());
  }
  return absl::OkStatus();
}

Status CheckConsistent(const GgufFile& file, const ModelShape& shape, int rotated) {
  const kernels::AttentionShape& attention = shape.attention;
  const std::string path = file.path().string();
  if (attention.heads % attention.kv_heads != 0) {
    return InvalidInput("{}: {} heads cannot share {} key-value heads", path, attention.heads, attention.kv_heads);
  }
  if (attention.head_dim % 16 != 0 || rotated != attention.head_dim) {
    return InvalidInput("{}: heads of width {} of which {} are rotated; expected a multiple of 16, all rotated", path,
                        attention.head_dim, rotated);
  }
  if (shape.feed_forward % kGateRun != 0) {
    return InvalidInput("{}: a feed-forward width of {}; expected a multiple of {}", path, shape.feed_forward,
                        kGateRun);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<ModelShape> ReadShape(const GgufFile& file) {
  ModelShape shape;
  ORRERY_ASSIGN_OR_RETURN(const std::string_view architecture, file.String("general.architecture"));
  if (architecture != "qwen2" && architecture != "llama") {
    return InvalidInput("{}: key 'general.architecture' is '{}'; expected 'qwen2' or 'llama'", file.path().string(),
                        architecture);
  }
  const std::string name = shape.architecture = std::string(architecture);
  ORRERY_RETURN_IF_ERROR(RefuseUnknown(file, name));
  shape.qkv_bias = name == "qwen2";
  shape.pairs = name == "qwen2" ? kernels::RopePairs::kHalves : kernels::RopePairs::kInterleaved;
  ORRERY_ASSIGN_OR_RETURN(shape.layers, Dimension(file, name, "block_count"));
  ORRERY_ASSIGN_OR_RETURN(shape.width, Dimension(file, name, "embedding_length"));
  ORRERY_ASSIGN_OR_RETURN(shape.feed_forward, Dimension(file, name, "feed_forward_length"));
  ORRERY_ASSIGN_OR_RETURN(shape.context_length, Dimension(file, name, "context_length"));
  ORRERY_ASSIGN_OR_RETURN(shape.attention.heads, Dimension(file, name, "attention.head_count"));
  ORRERY_ASSIGN_OR_RETURN(shape.attention.kv_heads,
                          DimensionOr(file, name, "attention.head_count_kv", shape.attention.heads));
  ORRERY_ASSIGN_OR_RETURN(shape.attention.head_dim,
                          DimensionOr(file, name, "attention.key_length", shape.width / shape.attention.heads));
  ORRERY_ASSIGN_OR_RETURN(const int rotated, DimensionOr(file, name, "rope.dimension_count", shape.attention.head_dim));
  ORRERY_RETURN_IF_ERROR(CheckConsistent(file, shape, rotated));
  ORRERY_ASSIGN_OR_RETURN(const double epsilon, file.Float(name + ".attention.layer_norm_rms_epsilon"));
  shape.norm_epsilon = static_cast<float>(epsilon);
  double base = 10000;
  if (file.metadata().contains(name + ".rope.freq_base")) {
    ORRERY_ASSIGN_OR_RETURN(base, file.Float(name + ".rope.freq_base"));
  }
  shape.rope_base = static_cast<float>(base);
  const GgufTensor* embedding = file.Find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2 ||
      embedding->shape[0] != static_cast<uint64_t>(shape.width) ||
      embedding->shape[1] > std::numeric_limits<int>::max()) {
    return InvalidInput("{}: tensor 'token_embd.weight' is missing or not [{}, vocabulary]", file.path().string(),
                        shape.width);
  }
  shape.vocabulary = static_cast<int>(embedding->shape[1]);
  return shape;
}

uint64_t WeightBytes(const ModelShape& shape, const kernels::Device& device) {
  const uint64_t layer = device.MatrixBytes(shape.query_width() + 2 * shape.key_width(), shape.width) +
                         device.MatrixBytes(shape.width, shape.query_width()) +
                         device.MatrixBytes(2 * shape.feed_forward, shape.width) +
                         device.MatrixBytes(shape.width, shape.feed_forward);
  return layer * shape.layers + device.MatrixBytes(shape.vocabulary, shape.width);
}

StatusOr<Weights> LoadWeights(const GgufFile& file, const ModelShape& shape, kernels::Device& device,
                              kernels::ThreadPool& pool) {
  Weights weights;
  weights.shape = shape;
  Loader loader(file, shape, device, pool);
  for (int i = 0; i < shape.layers; ++i) {
    ORRERY_ASSIGN_OR_RETURN(LayerWeights layer, loader.Layer(i));
    weights.layers.push_back(std::move(layer));
  }
  ORRERY_ASSIGN_OR_RETURN(const auto final_norm, Vector(file, "output_norm.weight", shape.width));
  weights.final_norm = Uploaded(final_norm, device);
  const std::vector<uint64_t> table = {static_cast<uint64_t>(shape.width), static_cast<uint64_t>(shape.vocabulary)};
  ORRERY_ASSIGN_OR_RETURN(const GgufTensor* embedding, Tensor(file, "token_embd.weight", table));
  const auto width = static_cast<uint64_t>(shape.width);
  weights.embedding = device.NewRowTable(shape.vocabulary, shape.width, [embedding, width](int64_t row, float* out) {
    Dequantise(*embedding, static_cast<uint64_t>(row) * width, width, out);
  });
  const bool tied = file.Find("output.weight") == nullptr;
  ORRERY_ASSIGN_OR_RETURN(const GgufTensor* head, Tensor(file, tied ? "token_embd.weight" : "output.weight", table));
  std::vector<Source> rows;
  Append(rows, head, 0, shape.vocabulary);
  weights.head = PackRows(rows, shape.width, device, pool);
  ORRERY_RETURN_IF_ERROR(device.status());
  return weights;
}

}  // namespace orrery::model
