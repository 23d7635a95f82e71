// SPDX-License-Identifier: Apache-2.0
#pragma once

// sandbox repl: steps typed by hand, each on the state that the steps before it left, as a search would run them.

#include <functional>
#include <istream>

#include "sandbox/sandbox.h"

namespace orrery::runners {

// Reads lines to the end of `input` or :quit. A line that reads <end_of_step>, or an empty one, ends a step and runs
// it. One that ends ok is kept; any other leaves the state as it was. `show` is told each step's number and result.
//   :back   forget the last kept step (its snapshot is still there: nothing is run again)
//   :list   print the kept steps
void Repl(sandbox::Sandbox& sandbox, std::istream& input, uint64_t seed, bool prompts,
          const std::function<void(size_t, const sandbox::StepResult&)>& show);

}  // namespace orrery::runners
