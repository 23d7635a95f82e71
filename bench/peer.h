// SPDX-License-Identifier: Apache-2.0
#pragma once

// Another engine, in a Python process of its own, that runs workloads when it is asked to (bench/peers/peer.py has the
// protocol).

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "bench/workload.h"

namespace orrery::bench {

struct PeerOptions {
  std::string name;               // one of PeerNames()
  std::filesystem::path program;  // a Python program that speaks the protocol; empty: that of the name
  std::filesystem::path python;
  std::filesystem::path model;  // a GGUF file
  int threads = 1;
  bool float32 = false;               // activations in float32 instead of bfloat16
  std::vector<std::string> settings;  // KEY=VALUE, in place of the best ones found
};

struct PeerAnswer {
  double seconds = 0;
  uint64_t new_tokens = 0;
  uint64_t prompt_tokens = 0;
  std::string settings;  // with which it ran, as JSON
};

// "llama.cpp", "openvino-genai".
const std::vector<std::string>& PeerNames();

// A GGUF file with the weights of `model` (a GGUF file) in `type` (f32, bf16, f16, q8_0, q4_0), made once by the
// peers' own package and kept in the cache folder. "file" is the model as it is.
StatusOr<std::filesystem::path> PeerWeights(const std::filesystem::path& python, const std::filesystem::path& model,
                                            std::string_view type);

class Peer {
 public:
  // Waits until its model is loaded. The error says what it wrote last, where it cannot be started.
  static StatusOr<std::unique_ptr<Peer>> Start(const PeerOptions& options);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  const std::string& version() const { return version_; }

  StatusOr<PeerAnswer> Run(const Workload& workload);

 private:
  explicit Peer(std::string name) : name_(std::move(name)) {}
  Status Spawn(const std::vector<std::string>& line);
  StatusOr<std::string> ReadLine();

  std::string name_, version_;
  std::filesystem::path log_;  // what it writes on its standard error
  pid_t process_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace orrery::bench
