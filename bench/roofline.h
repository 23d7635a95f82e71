// SPDX-License-Identifier: Apache-2.0
#pragma once

// What this machine allows matrix products, measured now: how fast it multiplies where nothing is waited for, and how
// fast it reads memory. A product can be no faster than the slower of the two lets it.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/thread_pool.h"
#include "model/source/shape.h"

namespace orrery::bench {

// Of weights; activations follow (model/engine.h).
struct ProductType {
  kernels::Type type = kernels::Type::kBfloat16;
  kernels::WeightType weights = kernels::WeightType::kSame;

  double WeightBytes() const;
};

struct Roofline {
  double flops_per_second = 0;
  double bytes_per_second = 0;

  // The least seconds for a product with n × k weights that are read from memory once.
  double Seconds(double n, double k, double rows, const ProductType& type) const;
};

// oneDNN's own product of whole matrices, weights packed as it likes: what a user of the library has.
class DnnlProduct {
 public:
  DnnlProduct(int n, int k, int rows, const ProductType& type, int threads);
  ~DnnlProduct();
  void Run();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  int threads_;
};

// Measures it again and again, beside what is compared with it: a shared machine multiplies, or reads, twice as fast at
// one moment as at the next. Of oneDNN's and our own products of several sizes, all of whose operands lie in the
// caches, the one that is the fastest just then counts.
class RooflineMeter {
 public:
  RooflineMeter(const ProductType& type, int threads);
  ~RooflineMeter();

  const Roofline& best() const { return best_; }  // when the meter was made
  Roofline Now();                                 // tens of milliseconds; in float32 ten times as long

 private:
  struct Candidate;
  double ReadSeconds();  // of one reading of memory_

  std::unique_ptr<kernels::ThreadPool> pool_;
  std::unique_ptr<kernels::Backend> backend_;
  std::vector<std::unique_ptr<Candidate>> candidates_;
  std::unique_ptr<uint64_t[], decltype(&std::free)> memory_;
  Roofline best_;
};

Roofline MeasureRoofline(const ProductType& type, int threads);

// The least seconds for the matrix products of a batch: all layers' for `rows` rows, the output's for `sampled` rows.
double BatchSeconds(const model::ModelShape& shape, double rows, double sampled, const Roofline& roofline,
                    const ProductType& type);

}  // namespace orrery::bench
