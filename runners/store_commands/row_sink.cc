// SPDX-License-Identifier: Apache-2.0
#include "runners/store_commands/row_sink.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/atomic_file.h"
#include "base/paths.h"

namespace orrery::runners {
namespace {

class JsonLinesSink final : public RowSink {
 public:
  explicit JsonLinesSink(AtomicFile file) : file_(std::move(file)) {}

  Status Write(std::string_view row) override {
    ORRERY_RETURN_IF_ERROR(file_.Write(row));
    return file_.Write("\n");
  }
  Status Commit() override { return file_.Commit(); }

 private:
  AtomicFile file_;
};

// parquet_writer.py reads the rows from a socket and makes the file when it has read the last line, which says so. Its
// complaints come back the same way.
class ParquetSink final : public RowSink {
 public:
  ~ParquetSink() override {
    if (socket_ >= 0) close(socket_);
    if (pid_ > 0) Wait();  // it ends at the end of its input
  }

  Status Start(const std::filesystem::path& path, const std::vector<store::Column>& columns) {
    path_ = path.string();
    const std::string python = (PythonEnvironment() / "bin" / "python3").string();
    if (access(python.c_str(), X_OK) != 0)
      return Unavailable("{}: no Python there; ./bazelw makes the environment that Parquet files need", python);
    ORRERY_ASSIGN_OR_RETURN(const auto script, DataFile("runners/store_commands/parquet_writer.py"));
    nlohmann::ordered_json types;
    for (const store::Column& column : columns) types[std::string(column.name)] = column.type;
    std::array<std::string, 7> words = {python, "-s",        "-P", "-B", std::filesystem::absolute(script).string(),
                                        path_,  types.dump()};
    std::array<char*, 8> arguments = {};
    for (size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
    std::array<int, 2> ends = {};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      return Failed("parquet: no socket ({})", std::strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    const int failed = posix_spawn(&pid_, python.c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    socket_ = ends[0];
    if (failed == 0) return absl::OkStatus();
    pid_ = -1;
    return Failed("{}: cannot be started ({})", python, std::strerror(failed));
  }

  Status Write(std::string_view row) override {
    waiting_.append(row).append("\n");
    return waiting_.size() < kPiece ? absl::OkStatus() : Flush();
  }

  Status Commit() override {
    waiting_ += "end\n";
    ORRERY_RETURN_IF_ERROR(Flush());
    shutdown(socket_, SHUT_WR);
    const std::string said = Read();
    const int code = Wait();
    if (code != 0 || said != "done") return Complaint(said, code);
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kPiece = size_t{1} << 18;

  Status Complaint(const std::string& said, int code) const {
    return Failed("{}: not written by pyarrow: {}", path_, said.empty() ? fmt::format("it ended with {}", code) : said);
  }

  Status Flush() {
    for (size_t done = 0; done < waiting_.size();) {
      const ssize_t sent = send(socket_, waiting_.data() + done, waiting_.size() - done, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) {  // it has ended, and may have said why
        const std::string said = Read();
        return Complaint(said, Wait());
      }
      done += static_cast<size_t>(sent);
    }
    waiting_.clear();
    return absl::OkStatus();
  }

  std::string Read() const {
    std::string said;
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t got = recv(socket_, buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return said;
      said.append(buffer.data(), static_cast<size_t>(got));
    }
  }

  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  std::string path_;
  std::string waiting_;
  pid_t pid_ = -1;
  int socket_ = -1;
};

}  // namespace

StatusOr<std::unique_ptr<RowSink>> RowSink::JsonLines(const std::filesystem::path& path) {
  ORRERY_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  return std::make_unique<JsonLinesSink>(std::move(file));
}

StatusOr<std::unique_ptr<RowSink>> RowSink::Parquet(const std::filesystem::path& path,
                                                    const std::vector<store::Column>& columns) {
  auto sink = std::make_unique<ParquetSink>();
  ORRERY_RETURN_IF_ERROR(sink->Start(path, columns));
  return sink;
}

}  // namespace orrery::runners
