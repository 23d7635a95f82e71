// SPDX-License-Identifier: Apache-2.0
#include "model/training/adapter_export.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/paths.h"
#include "model/formats/safetensors_writer.h"
#include "model/source/hf_names.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kA = ".lora_a", kB = ".lora_b", kWeight = ".weight";

// "blk.0.attn_q.weight.lora_a" → "model.layers.0.self_attn.q_proj" and "lora_A.weight"; the score's row keeps its name.
struct PeftName {
  std::string module, rest;

  std::string Whole() const { return fmt::format("base_model.model.{}.{}", module, rest); }
};

PeftName PeftNameOf(const std::string& name, bool fused) {
  const bool is_a = name.ends_with(kA), is_b = name.ends_with(kB);
  std::string module =
      HfTensorName(std::string_view(name).substr(0, name.size() - (is_a || is_b ? kA.size() : 0)), fused);
  module.resize(module.size() - kWeight.size());
  return {module, is_a ? "lora_A.weight" : is_b ? "lora_B.weight" : "weight"};
}

Json Config(const std::set<std::string>& modules, const AdapterOptions& options, const ModelShape& shape,
            const std::string& base) {
  return {{"peft_type", "LORA"},
          {"task_type", shape.scores() ? "SEQ_CLS" : "CAUSAL_LM"},
          {"base_model_name_or_path", base},
          {"r", options.rank},
          {"lora_alpha", options.alpha},
          {"lora_dropout", 0.0},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"inference_mode", true},
          {"target_modules", modules},
          {"modules_to_save", shape.scores() ? Json{"score"} : Json()}};
}

}  // namespace

Status ExportAdapter(const Adapter& adapter, const ModelShape& shape, const std::string& base, const fs::path& folder) {
  std::vector<SafetensorsEntry> entries;
  std::set<std::string> modules;
  for (const ParameterTensor& tensor : adapter.tensors()) {
    const PeftName name = PeftNameOf(tensor.name, shape.fused);
    if (name.rest != kWeight.substr(1)) modules.insert(name.module.substr(name.module.rfind('.') + 1));
    entries.push_back({name.Whole(), {tensor.rows, tensor.width}});
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Failed("{}: cannot be made ({})", folder.string(), error.message());
  const fs::path file = folder / "adapter_model.safetensors";
  std::ofstream out(file, std::ios::binary);
  out << SafetensorsHead(entries);
  for (const ParameterTensor& tensor : adapter.tensors()) {
    // B's rows are those of its matrix.
    const bool of_matrix = tensor.name.ends_with(kB);
    const std::string_view matrix = std::string_view(tensor.name).substr(0, tensor.name.size() - kB.size());
    for (uint64_t row = 0; row < tensor.rows; ++row) {
      const uint64_t from = of_matrix ? HfSourceRow(shape, matrix, row) : row;
      out.write(reinterpret_cast<const char*>(adapter.values.at(tensor.offset + from * tensor.width)),
                static_cast<std::streamsize>(tensor.width * sizeof(float)));
    }
  }
  out.close();
  if (!out) return Failed("{}: cannot be written", file.string());
  return WriteFileAtomically(folder / "adapter_config.json",
                             Config(modules, adapter.options(), shape, base).dump(2) + "\n");
}

}  // namespace orrery::model
