// SPDX-License-Identifier: Apache-2.0
#pragma once

// The command line that every campaign-like runner shares: --config, --set, the short forms of common keys, --quiet,
// --log-level.
//
//   CLI::App app("…");
//   schema::Flags flags;
//   flags.AddTo(app, "configs/quickstart.json");
//   … parse …
//   ORRERY_ASSIGN_OR_RETURN(auto config, flags.Load());

#include <CLI/App.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "schema/config.h"

namespace orrery::schema {

// A flag that sets one key.
struct ShortForm {
  const char* flag;
  const char* key;
  const char* type;
  const char* help;
};

struct Flags {
  bool quiet = false;              // no progress on standard error; errors stay
  std::string log_level = "info";  // trace, debug, info, warn, error, off

  // Adds the flags, and the keys below them in --help. `preset` is the file that serves where no --config is given,
  // named from the root of the source tree. The object must outlive the parsing. `forms` are a campaign's unless given.
  void AddTo(CLI::App& app, std::string preset);
  void AddTo(CLI::App& app, std::string preset, std::span<const ShortForm> forms);

  // The configuration that the flags ask for: files, then --set, then the short forms; what comes later wins. A
  // relative --config is the caller's; where the caller has no such file, the program's own (configs/gsm8k.json)
  // serves.
  StatusOr<ResolvedConfig> Load() const;
  // The same, not read yet: for a program whose files hold more than a configuration.
  StatusOr<ConfigSource> Source() const;

  // Keys of the program's own, above the configuration's in --help.
  std::string (*further_help)(size_t width) = nullptr;

 private:
  std::string preset_;
  std::vector<std::string> files_;
  std::vector<std::string> set_;
  std::vector<KeyValue> short_forms_;
};

}  // namespace orrery::schema
