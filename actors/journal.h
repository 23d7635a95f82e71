// SPDX-License-Identifier: Apache-2.0
#pragma once

// The journal owns the store's writing side: what arrives while one commit runs shares the next (group commit), and is
// answered when durable.
//
// It lives on a thread of its own (spawn it detached), since an fsync takes as long as it takes. After a failed commit
// nothing more is acknowledged: every requester hears why, and the run ends.

#include <memory>
#include <string>
#include <vector>

#include "actors/interfaces.h"
#include "actors/meters.h"
#include "actors/promise.h"
#include "store/store.h"

namespace orrery::actors {

struct journal_state {
  static inline constexpr const char* name = "journal";

  journal_actor::pointer self = nullptr;
  std::shared_ptr<store::Store> store;
  telemetry_actor telemetry;
  Meters* meters = nullptr;
  std::vector<Promise<bool>> waiting;  // for the next commit
  std::string broken;                  // why nothing more is written
  Alive alive;

  caf::result<bool> Wait();
  void Commit();
};

journal_actor::behavior_type journal(journal_actor::stateful_pointer<journal_state> self,
                                     std::shared_ptr<store::Store> store, telemetry_actor telemetry, Meters* meters);

}  // namespace orrery::actors
