// SPDX-License-Identifier: Apache-2.0
#include "runners/sandbox_repl.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace orrery::runners {
namespace {

constexpr std::string_view kStepMark = "<end_of_step>";

}  // namespace

void Repl(sandbox::Sandbox& sandbox, std::istream& input, uint64_t seed, bool prompts,
          const std::function<void(size_t, const sandbox::StepResult&)>& show) {
  sandbox::StepRequest request;
  std::string code;
  const auto run = [&] {
    if (code.empty()) return;
    request.step = {std::exchange(code, ""), seed + request.parents.size()};
    const auto result = sandbox.Run(request);
    show(request.parents.size() + 1, result);
    if (result.verdict == sandbox::Verdict::kOk) request.parents.push_back(request.step);
  };
  const auto prompt = [&] {
    if (!prompts) return;
    if (code.empty()) {
      fmt::print("{}> ", request.parents.size() + 1);
    } else {
      fmt::print("... ");
    }
    std::fflush(stdout);
  };
  prompt();
  for (std::string line; std::getline(input, line); prompt()) {
    if (line == ":quit") return;
    if (line == ":back") {
      code.clear();
      if (!request.parents.empty()) request.parents.pop_back();
    } else if (line == ":list") {
      for (size_t i = 0; i < request.parents.size(); ++i)
        fmt::print("# step {}\n{}{}\n", i + 1, request.parents[i].code, kStepMark);
    } else if (line.empty() || line == kStepMark) {
      run();
    } else {
      code += line + "\n";
    }
    std::fflush(stdout);
  }
  run();
}

}  // namespace orrery::runners
