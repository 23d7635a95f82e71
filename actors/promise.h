// SPDX-License-Identifier: Apache-2.0
#pragma once

// A response promise that cannot be forgotten: if it is destroyed unanswered, because its actor dies, the requester
// hears an error.
//
// CAF 0.17 leaves a requester waiting for ever when a promise is dropped.

#include <caf/all.hpp>
#include <optional>
#include <utility>

namespace orrery::actors {

template <class T>
class Promise {
 public:
  explicit Promise(caf::typed_response_promise<T> promise) : promise_(std::move(promise)) {}
  ~Promise() {
    if (promise_) promise_->deliver(caf::make_error(caf::sec::request_receiver_down));
  }
  Promise(Promise&& other) noexcept : promise_(std::exchange(other.promise_, std::nullopt)) {}
  Promise& operator=(Promise&& other) noexcept {
    std::swap(promise_, other.promise_);
    return *this;
  }

  void Deliver(T value) { std::exchange(promise_, std::nullopt)->deliver(std::move(value)); }
  void Fail(caf::error error) { std::exchange(promise_, std::nullopt)->deliver(std::move(error)); }

 private:
  std::optional<caf::typed_response_promise<T>> promise_;
};

// An error between actors that carries words for the user.
inline caf::error WordedError(std::string words) { return caf::make_error(caf::sec::runtime_error, std::move(words)); }

// The words of an error of ours, or CAF's own rendering.
std::string Words(const caf::error& error);

}  // namespace orrery::actors
