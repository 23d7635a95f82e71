// SPDX-License-Identifier: Apache-2.0
#include "sandbox/health.h"

#include <fmt/format.h>

#include <filesystem>
#include <iterator>

namespace orrery::sandbox {
namespace {

// What a healthy one never reaches, however long it lives (docs/measurements.md: 20,000 steps).
constexpr uint64_t kGrownBytes = uint64_t{64} << 20;
constexpr int kMoreDescriptors = 32;
constexpr int kStrangers = 8;
constexpr double kSlower = 8;
constexpr double kSlowSeconds = 0.05;

}  // namespace

std::string Health::Judge(const Vitals& now) {
  if (!young_) young_ = now;
  const auto grown = [](uint64_t before, uint64_t after) { return after > before + kGrownBytes; };
  if (grown(young_->own_bytes, now.own_bytes))
    return fmt::format("the supervisor grew from {} to {} bytes", young_->own_bytes, now.own_bytes);
  if (grown(young_->zygote_bytes, now.zygote_bytes))
    return fmt::format("the warm interpreter grew from {} to {} bytes", young_->zygote_bytes, now.zygote_bytes);
  if (now.descriptors > young_->descriptors + kMoreDescriptors)
    return fmt::format("{} descriptors are open, {} were", now.descriptors, young_->descriptors);
  if (now.strangers > kStrangers) return fmt::format("{} processes belong to no step", now.strangers);
  if (now.quickest_seconds > kSlowSeconds && now.quickest_seconds > kSlower * young_->quickest_seconds)
    return fmt::format("the quickest fork takes {} s, it took {} s", now.quickest_seconds, young_->quickest_seconds);
  return "";
}

int OpenDescriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator folder("/proc/self/fd", error);
  return error ? 0 : static_cast<int>(std::distance(begin(folder), end(folder)));
}

}  // namespace orrery::sandbox
