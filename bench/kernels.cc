// SPDX-License-Identifier: Apache-2.0
// How fast our matrix products are, each of a model's shapes at several numbers of rows, as a share of what this
// machine allows (bench/roofline.h), measured between the rounds of each shape; with --peers beside oneDNN's own
// product of the whole matrix.

#include "kernels/kernels.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <thread>

#include "base/clock.h"
#include "bench/figure.h"
#include "bench/product.h"
#include "bench/roofline.h"
#include "bench/sides.h"

namespace orrery::bench {
namespace {

struct Options {
  std::vector<std::string> models = {"qwen2.5-coder-0.5b-instruct", "smollm2-135m-instruct"};
  std::string precision = "bfloat16";
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  std::vector<int> rows = {1, 8, 32, 64, 128, 256};
  bool json = false, peers = false;
};

struct Shape {
  std::string name;
  int n, k, count;  // count: how many a model has
};

std::vector<Shape> ShapesOf(const model::ModelShape& shape) {
  return {{"qkv", shape.query_width() + 2 * shape.key_width(), shape.width, shape.layers},
          {"attention-out", shape.width, shape.query_width(), shape.layers},
          {"gate-up", 2 * shape.feed_forward, shape.width, shape.layers},
          {"down", shape.width, shape.feed_forward, shape.layers},
          {"output", shape.vocabulary, shape.width, 1}};
}

// Seconds of one call and the roofline beside it: medians of rounds that take 0.15 s in all; call(i) works on the i-th
// of `copies` matrices.
struct Measured {
  double seconds;
  Roofline roofline;
};
template <class Fn>
Measured MeasureBeside(RooflineMeter& meter, int copies, Fn&& call) {
  std::vector<double> rounds, flops, bytes;
  double all = 0;
  call(0);
  while (rounds.size() < 5 || (all < 0.15 && rounds.size() < 200)) {
    const Roofline now = meter.Now();
    flops.push_back(now.flops_per_second);
    bytes.push_back(now.bytes_per_second);
    const auto start = Clock::now();
    for (int i = 0; i < copies; ++i) call(i);
    const double seconds = SecondsSince(start);
    rounds.push_back(seconds / copies);
    all += seconds;
  }
  return {Median(rounds), {Median(flops), Median(bytes)}};
}

// Enough of them that no cache holds the weights from one round to the next, as in a model.
int CopiesOf(const Shape& shape, const ProductType& type) {
  constexpr double kBytes = 320e6;
  return std::max(1, static_cast<int>(kBytes / (double{1} * shape.n * shape.k * type.WeightBytes())));
}

void Measure(const Options& options, const std::string& model, const Shape& shape, const kernels::Backend& backend,
             RooflineMeter& meter, const ProductType& type, std::vector<double>& model_seconds,
             std::vector<double>& model_least) {
  kernels::ThreadPool pool(options.threads);
  Products ours(backend, pool, shape.n, shape.k, CopiesOf(shape, type));
  for (size_t i = 0; i < options.rows.size(); ++i) {
    const int rows = options.rows[i];
    const auto [seconds, roofline] = MeasureBeside(meter, ours.copies(), [&](int copy) { ours.Run(copy, rows); });
    const double least = roofline.Seconds(shape.n, shape.k, rows, type), flops = 2.0 * shape.n * shape.k * rows;
    model_seconds[i] += shape.count * seconds;
    model_least[i] += shape.count * least;
    const std::string name = fmt::format("{}-{}", shape.name, rows);
    const std::string conditions =
        fmt::format("{}, {}, {} threads, {} x {}, {} rows, {} copies", model, options.precision, options.threads,
                    shape.n, shape.k, rows, ours.copies());
    Print({name, "roofline_share", 100 * least / seconds, "%", conditions, {}}, options.json);
    Figure rate{name, "products", flops / seconds * 1e-9, "GFLOP/s", conditions, {}};
    if (options.peers) {
      std::vector<std::unique_ptr<DnnlProduct>> library;
      library.reserve(static_cast<size_t>(ours.copies()));
      for (int copy = 0; copy < ours.copies(); ++copy)
        library.push_back(std::make_unique<DnnlProduct>(shape.n, shape.k, rows, type, options.threads));
      const auto theirs =
          MeasureBeside(meter, ours.copies(), [&](int copy) { library[static_cast<size_t>(copy)]->Run(); });
      rate.peer = PeerFigure{"onednn", flops / theirs.seconds * 1e-9};
    }
    Print(rate, options.json);
  }
}

Status Bench(const Options& options) {
  const ProductType type = TypeOf(options.precision);
  const auto backend = kernels::Backend::Create(kernels::HostIsa(), type.type, type.weights);
  RooflineMeter meter(type, options.threads);
  const std::string conditions =
      fmt::format("{}, {} threads, instruction set {}", options.precision, options.threads, Name(backend->isa()));
  Print({"roofline", "products", meter.best().flops_per_second * 1e-9, "GFLOP/s", conditions, {}}, options.json);
  Print({"roofline", "memory", meter.best().bytes_per_second * 1e-9, "GB/s", conditions, {}}, options.json);
  for (const std::string& name : options.models) {
    ORRERY_ASSIGN_OR_RETURN(const model::ModelShape shape, ShapeOfModel(name));
    std::vector<double> seconds(options.rows.size()), least(options.rows.size());
    for (const Shape& each : ShapesOf(shape)) Measure(options, name, each, *backend, meter, type, seconds, least);
    for (size_t i = 0; i < options.rows.size(); ++i) {
      Print({fmt::format("model-{}", options.rows[i]),
             "roofline_share",
             100 * least[i] / seconds[i],
             "%",
             fmt::format("{}, {}, {} threads, all products of a batch of {} rows", name, options.precision,
                         options.threads, options.rows[i]),
             {}},
            options.json);
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace orrery::bench

int main(int argc, char** argv) {
  orrery::bench::Options options;
  CLI::App app{"Matrix products as a share of the roofline", "kernels"};
  app.add_option("--model", options.models, "names or paths whose shapes are measured")->capture_default_str();
  app.add_option("--precision", options.precision)
      ->check(CLI::IsMember({"bfloat16", "float32", "int8"}))
      ->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--rows", options.rows, "numbers of rows")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_flag("--peers", options.peers, "oneDNN's own products beside ours");
  app.add_flag("--json", options.json, "one JSON object a line");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const orrery::Status status = orrery::bench::Bench(options);
  if (!status.ok()) fmt::print(stderr, "kernels: {}\n", orrery::Message(status));
  return orrery::ExitCode(status);
}
