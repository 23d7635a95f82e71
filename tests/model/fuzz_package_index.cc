// SPDX-License-Identifier: Apache-2.0

// Any bytes as an index page: an error, or an address that curl's configuration can hold.

#include <string>

#include "model/registry/package_index.h"
#include "tests/model/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto url =
      orrery::model::FindWheelUrl({reinterpret_cast<const char*>(data), size}, "https://host/simple/x/", "x.whl");
  if (!url.ok()) return 0;
  if (url->find_first_of("\"\\ \n\r\t") != std::string::npos || url->find("://") == std::string::npos) std::abort();
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  return orrery::fuzz::Drive({R"({"files":[{"filename":"x.whl","url":"https://h/x.whl"}]})",
                              R"(<a href="../../h/x.whl?a&amp;b#sha256=0">x</a>)", R"(<a href='x.whl'>x</a>)"},
                             300000);
}
#endif
