// SPDX-License-Identifier: Apache-2.0
#pragma once

// A store whose commits take longer than they do: all else is the store's own.

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/store.h"

namespace orrery::simulation {

class SlowStore final : public store::Store {
 public:
  SlowStore(std::shared_ptr<store::Store> store, std::chrono::microseconds commit)
      : store_(std::move(store)), commit_(commit) {}

  Status Commit() override {
    std::this_thread::sleep_for(commit_);
    return store_->Commit();
  }

  std::string fingerprint() const override { return store_->fingerprint(); }
  Status damage() const override { return store_->damage(); }
  void PutExpansion(std::string_view problem, const store::Path& path,
                    const store::ExpansionChunk& expansion) override {
    store_->PutExpansion(problem, path, expansion);
  }
  void PutTree(std::string_view problem, const store::TreeChunk& tree) override { store_->PutTree(problem, tree); }
  StatusOr<std::vector<store::ExpansionChunk>> Expansions(std::string_view problem) const override {
    return store_->Expansions(problem);
  }
  StatusOr<std::optional<store::TreeChunk>> Tree(std::string_view problem) const override {
    return store_->Tree(problem);
  }
  Status ForEachTree(const std::function<bool(std::string_view, const store::TreeChunk&)>& visit) const override {
    return store_->ForEachTree(visit);
  }
  StatusOr<std::vector<std::string>> ProblemsBeginningWith(std::string_view prefix, size_t most) const override {
    return store_->ProblemsBeginningWith(prefix, most);
  }
  Status ForEachReadableTree(const VisitTree& visit) const override { return store_->ForEachReadableTree(visit); }
  Status ForEachReadableExpansion(const VisitExpansion& visit) const override {
    return store_->ForEachReadableExpansion(visit);
  }
  Status Compact() override { return store_->Compact(); }
  Status PutMark(std::string_view key, std::string_view value) override { return store_->PutMark(key, value); }
  StatusOr<std::optional<std::string>> Mark(std::string_view key) const override { return store_->Mark(key); }
  store::StoreCounters Counters() const override { return store_->Counters(); }

 private:
  const std::shared_ptr<store::Store> store_;
  const std::chrono::microseconds commit_;
};

}  // namespace orrery::simulation
