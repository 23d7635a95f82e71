// SPDX-License-Identifier: Apache-2.0
#pragma once

// The campaign's durable memory: a memo of expansions and the finished trees, in RocksDB.
//
// Resuming is running again with the memo; there is no other checkpoint (docs/determinism.md). A write is acknowledged
// only when it is in the write-ahead log and fsynced; writes that wait together share one fsync (Commit). One writer
// thread; reads from any thread.
//
// Damaged files are an error (DataLoss), with one gap that is RocksDB's: a flipped record length in the last 32 KiB of
// its log or manifest looks like half a write after a crash, and is forgiven as one.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "schema/chunk.h"
#include "schema/records_generated.h"

namespace orrery::store {

using ExpansionChunk = schema::Chunk<schema::Expansion>;
using TreeChunk = schema::Chunk<schema::TreeRecord>;
using Path = std::vector<uint8_t>;  // from the root: the candidate taken at each node

// The path that a record or message is about: none written is the root's.
template <typename Table>
Path PathOf(const Table& table) {
  const auto* path = table.path();
  return path == nullptr ? Path() : Path(path->begin(), path->end());
}

// Monotonic counts since the store was opened.
struct StoreCounters {
  uint64_t expansions_written = 0;
  uint64_t trees_written = 0;
  uint64_t commits = 0;
  uint64_t bytes_written = 0;
  double commit_seconds = 0;
};

// What reading does where files are damaged.
enum class OnDamage : uint8_t {
  kRefuse,
  kPassOver,  // opens what is left: for looking and for saving
};

class Store {
 public:
  // Opens or makes the store in `folder`. `fingerprint` is the campaign's: a store of another one is refused
  // (FailedPrecondition, both named). `configuration` is kept beside it as text.
  static StatusOr<std::unique_ptr<Store>> Open(const std::filesystem::path& folder, std::string_view fingerprint,
                                               std::string_view configuration);
  // For looking only: no fingerprint is asked for.
  static StatusOr<std::unique_ptr<Store>> OpenReadOnly(const std::filesystem::path& folder,
                                                       OnDamage on_damage = OnDamage::kRefuse);

  virtual ~Store() = default;

  virtual std::string fingerprint() const = 0;
  // What opening had to pass over: damage in the write-ahead log, whose records are lost. Ok where there is none.
  virtual Status damage() const = 0;

  // Queues a write; nothing is durable before the next Commit.
  virtual void PutExpansion(std::string_view problem, const Path& path, const ExpansionChunk& expansion) = 0;
  // The tree's record; its expansions leave the memo in the same commit, since the record holds them.
  virtual void PutTree(std::string_view problem, const TreeChunk& tree) = 0;
  // Makes all queued writes durable (write-ahead log, fsync). After an error nothing queued is acknowledged; the store
  // takes no more writes.
  virtual Status Commit() = 0;

  // Every acknowledged expansion of a problem: of its unfinished tree, and, where it is finished, those of its record.
  virtual StatusOr<std::vector<ExpansionChunk>> Expansions(std::string_view problem) const = 0;
  virtual StatusOr<std::optional<TreeChunk>> Tree(std::string_view problem) const = 0;
  // In the order of problem ids' bytes. The callback returns false to end early.
  virtual Status ForEachTree(
      const std::function<bool(std::string_view problem, const TreeChunk& tree)>& visit) const = 0;

  // Finished problems whose key begins so, in order, `most` at most.
  virtual StatusOr<std::vector<std::string>> ProblemsBeginningWith(std::string_view prefix, size_t most) const = 0;

  // Past damage: a record that is no FlatBuffer is handed on as its error, and so is a part of a file that
  // cannot be read, with the problem that comes before it (none at the beginning). The expansions are those of the memo
  // alone, in the order of the problems' lengths, their bytes, and paths.
  using VisitTree = std::function<bool(std::string_view problem, const StatusOr<TreeChunk>& tree)>;
  using VisitExpansion =
      std::function<bool(std::string_view problem, const Path& path, const StatusOr<ExpansionChunk>& expansion)>;
  virtual Status ForEachReadableTree(const VisitTree& visit) const = 0;
  virtual Status ForEachReadableExpansion(const VisitExpansion& visit) const = 0;

  // Writes all files anew: what was replaced or deleted leaves the disk.
  virtual Status Compact() = 0;

  // A small value that survives (the run's own marks).
  virtual Status PutMark(std::string_view key, std::string_view value) = 0;
  virtual StatusOr<std::optional<std::string>> Mark(std::string_view key) const = 0;

  virtual StoreCounters Counters() const = 0;
};

}  // namespace orrery::store
