// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "model/source/hf_names.h"

namespace orrery::model {
namespace {

std::string ShapeText(const std::vector<uint64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

bool AllFinite(const float* values, size_t count) {
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    largest = std::max(largest, bits & 0x7fffffffu);
  }
  return largest < 0x7f800000u;
}

// Row i of a packed matrix is row `row` of `tensor`, which `name` is the name of.
struct Source {
  const GgufTensor* tensor;
  const std::string* name;
  int row;
};

class Loader {
 public:
  Loader(const ModelSource& source, const ModelShape& shape, kernels::Device& device, kernels::ThreadPool& pool)
      : source_(source), shape_(shape), device_(device), pool_(pool) {}

  StatusOr<LayerWeights> Layer(int number) {
    const std::string prefix = fmt::format("blk.{}.", number);
    LayerWeights layer;
    ORRERY_ASSIGN_OR_RETURN(layer.attention_norm, Uploaded(prefix + "attn_norm.weight", shape_.width));
    ORRERY_ASSIGN_OR_RETURN(layer.feed_forward_norm, Uploaded(prefix + "ffn_norm.weight", shape_.width));
    if (shape_.qkv_bias) {
      std::vector<float> all;
      for (const auto& [name, width] : Projections()) {
        ORRERY_ASSIGN_OR_RETURN(const std::vector<float> bias, Vector(prefix + name + ".bias", width));
        all.insert(all.end(), bias.begin(), bias.end());
      }
      layer.qkv_bias = Upload(all);
    }
    ORRERY_ASSIGN_OR_RETURN(layer.qkv, QueriesKeysValues(prefix));
    ORRERY_ASSIGN_OR_RETURN(layer.output, Whole(prefix + "attn_output.weight", shape_.query_width(), shape_.width));
    ORRERY_ASSIGN_OR_RETURN(layer.down, Whole(prefix + "ffn_down.weight", shape_.feed_forward, shape_.width));
    ORRERY_ASSIGN_OR_RETURN(layer.gate_up, GateUp(prefix));
    return layer;
  }

  StatusOr<std::unique_ptr<kernels::Buffer>> Uploaded(const std::string& name, int width) {
    ORRERY_ASSIGN_OR_RETURN(const std::vector<float> values, Vector(name, width));
    return Upload(values);
  }

  StatusOr<std::vector<float>> Vector(const std::string& name, int width) {
    ORRERY_ASSIGN_OR_RETURN(const GgufTensor* tensor, Tensor(name, {static_cast<uint64_t>(width)}));
    std::vector<float> values(width);
    Dequantise(*tensor, 0, width, values.data());
    if (!AllFinite(values.data(), values.size())) return NotFinite(name, 0);
    return values;
  }

  StatusOr<std::unique_ptr<kernels::WeightMatrix>> Whole(const std::string& name, int k, int n) {
    ORRERY_ASSIGN_OR_RETURN(const GgufTensor* tensor, Weight(name, k, n));
    std::vector<Source> rows;
    Append(rows, tensor, name, 0, n);
    return PackRows(rows, k);
  }

  StatusOr<const GgufTensor*> Weight(const std::string& name, int k, int n) {
    return Tensor(name, {static_cast<uint64_t>(k), static_cast<uint64_t>(n)});
  }

  // Reads a table that is kept in its file, so that what is wrong with it is told now.
  Status CheckTable(const std::string& name, int k, int n) {
    ORRERY_ASSIGN_OR_RETURN(const GgufTensor* tensor, Weight(name, k, n));
    constexpr int kRun = 256;
    std::atomic<int> bad = n;
    pool_.ParallelFor((n + kRun - 1) / kRun, [&](int run, int) {
      std::vector<float> values(k);
      for (int row = run * kRun; row < std::min(n, (run + 1) * kRun); ++row) {
        Dequantise(*tensor, static_cast<uint64_t>(row) * k, k, values.data());
        if (!AllFinite(values.data(), values.size())) Lower(bad, row);
      }
    });
    return bad < n ? NotFinite(name, bad) : absl::OkStatus();
  }

 private:
  std::unique_ptr<kernels::Buffer> Upload(const std::vector<float>& values) {
    auto buffer = device_.NewBuffer(kernels::Type::kFloat32, values.size());
    device_.Upload(values.data(), values.size() * sizeof(float), *buffer, 0);
    return buffer;
  }

  static void Append(std::vector<Source>& rows, const GgufTensor* tensor, const std::string& name, int first,
                     int count) {
    for (int i = 0; i < count; ++i) rows.push_back({tensor, &name, first + i});
  }

  static void Lower(std::atomic<int>& lowest, int value) {
    for (int seen = lowest; value < seen && !lowest.compare_exchange_weak(seen, value);) {}
  }

  StatusOr<const GgufTensor*> Tensor(const std::string& name, const std::vector<uint64_t>& shape) {
    const GgufTensor* tensor = source_.Find(name);
    if (tensor == nullptr) return InvalidInput("{} is missing", source_.Describe(name));
    if (tensor->shape != shape) {
      return InvalidInput("{} has the shape {}; expected {}", source_.Describe(name), ShapeText(tensor->shape),
                          ShapeText(shape));
    }
    return tensor;
  }

  Status NotFinite(const std::string& name, int row) const {
    return InvalidInput("{}: row {} holds a NaN or an infinity; finite weights were expected", source_.Describe(name),
                        row);
  }

  std::vector<std::pair<std::string, int>> Projections() const {
    return {{"attn_q", shape_.query_width()}, {"attn_k", shape_.key_width()}, {"attn_v", shape_.key_width()}};
  }

  StatusOr<std::unique_ptr<kernels::WeightMatrix>> QueriesKeysValues(const std::string& prefix) {
    const int all = shape_.query_width() + 2 * shape_.key_width();
    if (shape_.fused) return Whole(prefix + "attn_qkv.weight", shape_.width, all);
    std::vector<Source> rows;
    std::vector<std::string> names;
    for (const auto& [name, width] : Projections()) names.push_back(prefix + name + ".weight");
    for (size_t i = 0; i < names.size(); ++i) {
      const int width = Projections()[i].second;
      ORRERY_ASSIGN_OR_RETURN(const GgufTensor* tensor, Weight(names[i], shape_.width, width));
      Append(rows, tensor, names[i], 0, width);
    }
    return PackRows(rows, shape_.width);
  }

  StatusOr<std::unique_ptr<kernels::WeightMatrix>> GateUp(const std::string& prefix) {
    const int width = shape_.feed_forward;
    const std::string up_name = prefix + "ffn_up.weight",
                      gate_name = shape_.fused ? up_name : prefix + "ffn_gate.weight";
    ORRERY_ASSIGN_OR_RETURN(const GgufTensor* gate, Weight(gate_name, shape_.width, shape_.fused ? 2 * width : width));
    ORRERY_ASSIGN_OR_RETURN(const GgufTensor* up, Weight(up_name, shape_.width, shape_.fused ? 2 * width : width));
    std::vector<Source> rows;
    for (int i = 0; i < width; i += kGateRun) {
      Append(rows, gate, gate_name, i, kGateRun);
      Append(rows, up, up_name, shape_.fused ? width + i : i, kGateRun);
    }
    return PackRows(rows, shape_.width);
  }

  StatusOr<std::unique_ptr<kernels::WeightMatrix>> PackRows(const std::vector<Source>& rows, int k) {
    std::unique_ptr<kernels::WeightMatrix> matrix = device_.NewMatrix(static_cast<int>(rows.size()), k);
    const int none = static_cast<int>(rows.size());
    std::atomic<int> bad = none;
    pool_.ParallelFor(matrix->blocks(), [&](int block, int) {
      std::vector<float> values(static_cast<size_t>(matrix->columns(block)) * k);
      for (int c = 0; c < matrix->columns(block); ++c) {
        const int row = block * matrix->block_columns() + c;
        float* row_values = &values[static_cast<size_t>(c) * k];
        Dequantise(*rows[row].tensor, static_cast<uint64_t>(rows[row].row) * k, k, row_values);
        if (!AllFinite(row_values, k)) Lower(bad, row);
      }
      matrix->Pack(block, values.data());
    });
    if (bad < none) return NotFinite(*rows[bad].name, rows[bad].row);
    return matrix;
  }

  const ModelSource& source_;
  const ModelShape& shape_;
  kernels::Device& device_;
  kernels::ThreadPool& pool_;
};

}  // namespace

uint64_t WeightBytes(const ModelShape& shape, const kernels::Device& device) {
  const uint64_t layer = device.MatrixBytes(shape.query_width() + 2 * shape.key_width(), shape.width) +
                         device.MatrixBytes(shape.width, shape.query_width()) +
                         device.MatrixBytes(2 * shape.feed_forward, shape.width) +
                         device.MatrixBytes(shape.width, shape.feed_forward);
  return layer * shape.layers + device.MatrixBytes(shape.outputs(), shape.width);
}

StatusOr<Weights> LoadWeights(const ModelSource& source, const ModelShape& shape, kernels::Device& device,
                              kernels::ThreadPool& pool) {
  Weights weights;
  weights.shape = shape;
  Loader loader(source, shape, device, pool);
  for (int i = 0; i < shape.layers; ++i) {
    ORRERY_ASSIGN_OR_RETURN(LayerWeights layer, loader.Layer(i));
    weights.layers.push_back(std::move(layer));
  }
  ORRERY_ASSIGN_OR_RETURN(weights.final_norm, loader.Uploaded("output_norm.weight", shape.width));
  const std::string table = "token_embd.weight";
  ORRERY_ASSIGN_OR_RETURN(const GgufTensor* embedding, loader.Weight(table, shape.width, shape.vocabulary));
  const auto width = static_cast<uint64_t>(shape.width);
  weights.embedding = device.NewRowTable(shape.vocabulary, shape.width, [embedding, width](int64_t row, float* out) {
    Dequantise(*embedding, static_cast<uint64_t>(row) * width, width, out);
  });
  const bool tied = !shape.scores() && source.Find("output.weight") == nullptr;
  if (!tied) ORRERY_RETURN_IF_ERROR(loader.CheckTable(table, shape.width, shape.vocabulary));
  if (shape.scores()) {
    ORRERY_ASSIGN_OR_RETURN(weights.score, LoadScoreRow(source, shape, device, pool));
  } else {
    ORRERY_ASSIGN_OR_RETURN(weights.head, loader.Whole(tied ? table : "output.weight", shape.width, shape.vocabulary));
  }
  ORRERY_RETURN_IF_ERROR(device.status());
  return weights;
}

StatusOr<std::unique_ptr<kernels::WeightMatrix>> LoadScoreRow(const ModelSource& source, const ModelShape& shape,
                                                              kernels::Device& device, kernels::ThreadPool& pool) {
  Loader loader(source, shape, device, pool);
  ORRERY_ASSIGN_OR_RETURN(auto row, loader.Whole(std::string(kScoreTensor), shape.width, 1));
  ORRERY_RETURN_IF_ERROR(device.status());
  return row;
}

}  // namespace orrery::model
