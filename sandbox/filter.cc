// SPDX-License-Identifier: Apache-2.0
#include "sandbox/filter.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "sandbox/step_protocol.h"

namespace orrery::sandbox {
namespace {

// No clock, no process id: the interpreter answers those itself (fixed_world.cc). Nothing that tells of a file: its
// times and number are the machine's.
constexpr int kAllowed[] = {SCMP_SYS(read),         SCMP_SYS(write),        SCMP_SYS(lseek),
                            SCMP_SYS(close),        SCMP_SYS(close_range),  SCMP_SYS(munmap),
                            SCMP_SYS(mremap),       SCMP_SYS(madvise),      SCMP_SYS(brk),
                            SCMP_SYS(futex),        SCMP_SYS(exit),         SCMP_SYS(exit_group),
                            SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
                            SCMP_SYS(sigaltstack),  SCMP_SYS(sched_yield),  SCMP_SYS(restart_syscall)};

int AddRules(scmp_filter_ctx filter) {
  for (const int call : kAllowed) {
    if (const int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0); error != 0) return error;
  }
  // Memory may be mapped, but nothing new may be executed, and nothing be shared with the steps forked later.
  const auto not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
  const auto of_its_own = SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_TYPE, MAP_PRIVATE);
  int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, not_executable, of_its_own);
  if (error == 0) error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_executable);
  // For the interpreter's own loop: descriptors to their places, a step's limit of processor time, the end with the
  // supervisor, the filter's descriptor handed over.
  if (error == 0)
    error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(dup2), 1, SCMP_A0(SCMP_CMP_GE, kGivenReportFd));
  if (error == 0)
    error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setrlimit), 1, SCMP_A0(SCMP_CMP_EQ, RLIMIT_CPU));
  if (error == 0)
    error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1, SCMP_A0(SCMP_CMP_EQ, kReportFd));
  if (error == 0) {
    error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2, SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG),
                             SCMP_A1(SCMP_CMP_EQ, SIGKILL));
  }
  if (error == 0)
    error = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_EQ, kForkFlags));
  // glibc falls back from clone3 to clone, which is refused: threads and forks fail with EPERM.
  if (error == 0) error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  return error;
}

}  // namespace

std::optional<int> LoadFilter(std::string& reason) {
  // Never released: that may close the descriptor it hands out, and this runs once in a process.
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (filter == nullptr) {
    reason = "libseccomp cannot make a filter";
    return {};
  }
  int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
  if (error == 0) error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (error == 0) error = AddRules(filter);
  if (error == 0) error = seccomp_load(filter);
  if (error != 0) {
    reason = std::string("the kernel refuses the system call filter (") + std::strerror(-error) +
             "); it needs Linux 5.9 or newer";
    return {};
  }
  const int listener = seccomp_notify_fd(filter);
  if (listener < 0) {
    reason = std::string("the kernel gives no descriptor to grant forks on (") + std::strerror(-listener) + ")";
    return {};
  }
  return listener;
}

}  // namespace orrery::sandbox
