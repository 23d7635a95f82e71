// SPDX-License-Identifier: Apache-2.0
#pragma once

// Our engine and its peers on the same work in the same run, one after the other, again and again: what bench:decode
// and bench:prefill have in common, their command line included.

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "bench/peer.h"
#include "bench/roofline.h"
#include "bench/workload.h"
#include "model/engine.h"
#include "model/source/model_source.h"

namespace orrery::bench {

struct SideOptions {
  std::string model = "qwen2.5-coder-0.5b-instruct", precision = "bfloat16";
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  int repeats = 2;
  bool json = false;
  bool peers = false;
  std::string python;  // empty: that of <cache>/peers, as bench/README.md makes it
  std::vector<std::string> peer_names = PeerNames();
  std::vector<std::string> peer_weights = {"equal"};
  std::vector<std::string> peer_settings;  // PEER.KEY=VALUE
};

// Those of our engine alone, and all.
void AddModelOptions(CLI::App& app, SideOptions& options);
void AddOptions(CLI::App& app, SideOptions& options);

model::Precision PrecisionOf(const std::string& precision);
double Median(std::vector<double> values);

ProductType TypeOf(const std::string& precision);

// The dimensions of a model, by its name or path.
StatusOr<model::ModelShape> ShapeOfModel(const std::string& model);

enum class Rate : uint8_t {
  kNewTokens,
  kPromptTokens
};  // a second; of all work, from the first prompt to the last token

class Sides {
 public:
  // Loads the model and, if they are wanted, the peers with theirs.
  static StatusOr<std::unique_ptr<Sides>> Start(const SideOptions& options);

  model::Engine& engine() { return *engine_; }
  const model::ModelSource& source() const { return *source_; }

  // Makes the same work anew for each repeat, so that no cache knows it; `salt` differs.
  using Make = std::function<StatusOr<Workload>(const WorkMaker& maker)>;
  // A first round with few new tokens warms everybody up; then each side works in turn, `repeats` times. Prints the
  // median rate of each, ours beside every peer's.
  Status Measure(const std::string& name, Rate rate, const Make& make);

 private:
  struct Side {
    std::string peer, weights;
    std::unique_ptr<Peer> process;
    std::vector<double> rates;
    std::string settings;
  };

  explicit Sides(SideOptions options) : options_(std::move(options)) {}
  Status StartPeers(const std::filesystem::path& path);
  StatusOr<Workload> Make_(const std::string& name, const Make& make);
  Status Round(const Workload& workload, Rate rate, bool counts);
  void Report(const std::string& name, Rate rate, const std::string& conditions);

  SideOptions options_;
  ProductType type_;
  Roofline roofline_;
  std::unique_ptr<model::ModelSource> source_;
  model::ModelShape shape_;
  std::unique_ptr<model::Engine> engine_;
  std::vector<Side> peers_;
  std::vector<double> rates_, shares_, rows_;  // ours, of the case that is being measured
  int salt_ = 1;
  uint64_t seed_ = 1;
};

}  // namespace orrery::bench
