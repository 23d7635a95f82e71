// SPDX-License-Identifier: Apache-2.0
#pragma once

// One engine for several campaigns at once: each has a share, which is an engine to it, and all shares' requests meet
// in the same batches.
//
// Any thread may hold a share; each share is called by one thread at a time. Whichever share's Step() comes first runs
// the batch for all, the others wait for it. What a request generates does not depend on its neighbours
// (model/engine.h), so a campaign's records are those it would have had alone.

#include <memory>

#include "model/engine.h"

namespace orrery::model {

class SharedEngine {
 public:
  explicit SharedEngine(std::unique_ptr<Engine> engine);
  ~SharedEngine();

  // A share keeps the engine alive; what it has in flight when it goes is forgotten. A request that the engine refuses
  // is told by the share's next Step(). Of the share's Counters() requests and tokens are its own, all else is the
  // engine's since the share was made.
  std::shared_ptr<Engine> Share();

 private:
  class Host;
  class Part;
  std::shared_ptr<Host> host_;
};

}  // namespace orrery::model
