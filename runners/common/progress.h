// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a person sees while a campaign runs: one line that renews itself on a terminal, a plain line now and then
// elsewhere.

#include <cstdint>
#include <optional>
#include <string>

namespace orrery::runners {

// One moment of a campaign.
struct Moment {
  double seconds = 0;     // since this process began to search
  uint64_t problems = 0;  // in all
  uint64_t done = 0;
  uint64_t solved = 0;
  uint64_t rollouts = 0;  // made or replayed by this process
  uint64_t rollouts_planned = 0;
  uint64_t tokens = 0;
  uint64_t batches = 0;
  uint64_t rows = 0;
};

// "problems 12/42 · solved 9 · rollouts 101/336 · 412 tokens/s · 58 rows/batch · 03:12 left"
std::string ProgressLine(const Moment& moment);

// "03:12", "1:03:12".
std::string ClockText(double seconds);

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();  // ends the line

  // Called a few times a second; shows what is due.
  void Show(const Moment& moment);

 private:
  bool quiet_;
  bool terminal_;
  bool open_ = false;  // a line on the terminal waits for its end
  double next_ = 0;
};

}  // namespace orrery::runners
