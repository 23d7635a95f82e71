// SPDX-License-Identifier: Apache-2.0
#include "runners/common/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace orrery::runners {
namespace {

constexpr double kTerminalEvery = 0.5;  // seconds
constexpr double kPlainEvery = 15;

}  // namespace

std::string ClockText(double seconds) {
  const auto whole = static_cast<uint64_t>(seconds);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{:02}:{:02}", whole / 60, whole % 60);
}

std::string ProgressLine(const Moment& moment) {
  std::string line = fmt::format("{} · problems {}/{} · solved {} · rollouts {}/{}", ClockText(moment.seconds),
                                 moment.done, moment.problems, moment.solved, moment.rollouts, moment.rollouts_planned);
  if (moment.seconds > 0)
    line += fmt::format(" · {:.0f} tokens/s", static_cast<double>(moment.tokens) / moment.seconds);
  if (moment.batches > 0)
    line += fmt::format(" · {:.0f} rows/batch", static_cast<double>(moment.rows) / static_cast<double>(moment.batches));
  // The first rollouts of all trees end together: before a twentieth is done, nothing can be said of the rest.
  if (moment.rollouts * 20 > moment.rollouts_planned && moment.rollouts < moment.rollouts_planned) {
    const double left = static_cast<double>(moment.rollouts_planned - moment.rollouts);
    line += fmt::format(" · about {} left", ClockText(moment.seconds * left / static_cast<double>(moment.rollouts)));
  }
  return line;
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (open_) std::fputc('\n', stderr);
}

void Progress::Show(const Moment& moment) {
  if (quiet_ || moment.seconds < next_) return;
  next_ = moment.seconds + (terminal_ ? kTerminalEvery : kPlainEvery);
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", ProgressLine(moment));
    open_ = true;
  } else {
    fmt::print(stderr, "{}\n", ProgressLine(moment));
  }
  std::fflush(stderr);
}

}  // namespace orrery::runners
