// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a chunk crosses a wire between processes: its size, then its bytes as they are; verified on arrival.

#include <caf/deserializer.hpp>
#include <caf/error.hpp>
#include <caf/sec.hpp>
#include <caf/serializer.hpp>
#include <cstdint>
#include <string>

#include "schema/chunk.h"

namespace orrery::schema {

template <class T>
caf::error inspect(caf::serializer& sink, Chunk<T>& chunk) {
  auto size = static_cast<uint32_t>(chunk.bytes().size());
  if (auto error = sink(size)) return error;
  return sink.apply_raw(size, const_cast<char*>(chunk.bytes().data()));
}

template <class T>
caf::error inspect(caf::deserializer& source, Chunk<T>& chunk) {
  uint32_t size = 0;
  if (auto error = source(size)) return error;
  std::string bytes(size, '\0');
  if (auto error = source.apply_raw(size, bytes.data())) return error;
  chunk = {};
  if (size == 0) return caf::none;
  auto verified = Chunk<T>::Verified(bytes);
  if (!verified.ok()) return caf::sec::invalid_argument;
  chunk = *std::move(verified);
  return caf::none;
}

// What CAF prints of a chunk in its own log.
template <class T>
std::string to_string(const Chunk<T>& chunk) {
  return "chunk(" + std::to_string(chunk.bytes().size()) + ")";
}

}  // namespace orrery::schema
