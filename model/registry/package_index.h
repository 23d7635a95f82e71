// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds a wheel's address in a package index, as pip does: the index's page of the project lists its files (PEP 503 in
// HTML, PEP 691 in JSON). A page is outside data.

#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery::model {

// PIP_INDEX_URL, else what `pip config get global.index-url` says, else https://pypi.org/simple.
std::string PipIndexUrl();

// The address of the project's page. A file:// index has plain files, so its page is index.html.
std::string ProjectPage(std::string_view index_url, std::string_view project);

// The address of `file` on the project's `page` (its content), which was read from `page_url`. NotFound if the page has
// no such file.
StatusOr<std::string> FindWheelUrl(std::string_view page, std::string_view page_url, std::string_view file);

// The address without the name and password that may stand in it.
std::string WithoutCredentials(std::string_view url);

}  // namespace orrery::model
