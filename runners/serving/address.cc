// SPDX-License-Identifier: Apache-2.0
#include "runners/serving/address.h"

#include <poll.h>

#include <boost/asio/ip/address.hpp>
#include <charconv>

namespace orrery::runners {

StatusOr<ListenAddress> ParseListenAddress(std::string_view text) {
  const Status wrong =
      InvalidInput("serve.listen: expected ADDRESS:PORT such as 127.0.0.1:8080 or [::1]:8080, found {}", text);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong;
  ListenAddress address;
  const std::string_view port = text.substr(colon + 1);
  const auto read = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || read.ec != std::errc() || read.ptr != port.data() + port.size()) return wrong;
  std::string_view host = text.substr(0, colon);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(std::string(host), error);
  if (error || ip.is_v6() != brackets) return wrong;
  address.host = host;
  address.loopback = ip.is_loopback();
  return address;
}

Status CheckExposure(const ListenAddress& address, bool token, bool tls) {
  if (address.loopback) return absl::OkStatus();
  if (!token)
    return InvalidInput(
        "serve.listen: {} can be reached by others: a token is needed, in the environment variable that "
        "serve.token_variable names",
        address.host);
  if (!tls)
    return InvalidInput("serve.listen: {} can be reached by others: serve.certificate and serve.private_key are needed",
                        address.host);
  return absl::OkStatus();
}

bool HasHungUp(int socket) {
  pollfd state{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace orrery::runners
