// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/findings.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "runners/store_commands/terminal_text.h"

namespace orrery::runners {

void Findings::Differs(std::string_view problem, const std::string& place, const std::string& field,
                       const std::string& recorded, const std::string& now) {
  ++different_;
  const std::lock_guard lock(mutex_);
  if (json_) {
    const nlohmann::json line = {
        {"problem", problem}, {"place", place}, {"field", field}, {"recorded", recorded}, {"now", now}};
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}{}{}: {} was {:?}, is {:?}\n", Printable(problem), place.empty() ? "" : " ", place, field, recorded,
               now);
  }
}

}  // namespace orrery::runners
