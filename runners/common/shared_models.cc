// SPDX-License-Identifier: Apache-2.0
#include "runners/common/shared_models.h"

#include <utility>

#include "model/source/model_source.h"
#include "runners/common/settings.h"

namespace orrery::runners {
namespace {

// Campaigns of equal keys share an engine.
std::string KeyOf(const std::string& name, const model::EngineOptions& options) {
  return fmt::format("{}|{}|{}|{}|{}|{}", name, static_cast<int>(options.precision), options.threads, options.kv_bytes,
                     options.max_batch_rows, options.context_length);
}

std::string DevicesOf(const schema::Config& config) {
  return fmt::format("{}|", schema::EnumNameDeviceKind(config.model()->device()));
}

std::string PolicyKey(const schema::Config& config) {
  return DevicesOf(config) + "policy|" + KeyOf(config.model()->name()->str(), EngineOptionsOf(config));
}

std::string PpmKey(const schema::Config& config) {
  return DevicesOf(config) + "ppm|" + KeyOf(config.ppm()->name()->str(), PpmOptionsOf(config));
}

}  // namespace

void SharedModels::Expect(const schema::Config& config) {
  const std::lock_guard lock(mutex_);
  ++held_[PolicyKey(config)].expected;
  ++held_[PpmKey(config)].expected;
}

void SharedModels::Release(const schema::Config& config) {
  const std::lock_guard lock(mutex_);
  for (const std::string& key : {PolicyKey(config), PpmKey(config)}) {
    const auto held = held_.find(key);
    if (held == held_.end() || --held->second.expected > 0) continue;
    held_.erase(held);
  }
}

StatusOr<std::string> SharedModels::Digest(const std::filesystem::path& model) {
  const std::lock_guard lock(mutex_);
  const auto found = digests_.find(model);
  if (found != digests_.end()) return found->second;
  ORRERY_ASSIGN_OR_RETURN(std::string digest, model::ModelDigest(model));
  return digests_.emplace(model, std::move(digest)).first->second;
}

StatusOr<std::shared_ptr<model::Engine>> SharedModels::Share(const std::string& key, const std::filesystem::path& model,
                                                             const model::EngineOptions& options) {
  const std::lock_guard lock(mutex_);
  Held& held = held_[key];
  if (!held.engine) {
    ORRERY_ASSIGN_OR_RETURN(auto engine, model::Engine::Load(model, options));
    held.engine = std::make_unique<model::SharedEngine>(std::move(engine));
    ++loads_;
  }
  return held.engine->Share();
}

StatusOr<std::shared_ptr<model::Engine>> SharedModels::Policy(const std::filesystem::path& model,
                                                              const schema::Config& config) {
  return Share(PolicyKey(config), model, EngineOptionsOf(config));
}

StatusOr<std::shared_ptr<model::Engine>> SharedModels::Ppm(const std::filesystem::path& model,
                                                           const schema::Config& config) {
  return Share(PpmKey(config), model, PpmOptionsOf(config));
}

uint64_t SharedModels::loads() const {
  const std::lock_guard lock(mutex_);
  return loads_;
}

}  // namespace orrery::runners
