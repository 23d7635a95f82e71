// SPDX-License-Identifier: Apache-2.0
#include "actors/promise.h"

namespace orrery::actors {

std::string Words(const caf::error& error) {
  if (error.category() == caf::atom("system") && error.code() == static_cast<uint8_t>(caf::sec::runtime_error) &&
      error.context().size() == 1 && error.context().match_element<std::string>(0)) {
    return error.context().get_as<std::string>(0);
  }
  return caf::to_string(error);
}

}  // namespace orrery::actors
