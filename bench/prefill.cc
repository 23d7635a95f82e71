// SPDX-License-Identifier: Apache-2.0
// Prompt tokens a second: many short prompts, some of a search's length, one long one, with nothing in common; one new
// token after each. With --peers other engines read the same prompts in the same run.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

#include "bench/sides.h"

namespace orrery::bench {
namespace {

struct Prompts {
  int count, tokens;
};

const std::map<std::string, Prompts>& Cases() {
  static const std::map<std::string, Prompts> cases = {{"short", {64, 64}}, {"prompts", {8, 512}}, {"long", {1, 2048}}};
  return cases;
}

Status Bench(const SideOptions& options, const std::vector<std::string>& cases) {
  ORRERY_ASSIGN_OR_RETURN(const auto sides, Sides::Start(options));
  for (const std::string& name : cases) {
    const Prompts prompts = Cases().at(name);
    ORRERY_RETURN_IF_ERROR(sides->Measure(name, Rate::kPromptTokens, [&](const WorkMaker& maker) {
      return maker.Flat(prompts.count, prompts.tokens, prompts.tokens, 1);
    }));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace orrery::bench

int main(int argc, char** argv) {
  orrery::bench::SideOptions options;
  std::vector<std::string> cases = {"short", "prompts", "long"};
  CLI::App app{"Prompt tokens a second of our engine and its peers", "prefill"};
  AddOptions(app, options);
  app.add_option("--case", cases, "short (64 of 64 tokens), prompts (8 of 512), long (1 of 2048)")
      ->check(CLI::IsMember({"short", "prompts", "long"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const orrery::Status status = orrery::bench::Bench(options, cases);
  if (!status.ok()) fmt::print(stderr, "prefill: {}\n", orrery::Message(status));
  return orrery::ExitCode(status);
}
