// SPDX-License-Identifier: Apache-2.0
#pragma once

// Cuts text into the pieces within which a byte-level BPE may merge, as the publisher's tokenizer configuration says.
//
// Character classes are those of the reference library (its Unicode version), see unicode_tables.h.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace orrery::model {

class Pretokenizer {
 public:
  // `name` is a GGUF file's tokenizer.ggml.pre: "qwen2", "smollm", "llama-bpe" (Llama 3) or "gpt-2".
  static StatusOr<std::unique_ptr<Pretokenizer>> Create(std::string_view name);
  // That name for a regular expression that publishers write into their tokenizer.json; empty if it is none of them.
  static std::string_view NameOfPattern(std::string_view pattern);
  // The other way round: "qwen2" and "llama-bpe" have one.
  static std::string PatternOf(std::string_view name);
  ~Pretokenizer();

  // Whether the publisher normalises text (NFC) before it is split.
  bool normalises() const { return normalises_; }

  // Well-formed UTF-8 in; appends pieces that cover it without a gap. May be called by several threads at once.
  void Split(std::string_view text, std::vector<std::string_view>* pieces) const;

 private:
  struct Code;
  Pretokenizer() = default;
  bool normalises_ = false;
  std::unique_ptr<Code> code_;
};

}  // namespace orrery::model
