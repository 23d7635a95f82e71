// SPDX-License-Identifier: Apache-2.0
#pragma once

// An HTTP server for tests that answers as it is told: with anything at all, with half of it, with a reset, or never.

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace orrery {

struct HostileAnswer {
  std::string bytes;  // as they go over the wire, status line included
  enum class Then { kKeep, kClose, kReset, kSilence } then = Then::kKeep;
};

// A whole answer with its head.
HostileAnswer HttpAnswer(int status, const std::string& body, const std::string& type = "application/json",
                         const std::string& more_headers = "");

struct HostileCall {
  int number = 0;  // of this server, from 0
  std::string head;
  std::string body;
};

class HostileServer {
 public:
  // `answer` is called on a connection's own thread.
  explicit HostileServer(std::function<HostileAnswer(const HostileCall&)> answer);
  ~HostileServer();
  HostileServer(const HostileServer&) = delete;
  HostileServer& operator=(const HostileServer&) = delete;

  std::string url() const;  // "http://127.0.0.1:PORT/v1"
  int calls() const;
  int connections() const;
  std::vector<HostileCall> log() const;

 private:
  void Accept();
  void Serve(int socket);

  std::function<HostileAnswer(const HostileCall&)> answer_;
  int listening_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  bool ending_ = false;
  std::vector<HostileCall> log_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace orrery
