// SPDX-License-Identifier: Apache-2.0
// What context costs. `length-N`: milliseconds a token after N tokens, beside what reading that many more keys and
// values takes at the memory's speed. `live-N`: the memory of N sequences alive at once on shared prefixes, beside that
// of the pages which they hold.

#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/memory.h"
#include "bench/figure.h"
#include "bench/sides.h"
#include "model/registry/registry.h"

namespace orrery::bench {
namespace {

constexpr int kNewTokens = 64;
constexpr int kPrefixTokens = 704;               // of a search's prompt and first steps: whole pages
constexpr int kTextTokens = kPrefixTokens + 32;  // of a sequence, at most: a page more
constexpr int kSiblings = 100;                   // sequences on one prefix

struct Options {
  SideOptions sides;
  std::vector<std::string> cases = {"length-1000", "length-2000", "length-4000", "length-8000", "live-10000"};
};

// N of PREFIX-N; 0 if it is no such name.
int Number(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return 0;
  int number = 0;
  const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? std::max(0, number) : 0;
}

class Bench {
 public:
  static StatusOr<std::unique_ptr<Bench>> Start(const Options& options) {
    std::unique_ptr<Bench> bench(new Bench(options));
    ORRERY_ASSIGN_OR_RETURN(const model::Registry registry, model::Registry::Load());
    ORRERY_ASSIGN_OR_RETURN(bench->path_, LocateModel(registry, options.sides.model));
    ORRERY_ASSIGN_OR_RETURN(const auto source, model::ModelSource::Open(bench->path_));
    ORRERY_ASSIGN_OR_RETURN(bench->shape_, source->Shape());
    bench->roofline_ = MeasureRoofline(TypeOf(options.sides.precision), options.sides.threads);
    bench->conditions_ =
        fmt::format("{}, {}, {} threads", options.sides.model, options.sides.precision, options.sides.threads);
    return bench;
  }

  Status Run(const std::string& name) {
    if (const int tokens = Number(name, "length-")) return Length(name, tokens);
    if (const int sequences = Number(name, "live-")) return Live(name, sequences);
    return InvalidInput("--case {}: expected length-N or live-N", name);
  }

 private:
  explicit Bench(const Options& options) : options_(options) {}

  // Keys and values of one token in all layers.
  uint64_t TokenBytes() const {
    const uint64_t element = options_.sides.precision == "float32" ? 4 : 2;
    return element * 2 * static_cast<uint64_t>(shape_.key_width()) * static_cast<uint64_t>(shape_.layers);
  }

  StatusOr<std::unique_ptr<model::Engine>> Load(uint64_t tokens, int sequences = 1) const {
    model::EngineOptions options;
    options.max_batch_rows = std::max(options.max_batch_rows, 2 * sequences);  // beside all of them prompts have room
    options.threads = options_.sides.threads;
    options.precision = PrecisionOf(options_.sides.precision);
    options.kv_bytes = tokens * TokenBytes();
    return model::Engine::Load(path_, options);
  }

  // Milliseconds between a stream's first token and its last, each.
  StatusOr<double> TokenMilliseconds(model::Engine& engine, int tokens, int salt) const {
    std::vector<Clock::time_point> times;
    model::GenerationRequest request;
    request.prompt = Text(engine.tokenizer(), tokens, salt);
    request.max_new_tokens = kNewTokens + 1;
    request.sampling.temperature = 0.7f;
    request.random = {1, static_cast<uint64_t>(salt)};
    request.on_token = [&times](model::TokenId, double) { times.push_back(Clock::now()); };
    ORRERY_RETURN_IF_ERROR(engine.Submit(std::move(request)));
    while (!engine.Idle()) ORRERY_RETURN_IF_ERROR(engine.Step().status());
    if (times.size() < 2) return Failed("the text ended after {} tokens", times.size());
    return std::chrono::duration<double, std::milli>(times.back() - times.front()).count() /
           static_cast<double>(times.size() - 1);
  }

  Status Length(const std::string& name, int tokens) {
    ORRERY_ASSIGN_OR_RETURN(const auto engine, Load(static_cast<uint64_t>(tokens) + 4096));
    std::vector<double> each;
    for (int repeat = 0; repeat <= options_.sides.repeats; ++repeat) {  // the first one warms up
      ORRERY_ASSIGN_OR_RETURN(const double time, TokenMilliseconds(*engine, tokens, 1 + repeat));
      if (repeat > 0) each.push_back(time);
    }
    const double median = Median(each);
    const std::string conditions = fmt::format("{}, one stream after {} tokens", conditions_, tokens);
    Print({name, "token_ms", median, "ms", conditions, {}}, options_.sides.json);
    if (base_tokens_ == 0) base_tokens_ = tokens, base_ms_ = median;
    const double more = static_cast<double>(tokens - base_tokens_) * static_cast<double>(TokenBytes());
    const double expected = base_ms_ + 1e3 * more / roofline_.bytes_per_second;
    Print({name,
           "against_reading_the_context",
           median / expected,
           "ratio",
           fmt::format("{}; after {} tokens {:.2f} ms, and {:.1f} MB more at {:.1f} GB/s: {:.2f} ms", conditions,
                       base_tokens_, base_ms_, more * 1e-6, roofline_.bytes_per_second * 1e-9, expected),
           {}},
          options_.sides.json);
    return absl::OkStatus();
  }

  Status Live(const std::string& name, int sequences) {
    const int prefixes = (sequences + kSiblings - 1) / kSiblings;
    // A page of its own for each, those of the prefixes, and one over.
    const uint64_t pages = static_cast<uint64_t>(sequences) * 2 + uint64_t(prefixes) * kPrefixTokens / 32 + 64;
    ORRERY_ASSIGN_OR_RETURN(const auto engine, Load(pages * 32, sequences));
    int alive = 0;  // that have their first token
    malloc_trim(0);
    const uint64_t before = ResidentBytes();
    std::vector<std::vector<model::TokenId>> texts;
    const auto submit = [&](uint64_t id) {
      model::GenerationRequest request;
      request.id = id;
      request.prompt = texts[id];
      request.max_new_tokens = kTextTokens - static_cast<int>(texts[id].size());
      request.sampling.temperature = 0.7f;
      request.random = {1, id};
      request.on_token = [&alive, first = texts[id].size() == kPrefixTokens + 1](model::TokenId, double) mutable {
        alive += std::exchange(first, false);
      };
      return engine->Submit(std::move(request));
    };
    for (int i = 0; i < sequences; ++i) {
      texts.push_back(Text(engine->tokenizer(), kPrefixTokens + 1, 1 + i / kSiblings));
      ORRERY_RETURN_IF_ERROR(submit(static_cast<uint64_t>(i)));
    }
    while (alive < sequences) {
      ORRERY_ASSIGN_OR_RETURN(const auto finished, engine->Step());
      for (const model::Generation& text : finished) {
        // One that ends its text goes on behind the end.
        texts[text.id].insert(texts[text.id].end(), text.tokens.begin(), text.tokens.end());
        if (texts[text.id].size() == kTextTokens)
          return Failed("a sequence was full when {} of {} were alive", alive, sequences);
        ORRERY_RETURN_IF_ERROR(submit(text.id));
      }
    }
    const auto grown = static_cast<double>(ResidentBytes() - before);
    const double held = static_cast<double>(engine->Counters().pages_used * 32 * TokenBytes());
    const std::string conditions = fmt::format("{}, {} sequences, {} on each prefix of {} tokens", conditions_,
                                               sequences, kSiblings, kPrefixTokens);
    Print({name, "memory", grown / kGiB, "GiB", conditions, {}}, options_.sides.json);
    Print({name, "pages", held / kGiB, "GiB", conditions, {}}, options_.sides.json);
    Print({name, "memory_against_pages", grown / held, "ratio", conditions, {}}, options_.sides.json);
    return absl::OkStatus();
  }

  const Options& options_;
  std::filesystem::path path_;
  model::ModelShape shape_;
  Roofline roofline_;
  std::string conditions_;
  int base_tokens_ = 0;
  double base_ms_ = 0;
};

Status RunAll(const Options& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto bench, Bench::Start(options));
  for (const std::string& name : options.cases) ORRERY_RETURN_IF_ERROR(bench->Run(name));
  return absl::OkStatus();
}

}  // namespace
}  // namespace orrery::bench

int main(int argc, char** argv) {
  orrery::bench::Options options;
  CLI::App app{"What context costs: time a token, memory of many live sequences", "context"};
  AddModelOptions(app, options.sides);
  app.add_option("--case", options.cases, "length-N (the first is what the others are compared with), live-N");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const orrery::Status status = orrery::bench::RunAll(options);
  if (!status.ok()) fmt::print(stderr, "context: {}\n", orrery::Message(status));
  return orrery::ExitCode(status);
}
