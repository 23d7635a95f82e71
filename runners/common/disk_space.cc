// SPDX-License-Identifier: Apache-2.0
#include "runners/common/disk_space.h"

#include <algorithm>
#include <cmath>
#include <system_error>

#include "store/html.h"

namespace orrery::runners {

namespace fs = std::filesystem;

bool IsDiskFull(const Status& status) { return status.code() == absl::StatusCode::kResourceExhausted; }

uint64_t BytesBelow(const fs::path& folder) {
  uint64_t bytes = 0;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(folder, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    std::error_code unreadable;
    if (!it->is_regular_file(unreadable)) continue;
    const uint64_t size = it->file_size(unreadable);
    if (!unreadable) bytes += size;
  }
  return bytes;
}

uint64_t BytesNeeded(uint64_t written, double done) {
  // A table is written while the log that it replaces is still there: one write buffer more (store/rocks.cc).
  constexpr uint64_t kRoom = uint64_t{16} << 20;
  constexpr double kLeast = 0.02;  // below it the share says nothing: as much as for a fiftieth
  const double share = std::clamp(done, kLeast, 1.0);
  return static_cast<uint64_t>(std::llround(static_cast<double>(written) * (1 - share) / share)) + kRoom;
}

std::string NeededSpace(const fs::path& folder, double done) {
  const uint64_t written = BytesBelow(folder);
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  return fmt::format("about {} more are needed for the rest: {} were written for {:.0f}% of it{}",
                     store::Bytes(BytesNeeded(written, done)), store::Bytes(written), 100 * std::clamp(done, 0.0, 1.0),
                     error ? "" : fmt::format("; {} are free", store::Bytes(space.available)));
}

}  // namespace orrery::runners
