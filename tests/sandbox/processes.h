// SPDX-License-Identifier: Apache-2.0
#pragma once

// This test's descendants, or another process's, as /proc shows them.

#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace orrery::sandbox {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = 0;  // 'Z': ended, not yet waited for
  std::string name;
  uint64_t faults = 0;  // pages that had to be mapped for it; from 0 in a fork
  uint64_t ticks = 0;   // of the processor, in user mode; from 0 in a fork
};

inline std::vector<Process> AllProcesses() {
  std::vector<Process> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string number = entry.path().filename().string();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    const size_t open = stat.find('('), close = stat.rfind(')');
    if (close == std::string::npos) continue;
    std::istringstream rest(stat.substr(close + 1));
    Process process;
    process.pid = std::stoi(number);
    process.name = stat.substr(open + 1, close - open - 1);
    if (!(rest >> process.state >> process.parent)) continue;
    std::string skipped;
    for (int field = 5; field < 10; ++field) rest >> skipped;
    rest >> process.faults;
    for (int field = 11; field < 14; ++field) rest >> skipped;
    rest >> process.ticks;
    found.push_back(process);
  }
  return found;
}

// The descendants of a process, nearest first.
inline std::vector<Process> Family(pid_t of = getpid()) {
  const auto all = AllProcesses();
  std::vector<Process> family;
  std::vector<pid_t> parents = {of};
  for (size_t i = 0; i < parents.size(); ++i) {
    for (const auto& process : all) {
      if (process.parent != parents[i]) continue;
      parents.push_back(process.pid);
      family.push_back(process);
    }
  }
  return family;
}

// Those of a name ("" for any) that run or could.
inline std::vector<pid_t> Descendants(const std::string& name, pid_t of = getpid()) {
  std::vector<pid_t> found;
  for (const auto& process : Family(of)) {
    if (process.state != 'Z' && (name.empty() || process.name == name)) found.push_back(process.pid);
  }
  return found;
}

inline uint64_t ResidentKib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6));
  }
  return 0;
}

inline size_t Descriptors(pid_t pid) {
  std::error_code error;
  const std::filesystem::directory_iterator folder("/proc/" + std::to_string(pid) + "/fd", error);
  return error ? 0 : static_cast<size_t>(std::distance(begin(folder), end(folder)));
}

}  // namespace orrery::sandbox
