// SPDX-License-Identifier: Apache-2.0
#pragma once

// The versions of the libraries that decide something in a record: a campaign is gone on with by those that began it.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.h"
#include "store/store.h"

namespace orrery::runners {

// "oneDNN 2.6.0, Python 3.11.2, math_verify 0.9.0, …": what multiplies, what steps may import, what grades. `python` is
// the environment that ./bazelw makes; a package that is not in it is not named. NotFound where there is none.
StatusOr<std::string> LibraryVersions(const std::filesystem::path& python);

// Makes a new store, or one from before versions were kept, that of `versions`. FailedPrecondition, with both named,
// where it is of others.
Status ClaimLibraries(store::Store& store, std::string_view versions);

}  // namespace orrery::runners
