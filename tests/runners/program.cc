// SPDX-License-Identifier: Apache-2.0
#include "tests/runners/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/paths.h"

namespace orrery {

Ended RunProgram(const std::string& program, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment, const std::function<void(int pid)>& while_running) {
  const auto path = DataFile(program);
  EXPECT_TRUE(path.ok()) << Message(path.status());
  const std::string prefix = testing::TempDir() + "/program" + std::to_string(getpid());
  const std::string out = prefix + ".out", err = prefix + ".err";
  const pid_t child = fork();
  if (child == 0) {
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
  int status = 0;
  if (while_running) {
    while (waitpid(child, &status, WNOHANG) == 0) {
      while_running(child);
      usleep(50'000);
    }
  } else {
    waitpid(child, &status, 0);
  }
  Ended ended;
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  ended.output = ReadFile(out).value_or("");
  ended.errors = ReadFile(err).value_or("");
  return ended;
}

}  // namespace orrery
