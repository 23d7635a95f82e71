// SPDX-License-Identifier: Apache-2.0
#include "simulation/servers.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "base/random.h"

namespace orrery::simulation {

void SimulatedDevice::Submit(int prompt_rows, const std::vector<int>& tokens, const std::function<void(size_t)>& done) {
  const auto prompt = std::make_shared<Prompt>(Prompt{std::max(1, prompt_rows), done});
  for (size_t i = 0; i < tokens.size(); ++i) live_.push_back({prompt, i, std::max(1, tokens[i])});
  if (!std::exchange(running_, true)) clock_.After(0, [this] { RunBatch(); });
}

void SimulatedDevice::RunBatch() {
  int rows = 0;
  std::vector<Request*> finished;
  Prompt* being_read = nullptr;  // by this batch
  for (Request& request : live_) {
    if (rows == curve_.max_rows) break;
    if (request.prompt.get() == being_read) continue;  // its siblings wait until it is there
    if (request.prompt->rows_left > 0) {
      const int part = std::min(request.prompt->rows_left, curve_.max_rows - rows);
      being_read = request.prompt.get();
      request.prompt->rows_left -= part;
      rows += part;
      if (request.prompt->rows_left > 0) continue;
    } else {
      ++rows;
    }
    if (--request.tokens_left == 0) finished.push_back(&request);
  }
  const double seconds = curve_.Seconds(rows);
  ++batches_;
  rows_ += static_cast<uint64_t>(rows);
  busy_ += seconds;
  std::vector<std::pair<std::shared_ptr<Prompt>, size_t>> heard;
  heard.reserve(finished.size());
  for (const Request* request : finished) heard.emplace_back(request->prompt, request->sample);
  std::erase_if(live_, [](const Request& request) { return request.tokens_left == 0; });
  clock_.After(seconds, [this, heard = std::move(heard)] {
    for (const auto& [prompt, sample] : heard) prompt->done(sample);
    running_ = !live_.empty();
    if (running_) RunBatch();
  });
}

SimulatedPool::SimulatedPool(VirtualClock& clock, const ServiceTime& service, uint64_t key)
    : clock_(clock), service_(service), key_(key), idle_(std::max(1, service.workers)) {}

void SimulatedPool::Submit(Done done) {
  waiting_.push_back(std::move(done));
  Begin();
}

void SimulatedPool::Begin() {
  if (idle_ == 0 || waiting_.empty()) return;
  --idle_;
  double seconds = service_.mean;
  if (service_.mean > 0 && service_.deviation > 0) {
    const RandomStream stream{key_, served_};
    const double first = 1 - stream.Uniform(Purpose::kSimulate, 0), second = stream.Uniform(Purpose::kSimulate, 1);
    const double normal = std::sqrt(-2 * std::log(first)) * std::cos(2 * std::numbers::pi * second);
    const double variance = std::log1p(std::pow(service_.deviation / service_.mean, 2));
    seconds = service_.mean * std::exp(std::sqrt(variance) * normal - variance / 2);
  }
  ++served_;
  busy_ += seconds;
  clock_.After(seconds, [this, done = std::move(waiting_.front())] {
    ++idle_;
    done();
    Begin();
  });
  waiting_.pop_front();
}

void SimulatedJournal::Submit(Done done) {
  waiting_.push_back(std::move(done));
  if (!std::exchange(running_, true)) clock_.After(0, [this] { Commit(); });
}

void SimulatedJournal::Commit() {
  ++commits_;
  busy_ += commit_seconds_;
  clock_.After(commit_seconds_, [this, written = std::exchange(waiting_, {})] {
    for (const Done& done : written) done();
    running_ = !waiting_.empty();
    if (running_) Commit();
  });
}

}  // namespace orrery::simulation
