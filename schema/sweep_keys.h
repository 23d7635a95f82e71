// SPDX-License-Identifier: Apache-2.0
#pragma once

// The keys of a sweep's own section (sweep.fbs), read as those of a configuration are.

#include <cstddef>
#include <string>

#include "schema/config_keys.h"

namespace orrery::schema {

const ConfigKeys& SweepKeys();

// For --help, lines of at most `width` columns.
std::string SweepHelp(size_t width);

}  // namespace orrery::schema
