// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stands between a campaign and a server: hands calls on, until it is told to break one of them, or all from it on.

#include <atomic>
#include <memory>
#include <string>

#include "tests/model/hostile_server.h"

namespace orrery::faults {

class BrokenServer {
 public:
  enum class Way { kError, kHalf, kReset, kGarbage };
  static constexpr int kWays = 4;

  // `target`: "http://127.0.0.1:PORT/v1".
  explicit BrokenServer(const std::string& target);

  std::string url() const { return server_->url(); }
  int calls() const { return calls_; }  // for completions, since the last Break or Mend

  // The `call`-th completion from now (from 1) breaks; with `lasting` all after it too.
  void Break(Way way, int call, bool lasting);
  void Mend();
  bool broke() const { return broke_; }

 private:
  HostileAnswer Answer(const HostileCall& call);
  HostileAnswer HandOn(const HostileCall& call) const;

  int port_ = 0;
  std::atomic<int> calls_{0};
  std::atomic<int> at_{0};  // 0: never
  std::atomic<bool> lasting_{false}, broke_{false};
  std::atomic<Way> way_{Way::kError};
  std::unique_ptr<HostileServer> server_;
};

}  // namespace orrery::faults
