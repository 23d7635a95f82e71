// SPDX-License-Identifier: Apache-2.0
#include "sandbox/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/memory.h"

namespace orrery::sandbox {
namespace {

constexpr double kPatienceSeconds = 5;  // for what takes no time unless something is badly wrong

int SignalDescriptor() {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, nullptr);
  return signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
}

void AppendKey(std::string& key, const Step& step) {
  const std::array<uint64_t, 2> head = {step.seed, step.code.size()};
  key.append(reinterpret_cast<const char*>(head.data()), sizeof(head));
  key += step.code;
}

StepResult Internal(std::string why) {
  StepResult result;
  result.error = std::move(why);
  return result;
}

}  // namespace

Supervisor::Supervisor(int client, const Setup& setup, Zygote zygote)
    : client_(client),
      setup_(setup),
      zygote_(zygote.pid),
      listener_(std::move(zygote.listener)),
      grants_(listener_.get()),
      signals_(SignalDescriptor()) {
  memory_kills_ = OutOfMemoryKills();
  snapshots_[""].pid = zygote_;
  snapshots_[""].anonymous_bytes = ReadMemoryUse(zygote_).anonymous_bytes;
}

bool Supervisor::WaitForRequest() {
  for (;;) {
    std::array<pollfd, 3> ready = {
        {{client_, POLLIN, 0}, {grants_.descriptor(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
    if (poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) return false;
    if (ready[1].revents != 0) TakePauses(nullptr);
    if (ready[2].revents != 0) Reap(nullptr);
    if ((ready[0].revents & POLLIN) != 0) return true;
    if (ready[0].revents != 0) return false;
  }
}

StepResult Supervisor::Run(const StepRequest& request) {
  const auto start = Clock::now();
  ++requests_;
  std::vector<std::string> keys(1);
  for (const auto& step : request.parents) AppendKey(keys.emplace_back(keys.back()), step);
  int executed = 0;
  size_t depth = keys.size();
  Outcome outcome;
  // Down to the deepest snapshot that lives, then up again step by step; a snapshot that dies under us sends us down
  // once more.
  for (int losses = 0; losses < 3 && !broken_;) {
    for (depth = keys.size() - 1; depth > 0 && snapshots_.count(keys[depth]) == 0;) --depth;
    outcome = Outcome();
    for (; depth < request.parents.size(); ++depth) {
      outcome = RunOn(keys[depth], request.parents[depth], kReplayPatience * setup_.wall_seconds);
      if (outcome.parent_lost || outcome.result.verdict != Verdict::kOk) break;
      ++executed;
      Keep(keys[depth], keys[depth + 1], *outcome.paused);
    }
    if (!outcome.parent_lost && depth == request.parents.size())
      outcome = RunOn(keys.back(), request.step, setup_.wall_seconds);
    if (!outcome.parent_lost) break;
    ++losses;
  }
  if (broken_) return Internal("the interpreter that steps are forked from died");
  if (outcome.meddled) {
    // Whatever is asked of it: a verdict about its code, which another sandbox would come to as well.
    StepResult result;
    result.verdict = Verdict::kRuntimeError;
    result.error = "a step before it left an interpreter that takes no further step";
    return result;
  }
  if (outcome.parent_lost) return Internal("snapshots die as soon as they are made");
  if (depth < request.parents.size()) {
    const auto& replay = outcome.result;
    return Internal(
        fmt::format("step {} of the prefix was ok and now ends {} {}", depth + 1, Name(replay.verdict), replay.error));
  }
  StepResult result = std::move(outcome.result);
  result.steps_executed = executed + 1;
  if (outcome.paused) {
    std::string key = keys.back();
    AppendKey(key, request.step);
    result.peak_bytes = Keep(keys.back(), key, *outcome.paused);
  }
  Evict();
  result.poisoned = Examine();
  result.wall_seconds = SecondsSince(start);
  return result;
}

uint64_t Supervisor::Keep(const std::string& parent_key, const std::string& key, const Paused& paused) {
  if (const auto known = snapshots_.find(key); known != snapshots_.end()) Kill(known->second.pid);
  const MemoryUse use = ReadMemoryUse(paused.pid);
  const auto parent = snapshots_.find(parent_key);
  const uint64_t inherited = parent == snapshots_.end() ? 0 : parent->second.anonymous_bytes;
  const uint64_t grown = use.anonymous_bytes - std::min(use.anonymous_bytes, inherited);
  snapshots_[key] = {paused.pid, paused, std::max(grown, use.touched_bytes), use.anonymous_bytes, requests_};
  return use.peak_bytes;
}

Supervisor::Outcome Supervisor::RunOn(const std::string& parent_key, const Step& step, double wall_seconds) {
  Outcome outcome;
  AwaitPause(parent_key);
  const auto parent = snapshots_.find(parent_key);
  RunningStep current(setup_.output_bytes);
  if (parent == snapshots_.end() || !Fork(parent->second, step, current)) {
    outcome.parent_lost = true;
    AwaitPause(parent_key);
    return outcome;
  }
  parent->second.used = requests_;
  const auto deadline = SecondsFromNow(wall_seconds);
  Wait(current, deadline);
  if (current.orphaned) {
    End(current);
    outcome.parent_lost = outcome.meddled = true;
    return outcome;
  }
  const bool late = !current.paused && !current.gone && !current.unforked && !current.TooMuch();
  Judge(current, late, wall_seconds, outcome);
  AwaitPause(parent_key);
  return outcome;
}

void Supervisor::AwaitPause(const std::string& key) {
  const auto patience = SecondsFromNow(kPatienceSeconds);
  auto snapshot = snapshots_.find(key);
  while (snapshot != snapshots_.end() && !snapshot->second.paused && Clock::now() < patience) {
    Pump(nullptr, 100);
    snapshot = snapshots_.find(key);
  }
  if (snapshot == snapshots_.end() || snapshot->second.paused) return;
  if (snapshot->second.pid == zygote_) broken_ = true;
  Kill(snapshot->second.pid);
  snapshots_.erase(snapshot);
}

bool Supervisor::Fork(Snapshot& parent, const Step& step, RunningStep& current) {
  const auto given = current.Open(step);
  if (!given) return false;
  const Paused paused = *parent.paused;
  current.parent = parent.pid;
  parent.paused.reset();
  return grants_.Give(paused, given->report.get(), kGivenReportFd) &&
         grants_.Give(paused, given->output.get(), kGivenOutputFd) &&
         grants_.Give(paused, given->code.get(), kGivenCodeFd) && grants_.Allow(paused);
}

std::string Supervisor::Examine() {
  if (forks_ < Health::kSteps) return "";
  Vitals now;
  now.own_bytes = ResidentBytes();
  now.zygote_bytes = ReadMemoryUse(zygote_).anonymous_bytes;
  now.descriptors = OpenDescriptors();
  for (const pid_t child : Children())
    now.strangers += dying_.count(child) == 0 && FindSnapshot(child) == snapshots_.end();
  now.quickest_seconds = quickest_;
  forks_ = 0;
  quickest_ = 1e9;
  return health_.Judge(now);
}

void Supervisor::Wait(RunningStep& current, Clock::time_point deadline) {
  const auto begin = Clock::now();
  while (!current.paused && !current.gone && !current.unforked && !current.orphaned && !current.TooMuch() && !broken_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return;
    const bool known = current.pid != 0;
    Pump(&current, static_cast<int>(std::min<int64_t>(left, 1000)));
    if (!known && current.pid != 0) {
      ++forks_;
      quickest_ = std::min(quickest_, SecondsSince(begin));
    }
  }
}

bool Supervisor::Starved() {
  const auto before = std::exchange(memory_kills_, OutOfMemoryKills());
  return !before || !memory_kills_ || *memory_kills_ > *before;
}

void Supervisor::Judge(RunningStep& current, bool late, double wall_seconds, Outcome& outcome) {
  StepResult& result = outcome.result;
  if (current.unforked) {
    const auto reason = static_cast<int>(current.unforked->reason);
    result.error = fmt::format("the step could not be forked ({})", std::strerror(reason));
    return;
  }
  if (broken_) {
    End(current);
    return;
  }
  const bool done = current.paused.has_value();
  if (done) result.cpu_seconds = CpuSeconds(current.pid);
  current.ReadOutput();
  if (current.EndedOk()) {
    outcome.paused = current.paused;
  } else if (!current.gone) {
    if (done) {
      result.peak_bytes = ReadMemoryUse(current.pid).peak_bytes;
      Kill(current.pid);
    } else {
      End(current);
    }
    current.ReadOutput();
  }
  if (!done && !current.gone) {
    broken_ = true;
    result.error = "a step was forked and did not show itself";
    return;
  }
  current.starved = current.gone && WIFSIGNALED(current.status) && WTERMSIG(current.status) == SIGKILL && Starved();
  current.Conclude(late, wall_seconds, result);
}

void Supervisor::Pump(RunningStep* current, int milliseconds) {
  std::array<pollfd, 5> ready = {{{client_, 0, 0},
                                  {grants_.descriptor(), POLLIN, 0},
                                  {signals_.get(), POLLIN, 0},
                                  {current != nullptr ? current->output.get() : -1, POLLIN, 0},
                                  {current != nullptr ? current->report.get() : -1, POLLIN, 0}}};
  if (poll(ready.data(), ready.size(), milliseconds) <= 0) return;
  if ((ready[0].revents & (POLLHUP | POLLERR)) != 0) _exit(0);  // with us goes every process of the sandbox
  // What a process wrote comes before its end, and its hello before its pause.
  if (ready[3].revents != 0) current->ReadOutput();
  if (current != nullptr && (ready[4].revents | ready[1].revents | ready[2].revents) != 0) current->ReadReport();
  if (ready[1].revents != 0) TakePauses(current);
  if (ready[2].revents != 0) Reap(current);
}

std::map<std::string, Supervisor::Snapshot>::iterator Supervisor::FindSnapshot(pid_t pid) {
  return std::find_if(snapshots_.begin(), snapshots_.end(), [&](const auto& item) { return item.second.pid == pid; });
}

void Supervisor::TakePauses(RunningStep* current) {
  while (const auto paused = grants_.Next()) {
    if (current != nullptr && current->pid == 0) current->ReadReport();
    if (current != nullptr && current->pid == paused->pid) {
      current->paused = paused;
      current->ReadReport();
      continue;
    }
    const auto known = FindSnapshot(paused->pid);
    if (known == snapshots_.end()) {
      if (dying_.count(paused->pid) != 0) continue;
      if (current != nullptr &&
          current->pid == 0) {  // the only child that we cannot know yet: its guest kept it from saying hello
        current->pid = paused->pid;
        current->paused = paused;
      } else {
        grants_.Refuse(*paused);
      }
      continue;
    }
    const bool waited_for = current != nullptr && current->parent == paused->pid && current->pid == 0;
    const bool no_fork = waited_for && paused->state == Pause::kNoFork;
    // It runs what its guest left running: not a snapshot. That a fork failed is the zygote's to say, which has no
    // guest.
    if (paused->magic != kPauseMagic || (no_fork && paused->pid != zygote_)) {
      if (waited_for) current->orphaned = true;
      Kill(paused->pid);
      snapshots_.erase(known);
      continue;
    }
    known->second.paused = paused;
    if (no_fork) current->unforked = paused;
  }
}

void Supervisor::Reap(RunningStep* current) {
  signalfd_siginfo ignored{};
  while (read(signals_.get(), &ignored, sizeof(ignored)) > 0) {}
  for (;;) {
    int status = 0;
    rusage usage{};
    const pid_t pid = wait4(-1, &status, WNOHANG, &usage);
    if (pid <= 0) return;
    if (dying_.erase(pid) != 0) continue;
    if (const auto known = FindSnapshot(pid); known != snapshots_.end()) {
      if (pid == zygote_) broken_ = true;
      snapshots_.erase(known);
    } else if (current != nullptr && (current->pid == pid || current->pid == 0)) {
      current->pid = pid;
      current->gone = true;
      current->status = status;
      current->usage = usage;
    }
  }
}

void Supervisor::End(RunningStep& current) {
  const auto patience = SecondsFromNow(kPatienceSeconds);
  for (const pid_t child : Children()) {
    if (current.pid == 0 && dying_.count(child) == 0 && FindSnapshot(child) == snapshots_.end()) current.pid = child;
  }
  if (current.pid != 0) kill(current.pid, SIGKILL);
  while (current.pid != 0 && !current.gone && Clock::now() < patience) Pump(&current, 100);
}

void Supervisor::Kill(pid_t pid) {
  kill(pid, SIGKILL);
  dying_.insert(pid);
}

void Supervisor::Evict() {
  for (;;) {
    uint64_t bytes = 0;
    auto oldest = snapshots_.end();
    for (auto item = snapshots_.begin(); item != snapshots_.end(); ++item) {
      if (item->second.pid == zygote_) continue;
      bytes += item->second.bytes;
      if (oldest == snapshots_.end() || item->second.used < oldest->second.used) oldest = item;
    }
    const size_t count = snapshots_.size() - snapshots_.count("");
    if (oldest == snapshots_.end() || (count <= setup_.snapshot_count && bytes <= setup_.snapshot_bytes)) return;
    Kill(oldest->second.pid);
    snapshots_.erase(oldest);
  }
}

}  // namespace orrery::sandbox
