// SPDX-License-Identifier: Apache-2.0
#pragma once

// config.fbs as flatc compiled it (with comments and attributes), embedded at build time.

#include <cstddef>

namespace orrery::schema {

extern const unsigned char kConfigSchema[];
extern const size_t kConfigSchemaSize;

}  // namespace orrery::schema
