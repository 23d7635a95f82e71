// SPDX-License-Identifier: Apache-2.0
#include "bench/figure.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace orrery::bench {

std::string AsJson(const Figure& figure) {
  nlohmann::json json = {{"case", figure.name},
                         {"metric", figure.metric},
                         {"value", figure.value},
                         {"unit", figure.unit},
                         {"conditions", figure.conditions}};
  if (figure.peer) {
    json["peer"] = figure.peer->peer;
    json["peer_value"] = figure.peer->value;
    json["ratio"] = figure.Ratio();
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string AsText(const Figure& figure) {
  const std::string peer =
      figure.peer ? fmt::format("{} {:.4g}, ratio {:.2f}", figure.peer->peer, figure.peer->value, figure.Ratio()) : "";
  return fmt::format("{:<18} {:<26} {:>10.4g} {:<12} {:<42} {}", figure.name, figure.metric, figure.value, figure.unit,
                     peer, figure.conditions);
}

void Print(const Figure& figure, bool json) {
  fmt::print("{}\n", json ? AsJson(figure) : AsText(figure));
  std::fflush(stdout);
}

}  // namespace orrery::bench
