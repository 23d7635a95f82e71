// SPDX-License-Identifier: Apache-2.0
// How fast the engine writes and reads: new tokens a second at several numbers of streams on one shared prefix, prompt
// tokens a second, and beside them the roofline: what the matrix products alone would allow, timed in the same run.

#include "model/engine.h"

#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/thread_pool.h"
#include "model/gguf.h"
#include "model/model_source.h"
#include "model/registry.h"

namespace orrery {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string model = "qwen2.5-coder-0.5b-instruct", precision = "bfloat16";
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  int prefix = 700, suffix = 20, new_tokens = 64, prompt = 512;
  std::vector<int> streams = {1, 8, 32, 64, 128};
  bool json = false;
};

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void Report(const Options& options, const std::string& name, const std::string& metric, double value,
            const std::string& unit, const std::string& conditions) {
  if (options.json) {
    fmt::print(
        "{{\"case\": \"{}\", \"metric\": \"{}\", \"value\": {:.4g}, \"unit\": \"{}\", \"conditions\": \"{}, {}, {} "
        "threads, {}\"}}\n",
        name, metric, value, unit, options.model, options.precision, options.threads, conditions);
  } else {
    fmt::print("{:<22} {:<24} {:>10.1f} {:<10} {}\n", name, metric, value, unit, conditions);
  }
  std::fflush(stdout);
}

// Of all threads: what remains comparable on a machine that does other things too.
double ProcessorSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Ordinary text of so many tokens, different for each salt.
std::vector<model::TokenId> Text(const model::Tokenizer& tokenizer, int tokens, int salt) {
  std::string text;
  for (int i = 0; static_cast<int>(text.size()) < tokens * 6; ++i) {
    text += fmt::format("Question {}: a shop sells {} apples a day at {} cents each; what does it earn in {} days?\n",
                        i + salt * 1000, (i * 37 + salt * 11) % 97, (i * 13 + salt) % 89, i % 30 + 2);
  }
  auto ids = tokenizer.Encode(text, model::SpecialTokens::kPlain);
  ids.resize(std::min<size_t>(ids.size(), static_cast<size_t>(tokens)));
  return ids;
}

// Runs until idle; seconds and tokens of the batches that only decode with all streams alive.
struct Decoding {
  double seconds = 0, processor_seconds = 0;
  uint64_t tokens = 0;
};

StatusOr<Decoding> Run(model::Engine& engine, int streams) {
  Decoding decoding;
  while (!engine.Idle()) {
    const model::EngineCounters before = engine.Counters();
    const auto start = Clock::now();
    const double processor = ProcessorSeconds();
    ORRERY_ASSIGN_OR_RETURN(const auto finished, engine.Step());
    const model::EngineCounters after = engine.Counters();
    if (after.prompt_rows != before.prompt_rows || after.rows - before.rows != static_cast<uint64_t>(streams)) continue;
    decoding.seconds += Since(start);
    decoding.processor_seconds += ProcessorSeconds() - processor;
    decoding.tokens += after.tokens_generated - before.tokens_generated;
  }
  return decoding;
}

Status Streams(const Options& options, model::Engine& engine, int streams) {
  const auto prefix = Text(engine.tokenizer(), options.prefix, 0);
  const auto submit = [&](int i, int tokens) {
    model::GenerationRequest request;
    request.id = static_cast<uint64_t>(i);
    request.prompt = prefix;
    const auto suffix = Text(engine.tokenizer(), options.suffix, 1 + i + streams * 7);
    request.prompt.insert(request.prompt.end(), suffix.begin(), suffix.end());
    request.sampling = {.temperature = 1.0f, .top_p = 0.95f};
    request.max_new_tokens = tokens;
    request.random = {1, static_cast<uint64_t>(i)};
    return engine.Submit(std::move(request));
  };
  const auto start = Clock::now();
  const uint64_t before = engine.Counters().tokens_generated;
  for (int i = 0; i < streams; ++i) ORRERY_RETURN_IF_ERROR(submit(i, options.new_tokens));
  ORRERY_ASSIGN_OR_RETURN(const Decoding decoding, Run(engine, streams));
  const std::string conditions = fmt::format("{} streams, {}+{} tokens of prompt of which {} are shared", streams,
                                             options.prefix, options.suffix, options.prefix);
  const std::string name = fmt::format("streams-{}", streams);
  if (decoding.tokens > 0) {
    const auto tokens = static_cast<double>(decoding.tokens);
    Report(options, name, "decode", tokens / decoding.seconds, "tokens/s", conditions);
    Report(options, name, "decode_per_processor", tokens / decoding.processor_seconds, "tokens/s",
           conditions + ", per second of one processor");
  }
  Report(options, name, "all_work", static_cast<double>(engine.Counters().tokens_generated - before) / Since(start),
         "tokens/s", conditions + ", prompts included");
  return absl::OkStatus();
}

Status Prompts(const Options& options, model::Engine& engine) {
  const auto start = Clock::now();
  const uint64_t before = engine.Counters().prompt_rows;
  for (int i = 0; i < 8; ++i) {
    model::GenerationRequest request;
    request.id = static_cast<uint64_t>(i);
    request.prompt = Text(engine.tokenizer(), options.prompt, 500 + i);
    request.prompt.front() = 100 + i;  // nothing in common
    request.max_new_tokens = 1;
    ORRERY_RETURN_IF_ERROR(engine.Submit(std::move(request)));
  }
  ORRERY_RETURN_IF_ERROR(Run(engine, 0).status());
  Report(options, "prompt", "prompt", static_cast<double>(engine.Counters().prompt_rows - before) / Since(start),
         "tokens/s", fmt::format("8 prompts of {} tokens", options.prompt));
  return absl::OkStatus();
}

// Seconds for one product of each of the model's matrices with `rows` rows; weights are fresh memory, as in a real
// batch.
class Roofline {
 public:
  Roofline(const model::ModelShape& shape, const kernels::Backend& backend, int threads)
      : shape_(shape), backend_(backend), pool_(threads) {
    const int qkv = shape.query_width() + 2 * shape.key_width();
    for (int i = 0; i < shape.layers; ++i) {
      Add(qkv, shape.width);
      Add(shape.width, shape.query_width());
      Add(2 * shape.feed_forward, shape.width);
      Add(shape.width, shape.feed_forward);
    }
    Add(shape.vocabulary, shape.width);
  }

  double flops(int rows) const { return flops_ * rows; }

  struct Cost {
    double seconds = 1e9, processor_seconds = 1e9;
  };

  Cost Measure(int rows) {
    const size_t width = static_cast<size_t>(kernels::PaddedWidth(std::max(shape_.feed_forward, shape_.width)));
    std::vector<float> x(width * kernels::PaddedRows(rows) + 16),
        y(static_cast<size_t>(pool_.threads()) * kernels::PaddedRows(rows) * 256);
    void* input = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(x.data()) + 63) / 64 * 64);
    Cost best;
    for (int repeat = 0; repeat < 6; ++repeat) {
      const auto start = Clock::now();
      const double processor = ProcessorSeconds();
      for (const auto& matrix : matrices_) {
        pool_.ParallelFor(matrix->blocks(), [&](int block, int thread) {
          matrix->Multiply(block, input, rows, &y[static_cast<size_t>(thread) * kernels::PaddedRows(rows) * 256],
                           matrix->block_columns());
        });
      }
      best.seconds = std::min(best.seconds, Since(start));
      best.processor_seconds = std::min(best.processor_seconds, ProcessorSeconds() - processor);
    }
    return best;
  }

 private:
  void Add(int n, int k) {
    matrices_.push_back(backend_.NewMatrix(n, k));
    flops_ += 2.0 * n * k;
    std::vector<float> w(static_cast<size_t>(matrices_.back()->block_columns()) * k, 0.01f);
    for (int b = 0; b < matrices_.back()->blocks(); ++b) matrices_.back()->Pack(b, w.data());
  }

  model::ModelShape shape_;
  const kernels::Backend& backend_;
  kernels::ThreadPool pool_;
  std::vector<std::unique_ptr<kernels::Matrix>> matrices_;
  double flops_ = 0;
};

Status Bench(const Options& options) {
  ORRERY_ASSIGN_OR_RETURN(const model::Registry registry, model::Registry::Load());
  ORRERY_ASSIGN_OR_RETURN(const auto path, LocateModel(registry, options.model));
  const bool float32 = options.precision == "float32", int8 = options.precision == "int8";
  const auto backend =
      kernels::Backend::Create(kernels::HostIsa(), float32 ? kernels::Type::kFloat32 : kernels::Type::kBfloat16,
                               int8 ? kernels::WeightType::kInt8 : kernels::WeightType::kSame);
  {
    model::EngineOptions engine_options;
    engine_options.threads = options.threads;
    engine_options.precision = float32 ? model::Precision::kFloat32
                               : int8  ? model::Precision::kInt8
                                       : model::Precision::kBfloat16;
    const auto start = Clock::now();
    ORRERY_ASSIGN_OR_RETURN(const auto engine, model::Engine::Load(path, engine_options));
    Report(options, "load", "load", Since(start), "s", fmt::format("instruction set {}", Name(backend->isa())));
    ORRERY_RETURN_IF_ERROR(Prompts(options, *engine));
    for (const int streams : options.streams) ORRERY_RETURN_IF_ERROR(Streams(options, *engine, streams));
  }
  ORRERY_ASSIGN_OR_RETURN(const auto source, model::ModelSource::Open(path));
  ORRERY_ASSIGN_OR_RETURN(const model::ModelShape shape, source->Shape());
  Roofline roofline(shape, *backend, options.threads);
  for (const int streams : options.streams) {
    const Roofline::Cost cost = roofline.Measure(streams);
    const std::string name = fmt::format("roofline-{}", streams),
                      conditions = fmt::format("matrix products only, {} rows", streams);
    Report(options, name, "roofline", streams / cost.seconds, "tokens/s", conditions);
    Report(options, name, "roofline_per_processor", streams / cost.processor_seconds, "tokens/s",
           conditions + ", per second of one processor");
    Report(options, name, "products", roofline.flops(streams) / cost.seconds / 1e9, "GFLOP/s", conditions);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace orrery

int main(int argc, char** argv) {
  orrery::Options options;
  CLI::App app{"Speed of the engine on this machine"};
  app.add_option("--model", options.model, "name or path")->capture_default_str();
  app.add_option("--precision", options.precision)
      ->check(CLI::IsMember({"bfloat16", "float32", "int8"}))
      ->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--streams", options.streams, "numbers of streams")->delimiter(',')->capture_default_str();
  app.add_option("--prefix", options.prefix, "tokens of the prefix that all streams share")->capture_default_str();
  app.add_option("--new-tokens", options.new_tokens, "tokens that each stream writes")->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object a line");
  CLI11_PARSE(app, argc, argv);
  const orrery::Status status = orrery::Bench(options);
  if (!status.ok()) fmt::print(stderr, "{}\n", orrery::Message(status));
  return status.ok() ? 0 : orrery::ExitCode(status);
}
