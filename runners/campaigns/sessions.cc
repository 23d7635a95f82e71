// SPDX-License-Identifier: Apache-2.0
#include "runners/campaigns/sessions.h"

#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace orrery::runners {
namespace {

// A line's own time without reading all of it: a day has 86,400 lines.
std::optional<double> SecondsOf(std::string_view line) {
  constexpr std::string_view kBegin = "{\"seconds\":";
  if (!line.starts_with(kBegin) || !line.ends_with('}')) return std::nullopt;
  double seconds = 0;
  const auto read = std::from_chars(line.data() + kBegin.size(), line.data() + line.size(), seconds);
  if (read.ec != std::errc()) return std::nullopt;
  return seconds;
}

Spent SpentBy(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return {};
  const auto count = [&](const char* name) { return static_cast<uint64_t>(json.value(name, 0.0)); };
  return {.seconds = json.value("seconds", 0.0),
          .tokens = count("orrery_model_tokens_total"),
          .batches = count("orrery_batches_total"),
          .rows = count("orrery_batch_rows_total")};
}

}  // namespace

Spent& Spent::operator+=(const Spent& other) {
  seconds += other.seconds;
  tokens += other.tokens;
  batches += other.batches;
  rows += other.rows;
  return *this;
}

Spent SpentBefore(const std::filesystem::path& telemetry_file) {
  Spent spent;
  std::ifstream file(telemetry_file);
  std::string last;
  double last_seconds = 0;
  for (std::string line; std::getline(file, line);) {
    const auto seconds = SecondsOf(line);
    if (!seconds) continue;
    if (*seconds <= last_seconds) spent += SpentBy(last);
    last_seconds = *seconds;
    last = std::move(line);
  }
  if (!last.empty()) spent += SpentBy(last);
  return spent;
}

}  // namespace orrery::runners
