// SPDX-License-Identifier: Apache-2.0
#pragma once

// RocksDB as the store uses it: its options, its column families, its errors as ours, and the keys that can still be
// read beside damage.

#include <rocksdb/db.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace orrery::store {

// Order of the handles that RocksDB gives back.
enum Family : size_t { kDefault, kMeta, kExpansions, kTrees };

inline rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::Options MakeOptions();
std::vector<rocksdb::ColumnFamilyDescriptor> Families(const rocksdb::Options& options);

// RocksDB's status as ours: what was tried, in which folder, and the remedy where there is one.
Status Translated(const rocksdb::Status& status, const std::filesystem::path& folder, std::string_view trying);
// Of opening: who holds the lock is named.
Status TranslatedOpen(const rocksdb::Status& status, const std::filesystem::path& folder);

// What is left of a column family in which blocks are damaged.
struct ReadableKeys {
  std::vector<std::string> keys;           // in order
  std::vector<std::string> damaged_after;  // after which of them something could not be read; "" is the beginning
};

// `iterate` makes an iterator over the family, `size_below` tells how much of its tables lies below a key: their
// indices say where the next block begins, so that reading goes on behind a damaged one.
using Iterate = std::function<std::unique_ptr<rocksdb::Iterator>()>;
using SizeBelow = std::function<uint64_t(const std::string& key)>;
ReadableKeys FindReadableKeys(const Iterate& iterate, const SizeBelow& size_below);

}  // namespace orrery::store
