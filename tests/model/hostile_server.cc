// SPDX-License-Identifier: Apache-2.0
#include "tests/model/hostile_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace orrery {

HostileAnswer HttpAnswer(int status, const std::string& body, const std::string& type,
                         const std::string& more_headers) {
  return {fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\n{}Content-Length: {}\r\n\r\n{}", status, type, more_headers,
                      body.size(), body)};
}

HostileServer::HostileServer(std::function<HostileAnswer(const HostileCall&)> answer) : answer_(std::move(answer)) {
  listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(listening_, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listening_, 64), 0);
  EXPECT_EQ(getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

HostileServer::~HostileServer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  }
  shutdown(listening_, SHUT_RDWR);
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  for (const int socket : sockets_) close(socket);
  close(listening_);
}

std::string HostileServer::url() const { return fmt::format("http://127.0.0.1:{}/v1", port_); }

int HostileServer::calls() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(log_.size());
}

int HostileServer::connections() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(sockets_.size());
}

std::vector<HostileCall> HostileServer::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

void HostileServer::Accept() {
  for (;;) {
    const int socket = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const std::lock_guard lock(mutex_);
    sockets_.push_back(socket);
    if (ending_) return;
    threads_.emplace_back([this, socket] { Serve(socket); });
  }
}

namespace {

// Reads one call; false where the client has closed.
bool ReadCall(int socket, std::string* got, HostileCall* call) {
  for (;;) {
    if (const size_t end = got->find("\r\n\r\n"); end != std::string::npos) {
      const size_t field = got->find("Content-Length: ");
      const size_t length = field < end ? std::strtoull(got->c_str() + field + 16, nullptr, 10) : 0;
      if (got->size() >= end + 4 + length) {
        call->head = got->substr(0, end);
        call->body = got->substr(end + 4, length);
        got->erase(0, end + 4 + length);
        return true;
      }
    }
    char buffer[4096];
    const ssize_t count = recv(socket, buffer, sizeof buffer, 0);
    if (count <= 0) return false;
    got->append(buffer, static_cast<size_t>(count));
  }
}

}  // namespace

void HostileServer::Serve(int socket) {
  std::string got;
  for (HostileCall call; ReadCall(socket, &got, &call);) {
    {
      const std::lock_guard lock(mutex_);
      call.number = static_cast<int>(log_.size());
      log_.push_back(call);
    }
    const HostileAnswer answer = answer_(call);
    send(socket, answer.bytes.data(), answer.bytes.size(), MSG_NOSIGNAL);
    if (answer.then == HostileAnswer::Then::kReset) {
      // Closing with this option sends RST. The descriptor's number stays taken until the end.
      const linger abort{1, 0};
      setsockopt(socket, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
      const int nothing = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      dup3(nothing, socket, O_CLOEXEC);
      close(nothing);
      return;
    }
    if (answer.then == HostileAnswer::Then::kClose) {
      shutdown(socket, SHUT_RDWR);
      return;
    }
    if (answer.then == HostileAnswer::Then::kSilence) {
      char byte;
      while (recv(socket, &byte, 1, 0) > 0) {}
      return;
    }
  }
  shutdown(socket, SHUT_RDWR);
}

}  // namespace orrery
