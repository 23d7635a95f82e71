// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs one of the project's own programs as a user would, and keeps what it said.

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

struct Ended {
  int code = -1;       // exit code; −signal if a signal ended it
  std::string output;  // standard output
  std::string errors;  // standard error
};

// `program` is named from the root of the source tree ("runners/campaign"). `while_running`, if given, is called with
// the process id about twenty times a second until the program ends.
Ended RunProgram(const std::string& program, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment = {},
                 const std::function<void(int pid)>& while_running = nullptr);

// The last whole line of a campaign's telemetry.jsonl; none where there is no such line.
std::optional<nlohmann::json> LastTelemetry(const std::filesystem::path& out);

// A program that goes on while a test does something else.
class Background {
 public:
  // Waits until the program has written a line; empty if it ended without one.
  Background(const std::string& program, const std::vector<std::string>& arguments,
             const std::vector<std::string>& environment = {});
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  const std::string& first_line() const { return first_line_; }
  int pid() const { return pid_; }
  // Sends a signal and waits for the end.
  Ended Stop(int signal);

 private:
  int pid_ = -1;
  std::string prefix_;
  std::string first_line_;
};

}  // namespace orrery
