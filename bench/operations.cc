// SPDX-License-Identifier: Apache-2.0
// What each operation but the matrix products (kernels.cc) costs on one thread with every instruction set of this
// processor, in a model's dimensions, beside the reference in the same run.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <numeric>

#include "base/clock.h"
#include "bench/figure.h"
#include "bench/sides.h"
#include "kernels/kernels.h"

namespace orrery::bench {
namespace {

using kernels::Backend;
using kernels::Isa;
using kernels::kPageTokens;

struct Options {
  std::string model = "qwen2.5-coder-0.5b-instruct", precision = "bfloat16";
  int context = 1024;  // tokens that a query sees
  bool json = false;
};

constexpr int kRows = 32;  // of a call; in attention they share all pages but the last

// Everything that the operations read and write, of one back end.
class Operations {
 public:
  Operations(const model::ModelShape& shape, int context, const Backend& backend)
      : shape_(shape), attention_(shape.attention), context_(context), backend_(backend) {
    const int widest = std::max({2 * shape.feed_forward, shape.vocabulary, 3 * shape.width});
    floats_.resize(static_cast<size_t>(widest), 0.25f);
    for (size_t i = 0; i < floats_.size(); ++i) floats_[i] += 1e-3f * static_cast<float>(i % 97);
    queries_.resize(static_cast<size_t>(kRows) * attention_.heads * attention_.head_dim, 0.1f);
    const int width = std::max(kernels::PaddedWidth(attention_.heads * attention_.head_dim), widest);
    out_.resize(static_cast<size_t>(kRows) * kernels::PaddedWidth(width) * sizeof(float) + 64);
    FillPages();
  }

  struct Operation {
    std::string name;
    int rows;  // of a call
    std::function<void()> call;
  };

  std::vector<Operation> All() {
    const int width = shape_.width, wide = shape_.feed_forward, heads = attention_.heads + attention_.kv_heads;
    float* x = floats_.data();
    uint8_t *out = Aligned(out_), *pages = Aligned(pages_);
    return {
        {"rms-norm", 1, [=, this] { backend_.RmsNorm(x, x + width, width, 1e-6f, out); }},
        {"rope", 1, [=, this] { backend_.Rope(queries_.data(), heads, attention_.head_dim, shape_.pairs, x, x); }},
        {"swiglu", 1, [=, this] { backend_.SwiGlu(x, wide, model::kGateRun, out); }},
        {"add", 1, [=, this] { backend_.Add(reinterpret_cast<float*>(out), x, width); }},
        {"quantise", 1, [=, this] { backend_.Quantise(pages, width, out); }},
        {"write-kv", 1, [=, this] { backend_.WriteKv(attention_, x, x, pages, 5); }},
        {"attention-shared", kRows, [this] { Attend(shared_); }},
        {"attention-apart", kRows, [this] { Attend(apart_); }},
        {"maximum", 1, [=, this] { backend_.Maximum(x, shape_.vocabulary); }},
        {"sum-exp", 1, [=, this] { backend_.SumExp(x, shape_.vocabulary, 1.0f, 1.0f); }},
    };
  }

 private:
  void FillPages() {
    const int each = (context_ + kPageTokens - 1) / kPageTokens;
    page_bytes_ = backend_.PageBytes(attention_);
    pages_.resize(page_bytes_ * static_cast<size_t>(each) * kRows + 64);
    for (int page = 0; page < each * kRows; ++page) {
      for (int slot = 0; slot < kPageTokens; ++slot)
        backend_.WriteKv(attention_, floats_.data(), floats_.data() + slot,
                         Aligned(pages_) + page_bytes_ * static_cast<size_t>(page), slot);
    }
    for (int row = 0; row < kRows; ++row) {
      std::vector<int32_t>&own = apart_.emplace_back(each), &shared = shared_.emplace_back(each);
      std::iota(own.begin(), own.end(), row * each);
      std::iota(shared.begin(), shared.end(), 0);
      shared.back() = own.back();
    }
    lengths_.assign(kRows, context_);
  }

  void Attend(const std::vector<std::vector<int32_t>>& tables) {
    std::vector<const int32_t*> of_rows;
    for (const auto& table : tables) of_rows.push_back(table.data());
    kernels::AttentionRows rows;
    rows.q = queries_.data();
    rows.q_stride = static_cast<ptrdiff_t>(attention_.heads) * attention_.head_dim;
    rows.out = Aligned(out_);
    rows.pages = of_rows.data();
    rows.lengths = lengths_.data();
    rows.rows = kRows;
    rows.kv = Aligned(pages_);
    rows.kv_stride = page_bytes_;
    for (int head = 0; head < attention_.kv_heads; ++head) backend_.Attend(attention_, rows, head, 0, kRows);
  }

  static uint8_t* Aligned(std::vector<uint8_t>& bytes) {
    return reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64);
  }

  const model::ModelShape& shape_;
  const kernels::AttentionShape attention_;
  const int context_;
  const Backend& backend_;
  size_t page_bytes_ = 0;
  std::vector<float> floats_, queries_;
  std::vector<uint8_t> out_, pages_;
  std::vector<std::vector<int32_t>> shared_, apart_;  // page tables of rows
  std::vector<int32_t> lengths_;
};

// Rows a second of the best of several rounds, each of at least 20 ms.
double RateOf(const Operations::Operation& operation) {
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    int calls = 0;
    const auto begin = Clock::now();
    double seconds = 0;
    for (; seconds < 0.02; seconds = SecondsSince(begin)) {
      for (int i = 0; i < 8; ++i, ++calls) operation.call();
    }
    best = std::max(best, calls * operation.rows / seconds);
  }
  return best;
}

Status Bench(const Options& options) {
  ORRERY_ASSIGN_OR_RETURN(const model::ModelShape shape, ShapeOfModel(options.model));
  const kernels::Type type = TypeOf(options.precision).type;
  std::vector<double> reference;
  for (const Isa isa : {Isa::kReference, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kAmx}) {
    if (isa > kernels::HostIsa()) break;
    const auto backend = Backend::Create(isa, type);
    Operations operations(shape, options.context, *backend);
    const auto all = operations.All();
    for (size_t i = 0; i < all.size(); ++i) {
      const double rate = RateOf(all[i]);
      if (isa == Isa::kReference) reference.push_back(rate);
      Figure figure{all[i].name,
                    "rows_per_second",
                    rate,
                    "rows/s",
                    fmt::format("{}, {}, {}, one thread, context {}", options.model, options.precision, Name(isa),
                                options.context),
                    {}};
      if (isa != Isa::kReference) figure.peer = PeerFigure{"reference", reference[i]};
      Print(figure, options.json);
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace orrery::bench

int main(int argc, char** argv) {
  orrery::bench::Options options;
  CLI::App app{"Operations of a transformer, beside the reference", "operations"};
  app.add_option("--model", options.model, "name or path of the model whose dimensions are taken")
      ->capture_default_str();
  app.add_option("--precision", options.precision)
      ->check(CLI::IsMember({"bfloat16", "float32"}))
      ->capture_default_str();
  app.add_option("--context", options.context, "tokens that a query sees")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object a line");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const orrery::Status status = orrery::bench::Bench(options);
  if (!status.ok()) fmt::print(stderr, "operations: {}\n", orrery::Message(status));
  return orrery::ExitCode(status);
}
