// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a server may listen, and what it needs for that.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace orrery::runners {

struct ListenAddress {
  std::string host;  // 127.0.0.1, ::1
  uint16_t port = 0;
  bool loopback = false;
};

// "127.0.0.1:8080", "[::1]:8080", "localhost:8080". Names other than localhost are refused.
StatusOr<ListenAddress> ParseListenAddress(std::string_view text);

// Elsewhere than on the loopback address a server needs a token and TLS.
Status CheckExposure(const ListenAddress& address, bool token, bool tls);

// Whether the other side of a socket has closed it, half or wholly.
bool HasHungUp(int socket);

}  // namespace orrery::runners
