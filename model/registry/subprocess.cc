// SPDX-License-Identifier: Apache-2.0
#include "model/registry/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace orrery::model {
namespace {

constexpr size_t kErrorsKept = 4096;
constexpr int kTickMilliseconds = 100;

// Closes what is left open when it goes.
struct Pipe {
  std::array<int, 2> ends = {-1, -1};
  ~Pipe() {
    Close(0);
    Close(1);
  }
  bool Open() { return pipe2(ends.data(), O_CLOEXEC) == 0; }
  void Close(int end) {
    if (ends[end] >= 0) close(ends[end]);
    ends[end] = -1;
  }
};

struct Pipes {
  Pipe input, output, errors;
};

// After fork: only async-signal-safe calls.
[[noreturn]] void Become(const Pipes& pipes, char* const* arguments, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(pipes.input.ends[0], STDIN_FILENO);
  dup2(pipes.output.ends[1], STDOUT_FILENO);
  dup2(pipes.errors.ends[1], STDERR_FILENO);
  execvp(arguments[0], arguments);
  _exit(127);
}

// Appends what can be read; closes the end at the end of the stream.
void Drain(Pipe& pipe, std::string* text) {
  char buffer[8192];
  const ssize_t got = read(pipe.ends[0], buffer, sizeof(buffer));
  if (got > 0) text->append(buffer, static_cast<size_t>(got));
  if (got == 0 || (got < 0 && errno != EINTR)) pipe.Close(0);
}

int Wait(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

StatusOr<ProgramResult> RunProgram(const std::vector<std::string>& arguments, const std::string& input,
                                   const std::function<void()>& tick) {
  Pipes pipes;
  if (!pipes.input.Open() || !pipes.output.Open() || !pipes.errors.Open())
    return Failed("no pipe for {}: {}", arguments[0], std::strerror(errno));
  // The input fits the pipe's buffer, so it is written before the program starts and nobody waits.
  if (write(pipes.input.ends[1], input.data(), input.size()) != static_cast<ssize_t>(input.size())) {
    return Failed("no pipe for {}: {}", arguments[0], std::strerror(errno));
  }
  pipes.input.Close(1);
  std::vector<char*> raw;
  for (const std::string& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return Failed("{} cannot be started: {}", arguments[0], std::strerror(errno));
  if (child == 0) Become(pipes, raw.data(), parent);
  pipes.output.Close(1);
  pipes.errors.Close(1);

  ProgramResult result{};
  while (pipes.output.ends[0] >= 0 || pipes.errors.ends[0] >= 0) {
    std::array<pollfd, 2> ready = {
        {{pipes.output.ends[0], POLLIN, 0}, {pipes.errors.ends[0], POLLIN, 0}}};  // negative ones are left out
    const int count = poll(ready.data(), ready.size(), kTickMilliseconds);
    if (count > 0 && ready[0].revents != 0) Drain(pipes.output, &result.output);
    if (count > 0 && ready[1].revents != 0) Drain(pipes.errors, &result.errors);
    if (result.errors.size() > kErrorsKept) result.errors.erase(0, result.errors.size() - kErrorsKept);
    if (tick) tick();
  }
  result.exit_code = Wait(child);
  return result;
}

}  // namespace orrery::model
