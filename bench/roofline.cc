// SPDX-License-Identifier: Apache-2.0
#include "bench/roofline.h"

#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <dnnl.hpp>
#include <numeric>
#include <vector>

#include "base/clock.h"
#include "bench/product.h"

namespace orrery::bench {
namespace {

using DataType = dnnl::memory::data_type;

constexpr size_t kMemoryBytes = size_t{384} << 20, kHugePage = size_t{2} << 20;  // no cache holds so much

// Seconds of the fastest of three calls: the first one's operands may have to come from memory.
template <class Fn>
double Fastest(Fn&& fn) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto start = Clock::now();
    fn();
    best = std::min(best, SecondsSince(start));
  }
  return best;
}

}  // namespace

double ProductType::WeightBytes() const {
  return weights == kernels::WeightType::kInt8 ? 1 : static_cast<double>(kernels::Size(type));
}

double Roofline::Seconds(double n, double k, double rows, const ProductType& type) const {
  return std::max(2 * n * k * rows / flops_per_second, n * k * type.WeightBytes() / bytes_per_second);
}

// One product, oneDNN's and ours.
struct RooflineMeter::Candidate {
  Candidate(const ProductType& type, kernels::ThreadPool& pool, const kernels::Backend& backend, int n, int k, int r)
      : rows(r), flops(2.0 * n * k * r), library(n, k, r, type, pool.threads()), ours(backend, pool, n, k, 1) {}

  double FlopsPerSecond() {
    return flops / std::min(Fastest([&] { library.Run(); }), Fastest([&] { ours.Run(0, rows); }));
  }

  int rows;
  double flops;  // of one call
  DnnlProduct library;
  Products ours;
};

RooflineMeter::RooflineMeter(const ProductType& type, int threads)
    : pool_(std::make_unique<kernels::ThreadPool>(threads)),
      backend_(kernels::Backend::Create(kernels::HostIsa(), type.type, type.weights)),
      memory_(static_cast<uint64_t*>(std::aligned_alloc(kHugePage, kMemoryBytes)), &std::free) {
  madvise(memory_.get(), kMemoryBytes, MADV_HUGEPAGE);
  std::fill_n(memory_.get(), kMemoryBytes / sizeof(uint64_t), 1);
  for (const auto& [n, k] : {std::pair{1024, 1024}, {2048, 1024}}) {
    for (const int rows : {256, 512, 1024})
      candidates_.push_back(std::make_unique<Candidate>(type, *pool_, *backend_, n, k, rows));
  }
  for (int i = 0; i < 4; ++i) {
    const Roofline now = Now();
    best_.flops_per_second = std::max(best_.flops_per_second, now.flops_per_second);
    best_.bytes_per_second = std::max(best_.bytes_per_second, now.bytes_per_second);
  }
}

RooflineMeter::~RooflineMeter() = default;

Roofline RooflineMeter::Now() {
  Roofline now{.bytes_per_second = kMemoryBytes / ReadSeconds()};
  for (const auto& candidate : candidates_)
    now.flops_per_second = std::max(now.flops_per_second, candidate->FlopsPerSecond());
  return now;
}

// All threads together, in huge pages, a line at a time, what comes next fetched ahead, as kernels read weights.
double RooflineMeter::ReadSeconds() {
  constexpr size_t kWords = kMemoryBytes / sizeof(uint64_t), kLine = 8, kAhead = 512;  // in words
  const int parts = pool_->threads();
  std::vector<uint64_t> sums(static_cast<size_t>(parts) * kLine);
  const auto start = Clock::now();
  pool_->ParallelFor(parts, [&](int part, int) {
    const uint64_t *at = memory_.get() + kWords / parts * part, *end = memory_.get() + kWords / parts * (part + 1);
    uint64_t line[kLine] = {};
    for (; at + kLine <= end; at += kLine) {
      __builtin_prefetch(at + kAhead);
      for (size_t i = 0; i < kLine; ++i) line[i] += at[i];
    }
    sums[static_cast<size_t>(part) * kLine] += std::accumulate(line, line + kLine, uint64_t{0});
  });
  const double seconds = SecondsSince(start);
  return sums[0] == 0 ? 1e9 : seconds;  // the sums are used, so that the reading is not left out
}

Roofline MeasureRoofline(const ProductType& type, int threads) { return RooflineMeter(type, threads).best(); }

double BatchSeconds(const model::ModelShape& shape, double rows, double sampled, const Roofline& roofline,
                    const ProductType& type) {
  const double width = shape.width, query = shape.query_width();
  const double layer = roofline.Seconds(query + 2 * shape.key_width(), width, rows, type) +
                       roofline.Seconds(width, query, rows, type) +
                       roofline.Seconds(2 * shape.feed_forward, width, rows, type) +
                       roofline.Seconds(width, shape.feed_forward, rows, type);
  const double output = sampled > 0 ? roofline.Seconds(shape.vocabulary, width, sampled, type) : 0;
  return shape.layers * layer + output;
}

struct DnnlProduct::Parts {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::memory x, w, y;
  dnnl::matmul product;
};

DnnlProduct::DnnlProduct(int n, int k, int rows, const ProductType& type, int threads)
    : parts_(std::make_unique<Parts>()), threads_(threads) {
  omp_set_num_threads(threads);  // the library plans for so many
  using Format = dnnl::memory::format_tag;
  const bool int8 = type.weights == kernels::WeightType::kInt8;
  const DataType in = int8 ? DataType::s8 : type.type == kernels::Type::kFloat32 ? DataType::f32 : DataType::bf16;
  const dnnl::memory::desc x({rows, k}, in, Format::ab), any({k, n}, in, Format::any),
      y({rows, n}, int8 ? DataType::s32 : DataType::f32, Format::ab);
  const dnnl::matmul::primitive_desc plan(dnnl::matmul::desc(x, any, y), parts_->engine);
  parts_->x = dnnl::memory(plan.src_desc(), parts_->engine);
  parts_->w = dnnl::memory(plan.weights_desc(), parts_->engine);
  parts_->y = dnnl::memory(plan.dst_desc(), parts_->engine);
  // These bytes make ordinary numbers of any type.
  std::fill_n(static_cast<uint8_t*>(parts_->x.get_data_handle()), parts_->x.get_desc().get_size(), uint8_t{0x3d});
  std::fill_n(static_cast<uint8_t*>(parts_->w.get_data_handle()), parts_->w.get_desc().get_size(), uint8_t{0x3d});
  parts_->product = dnnl::matmul(plan);
}

DnnlProduct::~DnnlProduct() = default;

void DnnlProduct::Run() {
  omp_set_num_threads(threads_);
  parts_->product.execute(parts_->stream,
                          {{DNNL_ARG_SRC, parts_->x}, {DNNL_ARG_WEIGHTS, parts_->w}, {DNNL_ARG_DST, parts_->y}});
  parts_->stream.wait();
}

}  // namespace orrery::bench
