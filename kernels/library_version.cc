// SPDX-License-Identifier: Apache-2.0
#include "kernels/library_version.h"

#include <dnnl.hpp>

namespace orrery::kernels {

std::string LibraryVersion() {
  const dnnl::version_t* version = dnnl::version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

}  // namespace orrery::kernels
