// SPDX-License-Identifier: Apache-2.0
#include "sandbox/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "sandbox/text.h"

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

// The step as the child reads it: StepHeader, then the code.
Descriptor CodeFile(const Step& step) {
  Descriptor file(memfd_create("step", MFD_CLOEXEC));
  const StepHeader header{step.seed, step.code.size()};
  std::string content(reinterpret_cast<const char*>(&header), sizeof(header));
  content += step.code;
  for (size_t done = 0; file && done < content.size();) {
    const ssize_t written = write(file.get(), content.data() + done, content.size() - done);
    if (written <= 0) return Descriptor();
    done += static_cast<size_t>(written);
  }
  if (file) lseek(file.get(), 0, SEEK_SET);
  return file;
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

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

double CpuSeconds(const rusage& usage) { return Seconds(usage.ru_utime) + Seconds(usage.ru_stime); }

}  // namespace

Supervisor::Supervisor(int client, const Setup& setup, Zygote zygote)
    : client_(client),
      setup_(setup),
      zygote_(zygote.pid),
      listener_(std::move(zygote.listener)),
      grants_(listener_.get()),
      signals_(SignalDescriptor()) {
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
      outcome = RunOn(keys[depth], request.parents[depth]);
      if (outcome.parent_lost || outcome.result.verdict != Verdict::kOk) break;
      ++executed;
      Keep(keys[depth], keys[depth + 1], *outcome.paused);
    }
    if (!outcome.parent_lost && depth == request.parents.size()) outcome = RunOn(keys.back(), request.step);
    if (!outcome.parent_lost) break;
    ++losses;
  }
  if (broken_) return Internal("the interpreter that steps are forked from died");
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
  result.wall_seconds = std::chrono::duration<double>(Clock::now() - start).count();
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

Supervisor::Outcome Supervisor::RunOn(const std::string& parent_key, const Step& step) {
  Outcome outcome;
  AwaitPause(parent_key);
  const auto parent = snapshots_.find(parent_key);
  Current current;
  if (parent == snapshots_.end() || !Fork(parent->second, step, current)) {
    outcome.parent_lost = true;
    AwaitPause(parent_key);
    return outcome;
  }
  parent->second.used = requests_;
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(setup_.wall_seconds));
  Wait(current, deadline);
  const bool late = !current.paused && !current.gone && !current.unforked && !TooMuch(current);
  Judge(current, late, outcome);
  AwaitPause(parent_key);
  return outcome;
}

void Supervisor::AwaitPause(const std::string& key) {
  const auto patience =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(kPatienceSeconds));
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

bool Supervisor::Fork(Snapshot& parent, const Step& step, Current& current) {
  std::array<int, 2> sockets{-1, -1};
  std::array<int, 2> pipes{-1, -1};
  const Descriptor code = CodeFile(step);
  if (!code || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) return false;
  current.report = Descriptor(sockets[0]);
  const Descriptor child_report(sockets[1]);
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) return false;
  current.output = Descriptor(pipes[0]);
  const Descriptor child_output(pipes[1]);
  // The kernel adds the sender's process id to each report: that is how the child's is known for certain.
  const int on = 1;
  setsockopt(current.report.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  fcntl(current.report.get(), F_SETFL, O_NONBLOCK);
  fcntl(current.output.get(), F_SETFL, O_NONBLOCK);
  const Paused paused = *parent.paused;
  current.parent = parent.pid;
  parent.paused.reset();
  return grants_.Give(paused, child_report.get(), kGivenReportFd) &&
         grants_.Give(paused, child_output.get(), kGivenOutputFd) && grants_.Give(paused, code.get(), kGivenCodeFd) &&
         grants_.Allow(paused);
}

void Supervisor::Wait(Current& current, Clock::time_point deadline) {
  while (!current.paused && !current.gone && !current.unforked && !TooMuch(current) && !broken_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return;
    Pump(&current, static_cast<int>(std::min<int64_t>(left, 1000)));
  }
}

void Supervisor::Judge(Current& current, bool late, Outcome& outcome) {
  StepResult& result = outcome.result;
  const bool done = current.paused.has_value();
  if (current.unforked) {
    const auto reason = static_cast<int>(current.unforked->reason);
    result.error = fmt::format("the step could not be forked ({})", std::strerror(reason));
    return;
  }
  if (broken_) {
    End(current);
    return;
  }
  if (done) result.cpu_seconds = CpuSeconds(current.pid);
  ReadOutput(current);
  if (done && current.paused->state == Pause::kOk && current.paused->magic == kPauseMagic && !TooMuch(current)) {
    result.verdict = Verdict::kOk;
    outcome.paused = current.paused;
  } else if (!current.gone) {
    if (done) {
      result.peak_bytes = ReadMemoryUse(current.pid).peak_bytes;
      Kill(current.pid);
    } else {
      End(current);
    }
    ReadOutput(current);
  }
  if (!done && !current.gone) {
    broken_ = true;
    result.error = "a step was forked and did not show itself";
    return;
  }
  if (current.gone) {
    result.cpu_seconds = CpuSeconds(current.usage);
    result.peak_bytes = static_cast<uint64_t>(current.usage.ru_maxrss) << 10;
  }
  if (TooMuch(current)) {
    result.verdict = Verdict::kOutputLimit;
  } else if (late) {
    result.verdict = Verdict::kTimeOut;
    result.error = "wall clock";
  } else if (current.gone) {
    JudgeDeath(current, result);
  } else if (result.verdict != Verdict::kOk) {
    result.verdict = current.paused->state == Pause::kMemory ? Verdict::kMemoryLimit : Verdict::kRuntimeError;
    result.error = EscapeInvalidUtf8(current.error);
    if (result.error.empty()) result.error = "the step closed the channel that its exception is reported on";
  }
  const std::string_view text(current.text);
  result.output = EscapeInvalidUtf8(TooMuch(current) ? WithoutCutCharacter(text.substr(0, setup_.output_bytes)) : text);
}

void Supervisor::JudgeDeath(const Current& current, StepResult& result) const {
  if (WIFEXITED(current.status)) {
    result.verdict = Verdict::kRuntimeError;
    result.error = fmt::format("the step ended its own process (exit status {})", WEXITSTATUS(current.status));
    return;
  }
  const int signal = WTERMSIG(current.status);
  const bool out_of_time = result.cpu_seconds >= setup_.wall_seconds;
  if ((signal == SIGKILL || signal == SIGXCPU) && out_of_time) {
    result.verdict = Verdict::kTimeOut;
    result.error = "processor";
  } else if (signal == SIGKILL) {
    result.verdict = Verdict::kMemoryLimit;  // we did not send it: the kernel did, for want of memory
  } else {
    result.verdict = Verdict::kSignal;
    result.error = SignalName(signal);
  }
}

void Supervisor::Pump(Current* current, int milliseconds) {
  std::array<pollfd, 5> ready = {{{client_, 0, 0},
                                  {grants_.descriptor(), POLLIN, 0},
                                  {signals_.get(), POLLIN, 0},
                                  {current != nullptr ? current->output.get() : -1, POLLIN, 0},
                                  {current != nullptr ? current->report.get() : -1, POLLIN, 0}}};
  if (poll(ready.data(), ready.size(), milliseconds) <= 0) return;
  if ((ready[0].revents & (POLLHUP | POLLERR)) != 0) _exit(0);  // with us goes every process of the sandbox
  // What a process wrote comes before its end, and its hello before its pause.
  if (ready[3].revents != 0) ReadOutput(*current);
  if (current != nullptr && (ready[4].revents | ready[1].revents | ready[2].revents) != 0) ReadReport(*current);
  if (ready[1].revents != 0) TakePauses(current);
  if (ready[2].revents != 0) Reap(current);
}

void Supervisor::ReadOutput(Current& current) const {
  std::array<char, 1 << 16> bytes;
  while (current.output && !TooMuch(current)) {
    const ssize_t got = read(current.output.get(), bytes.data(), bytes.size());
    if (got == 0) current.output.Close();
    if (got <= 0) return;
    current.text.append(bytes.data(), static_cast<size_t>(got));
  }
}

void Supervisor::ReadReport(Current& current) const {
  while (current.report) {
    std::array<char, kMaxErrorBytes> bytes;
    iovec data{bytes.data(), bytes.size()};
    // No room for descriptors that a guest might send: the kernel drops them.
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(current.report.get(), &message, MSG_CMSG_CLOEXEC);
    if (got < 0) return;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (got == 0 || header == nullptr || header->cmsg_type != SCM_CREDENTIALS) {
      current.report.Close();
      return;
    }
    ucred sender{};
    std::memcpy(&sender, CMSG_DATA(header), sizeof(sender));
    if (current.pid == 0 && sender.pid != current.parent) {
      current.pid = sender.pid;
    } else if (sender.pid == current.pid) {
      current.error.assign(bytes.data(), static_cast<size_t>(got));
    }
  }
}

std::map<std::string, Supervisor::Snapshot>::iterator Supervisor::FindSnapshot(pid_t pid) {
  return std::find_if(snapshots_.begin(), snapshots_.end(), [&](const auto& item) { return item.second.pid == pid; });
}

void Supervisor::TakePauses(Current* current) {
  while (const auto paused = grants_.Next()) {
    if (current != nullptr && current->pid == 0) ReadReport(*current);
    if (current != nullptr && current->pid == paused->pid) {
      current->paused = paused;
      ReadReport(*current);
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
    if (paused->magic != kPauseMagic) {  // it runs what its guest left running: not a snapshot
      Kill(paused->pid);
      snapshots_.erase(known);
      continue;
    }
    known->second.paused = paused;
    if (current != nullptr && current->parent == paused->pid && current->pid == 0 && paused->state == Pause::kNoFork) {
      current->unforked = paused;
    }
  }
}

void Supervisor::Reap(Current* current) {
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

void Supervisor::End(Current& current) {
  const auto patience =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(kPatienceSeconds));
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
