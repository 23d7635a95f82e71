// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace orrery::kernels {

// Of oneDNN, as loaded: "2.6.0". Products of some instruction sets are the library's (cpu/dnnl_matrix.cc).
std::string LibraryVersion();

}  // namespace orrery::kernels
