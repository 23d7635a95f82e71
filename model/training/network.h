// SPDX-License-Identifier: Apache-2.0
#pragma once

// A transformer's forward and backward pass over whole sequences, for training.
//
// A batch is several sequences one after the other; each sees itself only. Between forward and backward the inputs of
// all layers are kept; what lies within a layer, its weights as products read them too, is kept or made again
// (checkpointing: a third more arithmetic). The result does not depend on that, nor on the number of threads.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/training.h"
#include "model/source/shape.h"
#include "model/training/parameters.h"

namespace orrery::model {

struct NetworkOptions {
  int max_rows = 1024;  // tokens of a batch at most
  bool checkpointing = false;
  // The table of embeddings, and the output matrix where it is the same, stay as they are: they get no gradient, and
  // the memory of one is not touched.
  bool freeze_embeddings = false;
};

// Memory of a training, all in all: the parameters' arrays, weights as products read them, activations.
// `arrays`: values, gradients and two moments; adapters leave out the moments, what moves no weight has values alone.
uint64_t TrainingBytes(const ModelShape& shape, bool tied, kernels::Type type, const NetworkOptions& options,
                       uint64_t arrays = 4);

class Network {
 public:
  // `parameters` and `ops` must outlive it.
  Network(const ModelShape& shape, Parameters& parameters, const kernels::TrainingOps& ops,
          const NetworkOptions& options);
  ~Network();

  const ModelShape& shape() const { return shape_; }
  const NetworkOptions& options() const { return options_; }

  // Values [offset, offset + count) of the parameters, or what stands for them; read before the next is asked for.
  using ValueSource = std::function<const float*(size_t offset, size_t count)>;
  // Takes the matrices' values from the parameters, or from `source`, which must live until the next call; after each
  // step of the optimiser. With checkpointing a layer's are taken each time that they are needed.
  void Refresh(ValueSource source = {});

  // Leaves the last layer's output in hidden(): [rows][width], before the final norm. What `sequences` points to is
  // copied.
  void Forward(std::span<const int32_t> tokens, const kernels::Sequences& sequences);
  const float* hidden() const;

  // The gradient of hidden(), to be filled by the heads before Backward; zeros after Forward.
  float* hidden_gradient();
  // Adds to the parameters' gradients.
  void Backward();

  // The language model's head on some rows of hidden(): losses[i] = −ln p(targets[i]) of row which[i], and where
  // `gradient` is wanted weights[i] times its gradient into hidden_gradient() and the parameters' gradients.
  void LanguageHead(std::span<const int32_t> which, std::span<const int32_t> targets, std::span<const float> weights,
                    bool gradient, double* losses);

  // A reward model's output on some rows of hidden(); and back: douts[i] times its gradient.
  void Score(std::span<const int32_t> which, float* outputs);
  void ScoreGradient(std::span<const int32_t> which, std::span<const float> doutputs);

  // What a head multiplies on some rows of hidden(): rows: [which][width], after the final norm, not rounded.
  void HeadInputs(std::span<const int32_t> which, float* rows);

 private:
  struct Layer;
  struct Weights;
  struct Buffers;

  void ForwardLayer(int number, const float* x, Layer& layer, float* out);
  void BackwardLayer(int number, const float* x, Layer& layer);
  float* LayerInput(int number);
  void Set(kernels::TrainingWeight& weight, size_t offset);
  void Set(Weights& weights, int number);
  // With checkpointing until another layer's are asked for.
  const Weights& WeightsOf(int number);
  kernels::Sequences Batch() const { return {begins_, prefixes_, branches_}; }
  // The outputs of a few rows of hidden(), and back from their gradient as products read it.
  void HeadForward(std::span<const int32_t> which);
  void HeadBackward(std::span<const int32_t> which);

  ModelShape shape_;
  Parameters& parameters_;
  const kernels::TrainingOps& ops_;
  NetworkOptions options_;
  ValueSource source_;
  std::vector<int32_t> tokens_, begins_, prefixes_, branches_;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace orrery::model
