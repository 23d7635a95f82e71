// SPDX-License-Identifier: Apache-2.0
#include "sandbox/running_step.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstring>

#include "sandbox/text.h"

namespace orrery::sandbox {
namespace {

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

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

}  // namespace

std::optional<StepDescriptors> RunningStep::Open(const Step& step) {
  std::array<int, 2> sockets{-1, -1};
  std::array<int, 2> pipes{-1, -1};
  StepDescriptors given;
  given.code = CodeFile(step);
  if (!given.code || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0) return std::nullopt;
  report = Descriptor(sockets[0]);
  given.report = Descriptor(sockets[1]);
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) return std::nullopt;
  output = Descriptor(pipes[0]);
  given.output = Descriptor(pipes[1]);
  // The kernel adds the sender's process id to each report: that is how the child's is known for certain.
  const int on = 1;
  setsockopt(report.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  fcntl(report.get(), F_SETFL, O_NONBLOCK);
  fcntl(output.get(), F_SETFL, O_NONBLOCK);
  return given;
}

void RunningStep::ReadOutput() {
  std::array<char, 1 << 16> bytes;
  while (output && !TooMuch()) {
    const ssize_t got = read(output.get(), bytes.data(), bytes.size());
    if (got == 0) output.Close();
    if (got <= 0) return;
    text.append(bytes.data(), static_cast<size_t>(got));
  }
}

void RunningStep::ReadReport() {
  while (report) {
    std::array<char, kMaxErrorBytes> bytes;
    iovec data{bytes.data(), bytes.size()};
    // No room for descriptors that a guest might send: the kernel drops them.
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(report.get(), &message, MSG_CMSG_CLOEXEC);
    if (got < 0) return;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (got == 0 || header == nullptr || header->cmsg_type != SCM_CREDENTIALS) {
      report.Close();
      return;
    }
    ucred sender{};
    std::memcpy(&sender, CMSG_DATA(header), sizeof(sender));
    if (pid == 0 && sender.pid != parent) {
      pid = sender.pid;
    } else if (sender.pid == pid) {
      error.assign(bytes.data(), static_cast<size_t>(got));
    }
  }
}

bool RunningStep::EndedOk() const {
  return paused && paused->state == Pause::kOk && paused->magic == kPauseMagic && !gone && !TooMuch();
}

void RunningStep::Conclude(bool late, double wall_seconds, StepResult& result) const {
  if (gone) {
    result.cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
    result.peak_bytes = static_cast<uint64_t>(usage.ru_maxrss) << 10;
  }
  if (TooMuch()) {
    result.verdict = Verdict::kOutputLimit;
  } else if (late) {
    result.verdict = Verdict::kTimeOut;
    result.error = "wall clock";
  } else if (gone) {
    ConcludeDeath(wall_seconds, result);
  } else if (EndedOk()) {
    result.verdict = Verdict::kOk;
  } else {
    result.verdict = paused->state == Pause::kMemory ? Verdict::kMemoryLimit : Verdict::kRuntimeError;
    result.error = EscapeInvalidUtf8(error);
    if (result.error.empty()) result.error = "the step closed the channel that its exception is reported on";
  }
  const std::string_view printed(text);
  result.output = EscapeInvalidUtf8(TooMuch() ? WithoutCutCharacter(printed.substr(0, output_limit)) : printed);
}

void RunningStep::ConcludeDeath(double wall_seconds, StepResult& result) const {
  if (WIFEXITED(status)) {
    result.verdict = Verdict::kRuntimeError;
    result.error = fmt::format("the step ended its own process (exit status {})", WEXITSTATUS(status));
    return;
  }
  const int signal = WTERMSIG(status);
  const bool out_of_time = result.cpu_seconds >= wall_seconds;
  if ((signal == SIGKILL || signal == SIGXCPU) && out_of_time) {
    result.verdict = Verdict::kTimeOut;
    result.error = "processor";
  } else if (signal == SIGKILL && starved) {
    result.verdict = Verdict::kMemoryLimit;
  } else if (signal == SIGKILL) {
    result.error = "something outside the sandbox killed the step";  // not its own fault: no verdict
  } else {
    result.verdict = Verdict::kSignal;
    result.error = SignalName(signal);
  }
}

}  // namespace orrery::sandbox
