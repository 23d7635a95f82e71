// SPDX-License-Identifier: Apache-2.0
#include "schema/sweep_keys.h"

#include <cstdio>
#include <cstdlib>

#include "schema/config.h"
#include "schema/sweep_schema.h"

namespace orrery::schema {

const ConfigKeys& SweepKeys() {
  static const ConfigKeys keys = [] {
    StatusOr<ConfigKeys> read = ReadConfigKeys({reinterpret_cast<const char*>(kSweepSchema), kSweepSchemaSize});
    if (!read.ok()) {
      std::fprintf(stderr, "%s\n", Message(read.status()).c_str());
      std::abort();
    }
    return *std::move(read);
  }();
  return keys;
}

std::string SweepHelp(size_t width) { return KeysHelp(SweepKeys(), width) + '\n'; }

}  // namespace orrery::schema
