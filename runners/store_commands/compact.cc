// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/compact.h"

#include <fmt/format.h>

#include "runners/store_commands/run_store.h"
#include "store/html.h"

namespace orrery::runners {

StatusOr<int> CompactStore(const std::filesystem::path& run) {
  ORRERY_ASSIGN_OR_RETURN(auto looked_at, OpenRun(run));
  const std::string fingerprint = looked_at->fingerprint();
  if (fingerprint.empty()) return InvalidInput("{}: its store is empty", run.string());
  looked_at.reset();
  const uint64_t before = DiskBytes(run);
  ORRERY_ASSIGN_OR_RETURN(auto store, store::Store::Open(run / "store", fingerprint, ""));
  ORRERY_RETURN_IF_ERROR(store->Compact());
  store.reset();  // what the new files replaced is deleted by now
  const uint64_t after = DiskBytes(run);
  fmt::print("{}: {} bytes before, {} after\n", (run / "store").string(), store::Grouped(before),
             store::Grouped(after));
  return 0;
}

}  // namespace orrery::runners
