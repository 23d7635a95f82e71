// SPDX-License-Identifier: Apache-2.0
#pragma once

// What store verify found: each difference is told at once on standard output, by any thread, and counted.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace orrery::runners {

class Findings {
 public:
  explicit Findings(bool json) : json_(json) {}

  void Same() { ++same_; }
  void LeftOut() { ++left_out_; }
  // `place` is a node's path, "/0/2", a candidate, "/0/2#1", or nothing.
  void Differs(std::string_view problem, const std::string& place, const std::string& field,
               const std::string& recorded, const std::string& now);

  uint64_t same() const { return same_; }
  uint64_t different() const { return different_; }
  uint64_t left_out() const { return left_out_; }

 private:
  const bool json_;
  std::mutex mutex_;
  std::atomic<uint64_t> same_ = 0, different_ = 0, left_out_ = 0;
};

}  // namespace orrery::runners
