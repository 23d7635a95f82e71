// SPDX-License-Identifier: Apache-2.0
#include "schema/flags.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/paths.h"

namespace orrery::schema {
namespace {

constexpr ShortForm kCampaignForms[] = {
    {"--problems", "problems.file", "FILE", "the problems"},
    {"--limit", "run.limit", "N", "how many of them"},
    {"--offset", "run.offset", "N", "how many at the start to leave out"},
    {"--seed", "run.seed", "N", "seed of every random draw"},
    {"--threads", "run.threads", "N", "threads that compute"},
    {"--out", "run.out", "DIR", "folder of the run"},
    {"--model", "model.name", "NAME|PATH", "the language model"},
    {"--max-tokens", "run.max_tokens", "N", "stop after so many generated tokens"},
    {"--max-hours", "run.max_hours", "H", "stop after so many hours"},
    {"--verdicts-from", "run.verdicts_from", "DIR", "take an earlier run's time-outs and memory limits"},
    {"--metrics-port", "run.metrics_port", "PORT", "serve /metrics on the loopback address"},
};

size_t TerminalWidth() {
  constexpr size_t kLeast = 60, kMost = 120, kUnknown = 100;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUnknown;
  return std::clamp<size_t>(size.ws_col, kLeast, kMost);
}

// The caller's file; else the program's own of that name; else the caller's path again, for the message that it is not
// there.
std::filesystem::path FindConfig(const std::string& name) {
  std::error_code ignored;
  std::filesystem::path callers = CallerPath(name);
  if (std::filesystem::exists(callers, ignored) || std::filesystem::path(name).is_absolute()) return callers;
  const auto own = DataFile(name);
  return own.ok() ? *own : callers;
}

}  // namespace

void Flags::AddTo(CLI::App& app, std::string preset) { AddTo(app, std::move(preset), kCampaignForms); }

void Flags::AddTo(CLI::App& app, std::string preset, std::span<const ShortForm> forms) {
  preset_ = std::move(preset);
  app.add_option(
         "--config", files_,
         fmt::format("configuration file, JSON with comments; of several the later wins (default: {})", preset_))
      ->type_name("FILE")
      ->expected(1)
      ->take_all();
  app.add_option("--set", set_, "set a key of the configuration; can be given more than once")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all();
  for (const ShortForm& form : forms) {
    app.add_option_function<std::string>(
           form.flag,
           [this, form](const std::string& value) {
             short_forms_.push_back({form.key, value, form.flag});
           },
           fmt::format("{} ({})", form.help, form.key))
        ->type_name(form.type);
  }
  app.add_flag("--quiet", quiet, "no progress");
  app.add_option("--log-level", log_level, "trace, debug, info, warn, error or off")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  app.footer([this] {
    const size_t width = TerminalWidth();
    return (further_help == nullptr ? "" : further_help(width)) + ConfigHelp(width);
  });
}

StatusOr<ResolvedConfig> Flags::Load() const {
  ORRERY_ASSIGN_OR_RETURN(const ConfigSource source, Source());
  return LoadConfig(source);
}

StatusOr<ConfigSource> Flags::Source() const {
  ConfigSource source;
  if (files_.empty()) {
    ORRERY_ASSIGN_OR_RETURN(auto file, DataFile(preset_));
    source.files.push_back(std::move(file));
  }
  for (const std::string& file : files_) source.files.push_back(FindConfig(file));
  for (const std::string& text : set_) {
    ORRERY_ASSIGN_OR_RETURN(KeyValue setting, ParseKeyValue(text));
    source.settings.push_back(std::move(setting));
  }
  source.settings.insert(source.settings.end(), short_forms_.begin(), short_forms_.end());
  return source;
}

}  // namespace orrery::schema
