// SPDX-License-Identifier: Apache-2.0
#pragma once

// One measured number as every program here prints it: a JSON object a line for scripts, or a line of a table for
// people.

#include <optional>
#include <string>

namespace orrery::bench {

// The same work by somebody else, in the same run.
struct PeerFigure {
  std::string peer;  // "llama.cpp", "openvino-genai", "onednn"
  double value = 0;
};

struct Figure {
  std::string name;    // of the case
  std::string metric;  // what was measured
  double value = 0;
  std::string unit;
  std::string conditions;
  std::optional<PeerFigure> peer;

  // Ours to the peer's, above 1 where ours is better: rates only.
  double Ratio() const { return value / peer->value; }
};

// {"case", "metric", "value", "unit", "conditions"} and, beside a peer, {"peer", "peer_value", "ratio"}.
std::string AsJson(const Figure& figure);
std::string AsText(const Figure& figure);

// On standard output, at once.
void Print(const Figure& figure, bool json);

}  // namespace orrery::bench
