// SPDX-License-Identifier: Apache-2.0
#include "runners/model_inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "model/formats/gguf.h"
#include "model/source/model_source.h"
#include "reasoning/chat_format.h"

namespace orrery {
namespace {

using model::GgufFile;
using model::ModelSource;

double Megabytes(double bytes) { return bytes / 1e6; }

std::string Shown(const model::GgufValue& value) {
  struct {
    std::string operator()(std::string_view text) const {
      const size_t line = std::min({text.find('\n'), text.size(), size_t{60}});
      return line == text.size() ? std::string(text) : fmt::format("{}… ({} bytes)", text.substr(0, line), text.size());
    }
    std::string operator()(const model::GgufArray& array) const {
      return fmt::format("[{} elements]", std::visit([](const auto& elements) { return elements.size(); }, array));
    }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(double number) const { return fmt::format("{:g}", number); }
    std::string operator()(int64_t number) const { return fmt::format("{}", number); }
    std::string operator()(uint64_t number) const { return fmt::format("{}", number); }
  } show;
  return std::visit(show, value);
}

struct Totals {
  uint64_t tensors = 0, elements = 0, bytes = 0;
};

void PrintTensors(const GgufFile& file, bool each) {
  std::map<std::string_view, Totals> by_type;
  Totals all;
  for (const model::GgufTensor& tensor : file.tensors()) {
    for (Totals* totals : {&by_type[Name(tensor.type)], &all}) {
      ++totals->tensors;
      totals->elements += tensor.elements();
      totals->bytes += tensor.data.size();
    }
    if (each) fmt::print("  {:<32} {:<5} [{}]\n", tensor.name, Name(tensor.type), fmt::join(tensor.shape, ", "));
  }
  fmt::print("{:<8} {:>8} {:>14} {:>12}\n", "type", "tensors", "weights", "MB");
  for (const auto& [type, totals] : by_type) {
    fmt::print("{:<8} {:>8} {:>14} {:>12.1f}\n", type, totals.tensors, totals.elements,
               Megabytes(static_cast<double>(totals.bytes)));
  }
  fmt::print("{:<8} {:>8} {:>14} {:>12.1f}\n", "all", all.tensors, all.elements,
             Megabytes(static_cast<double>(all.bytes)));
  const auto elements = static_cast<double>(all.elements);
  fmt::print("memory of the weights: {:.0f} MB in bfloat16, {:.0f} MB in float32\n", Megabytes(2 * elements),
             Megabytes(4 * elements));
}

void PrintTokenizer(const ModelSource& source) {
  const auto tokenizer = source.ReadTokenizer();
  if (!tokenizer.ok()) {
    fmt::print("tokenizer: cannot be used: {}\n", Message(tokenizer.status()));
    return;
  }
  std::string ends;
  for (int token = 0; token < (*tokenizer)->vocabulary_size(); ++token) {
    if (!(*tokenizer)->IsEndOfText(token)) continue;
    ends += fmt::format(" {} {}", token, (*tokenizer)->SpecialText(token));
  }
  fmt::print("tokenizer: {} tokens, text ends at{}\n", (*tokenizer)->vocabulary_size(),
             ends.empty() ? " no token" : ends);
}

void PrintChatFormat(const ModelSource& source) {
  const auto text = source.ChatTemplate();
  if (!text.ok() || text->empty()) {
    fmt::print("chat: {}\n", text.ok() ? "no template" : Message(text.status()));
    return;
  }
  const auto format = reasoning::RecogniseChatFormat(*text);
  fmt::print("chat: {}\n", format.ok() ? std::string(Name(*format)) : Message(format.status()));
}

Status InspectFolder(const ModelSource& source) {
  ORRERY_ASSIGN_OR_RETURN(const model::ModelShape shape, source.Shape());
  fmt::print("{}\n{}: {} layers of width {}, {} heads ({} for keys) of {}, feed-forward {}, context {}, window {}\n",
             source.path().string(), shape.architecture, shape.layers, shape.width, shape.attention.heads,
             shape.attention.kv_heads, shape.attention.head_dim, shape.feed_forward, shape.context_length,
             shape.window);
  PrintTokenizer(source);
  PrintChatFormat(source);
  return absl::OkStatus();
}

}  // namespace

Status InspectModel(const std::filesystem::path& path, bool each_tensor) {
  ORRERY_ASSIGN_OR_RETURN(const auto source, ModelSource::Open(path));
  if (std::filesystem::is_directory(path)) return InspectFolder(*source);
  ORRERY_ASSIGN_OR_RETURN(const auto file, GgufFile::Open(path));
  fmt::print("{}\n", file->path().string());
  for (const auto& [key, value] : file->metadata()) fmt::print("  {:<42} {}\n", key, Shown(value));
  PrintTokenizer(*source);
  PrintChatFormat(*source);
  PrintTensors(*file, each_tensor);
  return absl::OkStatus();
}

}  // namespace orrery
