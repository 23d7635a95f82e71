// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/data_card.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/paths.h"
#include "model/registry/registry.h"
#include "runners/store_commands/terminal_text.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

// Text in a cell of a Markdown table.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : Printable(text)) {
    if (c == '|' || c == '\\' || c == '`' || c == '<') cell += '\\';
    cell += c == '\n' ? ' ' : c;
  }
  return cell;
}

std::string Plain(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

// The run's config.json; no object where there is none that can be read.
Json ConfigOf(const std::filesystem::path& run) {
  const auto text = ReadFile(run / "config.json");
  return text.ok() ? Json::parse(*text, nullptr, false, true) : Json();
}

// Of a path its last part: the rest is the machine's.
std::string LastPart(const Json& config, const char* section, const char* key) {
  const auto found = config.find(section);
  if (found == config.end() || !found->is_object() || !found->contains(key)) return {};
  return std::filesystem::path(Plain((*found)[key])).filename().string();
}

// Who wrote the solutions, and what is known of the licence.
std::string Writer(const Json& config) {
  if (!config.is_object()) return "a model that the run's folder does not name";
  const std::string served = LastPart(config, "endpoint", "model"), own = LastPart(config, "model", "name");
  if (!served.empty()) return fmt::format("{}, behind a server; its licence is not known here", Cell(served));
  const auto registry = model::Registry::Load();
  const model::ModelEntry* entry = registry.ok() ? registry->Find(own) : nullptr;
  if (entry != nullptr) return fmt::format("{} (licence {})", Cell(own), Cell(entry->license));
  return fmt::format("{}; its licence is not known here", Cell(own.empty() ? "the default model" : own));
}

// Settings that say how the steps came about: no folder, no file, nothing of the machine.
std::string Settings(const Json& config) {
  if (!config.is_object()) return "The run has no config.json that could be read.\n";
  std::string lines = "| setting | value |\n|---|---|\n";
  const auto line = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) lines += fmt::format("| `{}` | {} |\n", Cell(name), Cell(value));
  };
  line("problems.file", LastPart(config, "problems", "file"));
  line("model.name", LastPart(config, "model", "name"));
  for (const auto& [section, keys] : config.items()) {
    if (!keys.is_object()) continue;
    for (const auto& [key, value] : keys.items()) {
      const std::string name = section + "." + key;
      const bool told = (section == "search" && key != "prompt_file") || name == "run.seed" ||
                        name == "model.precision" || name == "endpoint.server" || name == "sandbox.packages" ||
                        name == "sandbox.wall_seconds";
      if (told) line(name, Plain(value));
    }
  }
  return lines;
}

std::string Origins(const DataCard& card) {
  std::string lines = "| source | licence | problems | of them here | rows |\n|---|---|---|---|---|\n";
  for (const auto& [names, origin] : card.origins) {
    lines += fmt::format("| {} | {} | {} | {} | {} |\n", names.first.empty() ? "not given" : Cell(names.first),
                         names.second.empty() ? "not given" : Cell(names.second), origin.problems, origin.with_rows,
                         origin.rows);
  }
  return lines;
}

std::string Holds(const DataCard& card) {
  if (card.columns.empty()) return card.reading;
  std::string lines = "| field | type | what it is |\n|---|---|---|\n";
  for (const store::Column& column : card.columns)
    lines += fmt::format("| `{}` | {} | {} |\n", column.name, Cell(column.type), Cell(column.meaning));
  return lines;
}

}  // namespace

std::string CardText(const DataCard& card, const std::filesystem::path& run) {
  std::string text;
  if (!card.columns.empty())  // read by Hugging Face's datasets
    text += fmt::format("---\nconfigs:\n- config_name: default\n  data_files: {}\n---\n\n", card.file);
  text += fmt::format("# {}: step-by-step solutions of mathematical problems\n\n", card.title);
  text += fmt::format("`{}`: {} rows from {} problems with a finished search.\n", card.file, card.rows, card.problems);
  if (card.unreadable > 0)
    text += fmt::format("{} damaged records could not be read and are not in it.\n", card.unreadable);
  text += fmt::format("SHA-256 of the file: `{}`.\n\n## What it holds\n\n{}\n", card.sha256, Holds(card));
  text +=
      "Trajectories are steps of commented Python, each run in a sandbox when it was sampled, and an answer that was "
      "compared with the problem's reference. The step's value Q is the mean of what the search's rollouts through it "
      "ended with: +1 a right answer, -1 anything else.\n\n";
  text += fmt::format("## Where the problems come from\n\n{}\n", Origins(card));
  text +=
      "Source and licence are those that the problems' own file names; where it names none, whoever passes the data on "
      "must find out.\n\n";
  const Json config = ConfigOf(run);
  text += fmt::format(
      "## How it was made\n\nMonte-Carlo tree search by Orrery; campaign `{}`. The steps were written by {}.\n\n{}\n",
      card.fingerprint, Writer(config), Settings(config));
  text += fmt::format("Exported by `{}`.\n", card.command);
  return text;
}

}  // namespace orrery::runners
