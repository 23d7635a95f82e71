// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/broken_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

namespace orrery::faults {
namespace {

// The length that a head announces; 0 where it announces none.
size_t ContentLength(std::string head) {
  std::ranges::transform(head, head.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const size_t at = head.find("\r\ncontent-length:");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 17));
}

}  // namespace

BrokenServer::BrokenServer(const std::string& target) {
  const size_t colon = target.rfind(':');
  port_ = std::stoi(target.substr(colon + 1));
  server_ = std::make_unique<HostileServer>([this](const HostileCall& call) { return Answer(call); });
}

void BrokenServer::Break(Way way, int call, bool lasting) {
  way_ = way;
  lasting_ = lasting;
  calls_ = 0;
  broke_ = false;
  at_ = call;
}

void BrokenServer::Mend() {
  at_ = 0;
  calls_ = 0;
}

HostileAnswer BrokenServer::Answer(const HostileCall& call) {
  if (!call.head.starts_with("POST")) return HandOn(call);
  const int number = ++calls_, at = at_;
  if (at == 0 || number < at || (number > at && !lasting_)) return HandOn(call);
  broke_ = true;
  switch (way_.load()) {
    case Way::kError: return HttpAnswer(500, R"({"error":{"message":"the machine is on fire"}})");
    case Way::kGarbage: return HttpAnswer(200, "<html>Welcome to the hotel's network</html>", "text/html");
    case Way::kHalf: {
      HostileAnswer answer = HandOn(call);
      answer.bytes.resize(answer.bytes.size() / 2);
      answer.then = HostileAnswer::Then::kClose;
      return answer;
    }
    case Way::kReset: return {.bytes = "", .then = HostileAnswer::Then::kReset};
  }
  return HandOn(call);
}

HostileAnswer BrokenServer::HandOn(const HostileCall& call) const {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  HostileAnswer answer{.bytes = "", .then = HostileAnswer::Then::kReset};
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = call.head + "\r\n\r\n" + call.body;
    size_t sent = 0;
    for (ssize_t count = 1; sent < request.size() && count > 0;
         sent += static_cast<size_t>(std::max<ssize_t>(0, count)))
      count = send(socket, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    std::string bytes;
    char piece[65536];
    for (;;) {
      const size_t end = bytes.find("\r\n\r\n");
      if (end != std::string::npos && bytes.size() >= end + 4 + ContentLength(bytes.substr(0, end))) {
        answer = {.bytes = bytes, .then = HostileAnswer::Then::kKeep};
        break;
      }
      const ssize_t count = recv(socket, piece, sizeof piece, 0);
      if (count <= 0) break;
      bytes.append(piece, static_cast<size_t>(count));
    }
  }
  close(socket);
  return answer;
}

}  // namespace orrery::faults
