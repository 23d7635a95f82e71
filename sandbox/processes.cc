// SPDX-License-Identifier: Apache-2.0
#include "sandbox/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>

#include "sandbox/step_protocol.h"

namespace orrery::sandbox {
namespace {

constexpr rlim_t kStackBytes = rlim_t{8} << 20;

[[noreturn]] void ExecuteInterpreter(const Setup& setup, int report) {
  // The same addresses on every run: a set of objects is ordered by them. Where it is refused, only that order varies.
  personality(static_cast<unsigned long>(personality(0xffffffff)) | ADDR_NO_RANDOMIZE);
  // Not the caller's: it decides where memory is mapped, and how deep a recursion in C may go before it is a signal.
  const rlimit stack{kStackBytes, kStackBytes};
  setrlimit(RLIMIT_STACK, &stack);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDWR);
  if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(report, kReportFd) < 0) _exit(126);
  std::string memory = std::to_string(setup.memory_bytes);
  std::string cpu = std::to_string(static_cast<uint64_t>(std::ceil(kReplayPatience * setup.wall_seconds)) + 1);
  std::array<const char*, 8> arguments = {setup.interpreter.c_str(),
                                          setup.zygote.c_str(),
                                          setup.packages.c_str(),
                                          memory.c_str(),
                                          cpu.c_str(),
                                          setup.walls ? "0" : "1",
                                          setup.imports.c_str(),
                                          nullptr};
  // One thread for OpenBLAS, which would otherwise start them while it is loaded. Symbols are found at the start, not
  // by every step anew.
  std::array<const char*, 5> environment = {"OPENBLAS_NUM_THREADS=1", "LD_BIND_NOW=1", "LC_ALL=C.UTF-8",
                                            "PATH=/usr/bin", nullptr};
  execve(arguments[0], const_cast<char**>(arguments.data()), const_cast<char**>(environment.data()));
  dprintf(2, "%s: cannot be started (%s)\n", arguments[0], strerror(errno));
  _exit(127);
}

// The first word of a warm zygote: its listener, and how much of Landlock it is under.
StatusOr<Zygote> ReceiveListener(int report, double seconds) {
  pollfd ready{report, POLLIN, 0};
  int polled = 0;
  do {
    polled = poll(&ready, 1, static_cast<int>(seconds * 1000));
  } while (polled < 0 && errno == EINTR);
  if (polled == 0) return Failed("the interpreter was not warm after {} s", seconds);
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (recvmsg(report, &message, MSG_CMSG_CLOEXEC) != 1) return Failed("the interpreter ended before it was warm");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS)
    return Failed("the interpreter sent no descriptor to grant forks on");
  int listener = -1;
  std::memcpy(&listener, CMSG_DATA(header), sizeof(listener));
  return Zygote{0, Descriptor(listener), static_cast<int>(byte)};
}

uint64_t Kilobytes(const std::string& field) { return std::strtoull(field.c_str(), nullptr, 10) << 10; }

}  // namespace

StatusOr<Zygote> StartZygote(const Setup& setup, double seconds) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return Failed("socketpair: {}", std::strerror(errno));
  const Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return Failed("fork: {}", std::strerror(errno));
  if (pid == 0) ExecuteInterpreter(setup, theirs.get());
  theirs.Close();
  auto zygote = ReceiveListener(ours.get(), seconds);
  if (!zygote.ok()) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return zygote.status();
  }
  zygote->pid = pid;
  return zygote;
}

double CpuSeconds(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

MemoryUse ReadMemoryUse(pid_t pid) {
  MemoryUse use;
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream status(folder + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) use.peak_bytes = Kilobytes(line.substr(6));
    if (line.rfind("RssAnon:", 0) == 0) use.anonymous_bytes = Kilobytes(line.substr(8));
  }
  std::ifstream stat(folder + "/stat");
  std::string rest;
  std::getline(stat, rest, ')');  // the program's name; seven fields after it come the faults that needed no disk
  for (int field = 0; field < 7; ++field) stat >> rest;
  uint64_t faults = 0;
  stat >> faults;
  use.touched_bytes = faults * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return use;
}

std::optional<uint64_t> OutOfMemoryKills() {
  std::ifstream file("/proc/vmstat");
  uint64_t count = 0;
  for (std::string key; file >> key >> count;) {
    if (key == "oom_kill") return count;
  }
  return std::nullopt;
}

std::vector<pid_t> Children() {
  std::ifstream file("/proc/thread-self/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}

}  // namespace orrery::sandbox
