// SPDX-License-Identifier: Apache-2.0
#include "runners/sweeps/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace orrery::runners {
namespace {

constexpr double kTerminalEvery = 0.5;  // seconds
constexpr double kPlainEvery = 15;
constexpr double kSlow = 2;  // times the usual seconds of a cell

}  // namespace

std::string SweepLine(const SweepMoment& moment) {
  std::string line = fmt::format("{} · cells {}/{}", ClockText(moment.seconds), moment.done, moment.cells);
  if (moment.failed > 0) line += fmt::format(" · {} failed", moment.failed);
  for (const RunningCell& cell : moment.running) {
    const bool slow = moment.usual_seconds > 0 && cell.seconds > kSlow * moment.usual_seconds;
    line += fmt::format(" · {} {:.0f}%{}", cell.name, 100 * cell.share, slow ? " (slow)" : "");
  }
  if (moment.seconds > 0 && moment.tokens > 0)
    line += fmt::format(" · {:.0f} tokens/s", static_cast<double>(moment.tokens) / moment.seconds);
  // Before a fiftieth is done, nothing can be said of the rest.
  if (moment.work_done * 50 > moment.work && moment.work_done < moment.work) {
    const double left = moment.seconds * (moment.work - moment.work_done) / moment.work_done;
    line += fmt::format(" · about {} left", ClockText(left));
  }
  return line;
}

SweepProgress::SweepProgress(std::vector<std::string> names, std::vector<double> work, bool quiet)
    : names_(std::move(names)), work_(std::move(work)), quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1) {}

SweepProgress::~SweepProgress() {
  if (open_) std::fputc('\n', stderr);
}

double SweepProgress::Now() const { return SecondsSince(begin_); }

SweepMoment SweepProgress::MomentNow() const {
  SweepMoment moment{.seconds = Now(),
                     .cells = names_.size(),
                     .done = done_,
                     .failed = failed_,
                     .tokens = tokens_,
                     .work = std::accumulate(work_.begin(), work_.end(), 0.0) - recalled_work_,
                     .work_done = ended_work_};
  for (const auto& [cell, started] : running_) {
    const double planned = static_cast<double>(std::max<uint64_t>(1, started.last.rollouts_planned));
    const double share = std::min(1.0, static_cast<double>(started.last.rollouts) / planned);
    moment.running.push_back({.name = names_[cell], .share = share, .seconds = moment.seconds - started.begin});
    moment.tokens += started.last.tokens;
    moment.work_done += share * work_[cell];
  }
  double seconds = 0;
  for (const auto& [one, cell] : ended_) seconds += one;
  if (!ended_.empty()) moment.usual_seconds = seconds / static_cast<double>(ended_.size());
  return moment;
}

void SweepProgress::Draw() {
  if (quiet_ || Now() < next_) return;
  next_ = Now() + (terminal_ ? kTerminalEvery : kPlainEvery);
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r\x1b[K" : "", SweepLine(MomentNow()), terminal_ ? "" : "\n");
  std::fflush(stderr);
  open_ = terminal_;
}

void SweepProgress::Begin(size_t cell) {
  const std::lock_guard lock(mutex_);
  running_[cell] = {.begin = Now(), .last = {}};
}

void SweepProgress::Show(size_t cell, const Moment& moment) {
  const std::lock_guard lock(mutex_);
  if (const auto running = running_.find(cell); running != running_.end()) running->second.last = moment;
  Draw();
}

void SweepProgress::End(size_t cell, const std::string& words, bool failed, bool recalled) {
  const std::lock_guard lock(mutex_);
  const auto running = running_.extract(cell);
  ++done_;
  if (failed) ++failed_;
  if (recalled) {
    recalled_work_ += work_[cell];
  } else {
    ended_work_ += work_[cell];
    tokens_ += running.mapped().last.tokens;
    if (!failed) ended_.emplace_back(Now() - running.mapped().begin, cell);
  }
  if (quiet_ && !failed) return;
  fmt::print(stderr, "{}cell {} of {}, {}: {}\n", open_ ? "\r\x1b[K" : "", done_, names_.size(), names_[cell], words);
  std::fflush(stderr);
  open_ = false;
}

std::string SweepProgress::Slowest() const {
  constexpr size_t kMost = 3;
  const std::lock_guard lock(mutex_);
  if (ended_.size() < 2) return "";
  auto ended = ended_;
  std::ranges::sort(ended, std::greater());
  std::string text = "slowest: ";
  for (size_t i = 0; i < std::min(kMost, ended.size()); ++i)
    text += fmt::format("{}{} {:.0f} s", i == 0 ? "" : ", ", names_[ended[i].second], ended[i].first);
  return text;
}

}  // namespace orrery::runners
