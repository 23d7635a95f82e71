// SPDX-License-Identifier: Apache-2.0
#pragma once

// sweep.fbs as flatc compiled it (with comments and attributes), embedded at build time.

#include <cstddef>

namespace orrery::schema {

extern const unsigned char kSweepSchema[];
extern const size_t kSweepSchemaSize;

}  // namespace orrery::schema
