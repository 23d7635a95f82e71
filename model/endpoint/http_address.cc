// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cmath>
#include <ctime>

#include "model/endpoint/http_client.h"

namespace orrery::model {

StatusOr<HttpAddress> ParseHttpAddress(std::string_view url) {
  const Status wrong =
      InvalidInput("'{}': expected an address such as https://host/v1 or http://127.0.0.1:8080/v1", url);
  HttpAddress address;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    address.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return wrong;
  }
  const auto strange = [](unsigned char c) {
    return c <= ' ' || c >= 127 || c == '@' || c == '?' || c == '#' || c == '\\';
  };
  if (std::any_of(rest.begin(), rest.end(), strange)) return wrong;
  const size_t slash = std::min(rest.find('/'), rest.size());
  address.path = rest.substr(slash);
  while (address.path.ends_with('/')) address.path.pop_back();
  std::string_view host = rest.substr(0, slash);
  address.port = address.tls ? "443" : "80";
  const size_t bracket = host.find(']');
  const size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    uint16_t port = 0;
    const std::string_view digits = host.substr(colon + 1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || port == 0) return wrong;
    address.port = digits;
    host = host.substr(0, colon);
  }
  if (bracket != std::string_view::npos) {
    if (!host.starts_with('[') || !host.ends_with(']')) return wrong;
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) return wrong;
  address.host = host;
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(address.host, error);
  address.loopback = error ? host == "localhost" : ip.is_loopback();
  return address;
}

double RetryAfterSeconds(std::string_view header, int64_t now) {
  double seconds = 0;
  const auto read = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (read.ec == std::errc() && read.ptr == header.data() + header.size() && !header.empty())
    return std::isfinite(seconds) ? std::max(0.0, seconds) : 0;
  std::tm date{};
  const std::string text(header);
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (end == nullptr || *end != '\0') return 0;
  return std::max(0.0, static_cast<double>(timegm(&date) - now));
}

}  // namespace orrery::model
