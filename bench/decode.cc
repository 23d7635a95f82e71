// SPDX-License-Identifier: Apache-2.0
// New tokens a second, prompts included: one stream; streams with nothing in common; samples of one prompt; tree-shaped
// work; a recorded campaign's requests. Beside each: the share of what the matrix products allow, and with --peers what
// other engines make of the same work in the same run.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "base/paths.h"
#include "bench/sides.h"
#include "bench/trace.h"

namespace orrery::bench {
namespace {

struct Options {
  SideOptions sides;
  std::vector<std::string> cases;
  std::string run;
  int trees = 8, expansions = 4;
  int new_tokens = 48;
};

// N of PREFIX-N; 0 if it is no such name.
int Streams(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return 0;
  const std::string_view digits = name.substr(prefix.size());
  int streams = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), streams);
  return error == std::errc() && end == digits.data() + digits.size() && streams <= 4096 ? std::max(0, streams) : 0;
}

StatusOr<Sides::Make> MakeOf(const std::string& name, const Options& options, Sides& sides) {
  const int tokens = options.new_tokens;
  if (name == "one-stream") return [](const WorkMaker& maker) { return maker.Flat(1, 32, 32, 128); };
  if (const int streams = Streams(name, "flat-"))
    return [=](const WorkMaker& maker) { return maker.Flat(streams, 130, 144, tokens); };
  if (const int streams = Streams(name, "shared-"))
    return [=](const WorkMaker& maker) { return maker.Shared(streams, 700, tokens); };
  if (name == "tree") return [](const WorkMaker& maker) { return maker.Tree(4, 700, 8, 40, 3); };
  if (name == "trace") {
    if (options.run.empty()) return InvalidInput("the case trace needs --run=FOLDER, a finished campaign's folder");
    const TraceOptions trace{CallerPath(options.run), options.trees, options.expansions};
    return [trace, &sides](const WorkMaker& maker) { return ReadTrace(trace, maker, sides.source()); };
  }
  return InvalidInput("--case {}: expected one-stream, flat-N, shared-N, tree or trace", name);
}

Status Bench(const Options& options) {
  ORRERY_ASSIGN_OR_RETURN(const auto sides, Sides::Start(options.sides));
  std::vector<std::pair<std::string, Sides::Make>> cases;
  for (const std::string& name : options.cases) {
    ORRERY_ASSIGN_OR_RETURN(auto make, MakeOf(name, options, *sides));
    cases.emplace_back(name, std::move(make));
  }
  for (const auto& [name, make] : cases) ORRERY_RETURN_IF_ERROR(sides->Measure(name, Rate::kNewTokens, make));
  return absl::OkStatus();
}

}  // namespace
}  // namespace orrery::bench

int main(int argc, char** argv) {
  orrery::bench::Options options;
  CLI::App app{"New tokens a second of our engine and its peers", "decode"};
  AddOptions(app, options.sides);
  app.add_option("--case", options.cases, "one-stream, flat-N, shared-N, tree, trace; may be given several times");
  app.add_option("--run", options.run, "of the case trace: a finished campaign's folder, which is only read");
  app.add_option("--trees", options.trees, "of the case trace: the first so many problems; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--expansions", options.expansions, "of the case trace: the first so many of each tree; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--new-tokens", options.new_tokens, "of each stream of flat-N and shared-N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.cases.empty()) {
    options.cases = {"one-stream", "flat-8", "flat-32", "flat-64", "tree"};
    if (!options.run.empty()) options.cases.emplace_back("trace");
  }
  const orrery::Status status = orrery::bench::Bench(options);
  if (!status.ok()) fmt::print(stderr, "decode: {}\n", orrery::Message(status));
  return orrery::ExitCode(status);
}
