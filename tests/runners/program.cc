// SPDX-License-Identifier: Apache-2.0
#include "tests/runners/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <utility>

#include "base/paths.h"

namespace orrery {

namespace {

// Standard output and standard error go to PREFIX.out and PREFIX.err.
pid_t Spawn(const std::string& program, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment, const std::string& prefix) {
  const StatusOr<std::filesystem::path> path =
      program.starts_with('/') ? std::filesystem::path(program) : DataFile(program);
  EXPECT_TRUE(path.ok()) << Message(path.status());
  const std::string out = prefix + ".out", err = prefix + ".err";
  const pid_t child = fork();
  if (child != 0) return child;
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
  dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
  for (const auto& entry : environment) putenv(const_cast<char*>(entry.c_str()));
  unsetenv("RUNFILES_DIR");
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(path->c_str(), argv.data());
  _exit(127);
}

Ended EndedWith(int status, const std::string& prefix) {
  Ended ended;
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  ended.output = ReadFile(prefix + ".out").value_or("");
  ended.errors = ReadFile(prefix + ".err").value_or("");
  return ended;
}

// Each program that is run has files of its own.
std::string NewPrefix() {
  static int count = 0;
  return testing::TempDir() + "/program" + std::to_string(getpid()) + "_" + std::to_string(count++);
}

}  // namespace

Ended RunProgram(const std::string& program, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment, const std::function<void(int pid)>& while_running) {
  const std::string prefix = NewPrefix();
  const pid_t child = Spawn(program, arguments, environment, prefix);
  int status = 0;
  if (while_running) {
    while (waitpid(child, &status, WNOHANG) == 0) {
      while_running(child);
      usleep(50'000);
    }
  } else {
    waitpid(child, &status, 0);
  }
  return EndedWith(status, prefix);
}

std::optional<nlohmann::json> LastTelemetry(const std::filesystem::path& out) {
  std::istringstream lines(ReadFile(out / "telemetry.jsonl").value_or(""));
  std::optional<nlohmann::json> last;
  for (std::string line; std::getline(lines, line);) {
    auto parsed = nlohmann::json::parse(line, nullptr, false);
    if (parsed.is_object()) last = std::move(parsed);
  }
  return last;
}

Background::Background(const std::string& program, const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment)
    : prefix_(NewPrefix()) {
  pid_ = Spawn(program, arguments, environment, prefix_);
  for (;;) {
    const std::string output = ReadFile(prefix_ + ".out").value_or("");
    if (const size_t end = output.find('\n'); end != std::string::npos) {
      first_line_ = output.substr(0, end);
      return;
    }
    siginfo_t gone{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &gone, WEXITED | WNOHANG | WNOWAIT) == 0 && gone.si_pid != 0) return;
    usleep(20'000);
  }
}

Background::~Background() {
  if (pid_ > 0) Stop(SIGKILL);
}

Ended Background::Stop(int signal) {
  kill(pid_, signal);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return EndedWith(status, prefix_);
}

}  // namespace orrery
