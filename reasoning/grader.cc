// SPDX-License-Identifier: Apache-2.0
#include "reasoning/grader.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/paths.h"
#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

constexpr size_t kLongestText = 4000;  // bytes of a reference or an answer; a longer one is no answer
constexpr uint32_t kLongestReply = 4096;
constexpr double kStartSeconds = 120;  // importing sympy takes half a second, on a busy machine far longer
constexpr rlim_t kMemory = rlim_t{3} << 30;

enum class Io : uint8_t { kDone, kTimeOut, kBroken };

// The worker's process and our end of its socket.
class Process {
 public:
  Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { Kill(); }

  bool running() const { return pid_ > 0; }

  Status Start(const std::string& python, const std::string& script) {
    std::array<int, 2> ends;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      return Failed("grader: no socket ({})", std::strerror(errno));
    const pid_t parent = getpid();
    const std::array<const char*, 6> arguments = {python.c_str(), "-s", "-P", "-B", script.c_str(), nullptr};
    const std::array<const char*, 5> environment = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "PYTHONHASHSEED=0",
                                                    "OPENBLAS_NUM_THREADS=1", nullptr};
    const pid_t pid = fork();
    if (pid < 0) {
      const int reason = errno;
      close(ends[0]);
      close(ends[1]);
      return Failed("grader: no process ({})", std::strerror(reason));
    }
    if (pid == 0) Become(parent, ends[1], arguments.data(), environment.data());
    close(ends[1]);
    pid_ = pid;
    socket_ = ends[0];
    return absl::OkStatus();
  }

  void Kill() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
    }
    if (socket_ >= 0) close(socket_);
    pid_ = -1;
    socket_ = -1;
  }

  Io Send(std::string_view body, Clock::time_point deadline) {
    std::string frame(sizeof(uint32_t), '\0');
    const auto size = static_cast<uint32_t>(body.size());
    std::memcpy(frame.data(), &size, sizeof size);
    frame += body;
    for (size_t done = 0; done < frame.size();) {
      if (const Io io = Wait(POLLOUT, deadline); io != Io::kDone) return io;
      const ssize_t sent = send(socket_, frame.data() + done, frame.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (sent < 0) return Io::kBroken;
      done += static_cast<size_t>(sent);
    }
    return Io::kDone;
  }

  Io Receive(std::string& body, Clock::time_point deadline) {
    uint32_t size = 0;
    if (const Io io = Read(&size, sizeof size, deadline); io != Io::kDone) return io;
    if (size > kLongestReply) return Io::kBroken;
    body.assign(size, '\0');
    return Read(body.data(), size, deadline);
  }

 private:
  // In the child between fork and exec: only calls that are safe there.
  [[noreturn]] static void Become(pid_t parent, int socket, const char* const* arguments,
                                  const char* const* environment) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);  // it died before the line above
    dup2(socket, STDIN_FILENO);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    const rlimit memory{kMemory, kMemory}, none{0, 0};
    setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_CORE, &none);
    sigset_t nothing;
    sigemptyset(&nothing);
    sigprocmask(SIG_SETMASK, &nothing, nullptr);
    signal(SIGINT, SIG_IGN);  // Ctrl-C on a terminal goes to the whole group; our parent decides when we end
    execve(arguments[0], const_cast<char* const*>(arguments), const_cast<char* const*>(environment));
    _exit(127);
  }

  Io Wait(int16_t events, Clock::time_point deadline) const {
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left < 0) return Io::kTimeOut;
      pollfd descriptor{socket_, events, 0};
      const int ready = poll(&descriptor, 1, static_cast<int>(std::min<int64_t>(left + 1, 60000)));
      if (ready > 0) return Io::kDone;
      if (ready < 0 && errno != EINTR) return Io::kBroken;
    }
  }

  Io Read(void* to, size_t size, Clock::time_point deadline) const {
    for (size_t done = 0; done < size;) {
      if (const Io io = Wait(POLLIN, deadline); io != Io::kDone) return io;
      const ssize_t got = recv(socket_, static_cast<char*>(to) + done, size - done, MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return Io::kBroken;
      done += static_cast<size_t>(got);
    }
    return Io::kDone;
  }

  pid_t pid_ = -1;
  int socket_ = -1;
};

bool Readable(std::string_view text) { return text.size() <= kLongestText && ValidUtf8Prefix(text) == text.size(); }

class MathVerify : public Grader {
 public:
  MathVerify(std::string python, std::string script, double wall_seconds)
      : python_(std::move(python)), script_(std::move(script)), wall_seconds_(wall_seconds) {}

  Grade Compare(std::string_view reference, std::string_view answer) override {
    reference = Trim(reference);
    answer = Trim(answer);
    if (!Readable(reference) || !Readable(answer)) return Grade::kNotParsed;
    if (const auto grade = GradeNumbers(reference, answer)) return *grade;
    if (const auto grade = GradeTexts(reference, answer)) return *grade;
    const auto grade = Ask(reference, answer);
    if (grade) return *grade;
    // The worker may have died since it last answered, through no fault of this comparison: once more.
    return Ask(reference, answer).value_or(Grade::kFailed);
  }

 private:
  // Empty where the worker died.
  std::optional<Grade> Ask(std::string_view reference, std::string_view answer) {
    if (!Ready()) return std::nullopt;
    std::string body(sizeof(uint32_t), '\0');
    const auto size = static_cast<uint32_t>(reference.size());
    std::memcpy(body.data(), &size, sizeof size);
    body.append(reference).append(answer);
    const auto deadline = SecondsFromNow(wall_seconds_);
    Io io = process_.Send(body, deadline);
    std::string reply;
    if (io == Io::kDone) io = process_.Receive(reply, deadline);
    if (io == Io::kDone && reply.size() == 1) {
      switch (reply[0]) {
        case 'E': return Grade::kEqual;
        case 'D': return Grade::kDifferent;
        case 'N': return Grade::kNotParsed;
        case 'F': return Grade::kFailed;
        default: break;
      }
    }
    Stop();
    if (io != Io::kTimeOut) return std::nullopt;
    (void)process_.Start(python_, script_);  // it warms up while nobody waits; a failure shows at the next comparison
    return Grade::kTimeOut;
  }

  // Started and through its imports.
  bool Ready() {
    if (!process_.running() && !process_.Start(python_, script_).ok()) return false;
    if (ready_) return true;
    std::string greeting;
    ready_ = process_.Receive(greeting, SecondsFromNow(kStartSeconds)) == Io::kDone && greeting == "R";
    if (!ready_) Stop();
    return ready_;
  }

  void Stop() {
    process_.Kill();
    ready_ = false;
  }

  const std::string python_;
  const std::string script_;
  const double wall_seconds_;
  Process process_;
  bool ready_ = false;
};

}  // namespace

StatusOr<std::unique_ptr<Grader>> Grader::Create(const GraderOptions& options) {
  if (!(options.wall_seconds > 0))
    return InvalidInput("grader: a time limit above 0 seconds was expected, not {}", options.wall_seconds);
  const auto python = options.python / "bin" / "python3";
  if (access(python.c_str(), X_OK) != 0) {
    return Unavailable("{}: no Python there; ./bazelw makes the environment that the grader needs", python.string());
  }
  ORRERY_ASSIGN_OR_RETURN(const auto script, DataFile("reasoning/grader_worker.py"));
  return std::make_unique<MathVerify>(python.string(), std::filesystem::absolute(script).string(),
                                      options.wall_seconds);
}

}  // namespace orrery::reasoning
