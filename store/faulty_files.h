// SPDX-License-Identifier: Apache-2.0
#pragma once

// RocksDB's files with the points at which the fault runs break them (base/fault_point.h).

#include <rocksdb/env.h>

namespace orrery::store {

// The machine's own files unless ORRERY_FAULT is set; never null, lives as long as the process.
rocksdb::Env* StoreFiles();

}  // namespace orrery::store
