// SPDX-License-Identifier: Apache-2.0
#include "sandbox/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/paths.h"
#include "sandbox/packages.h"

namespace orrery::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr int kSupervisorSocket = 3;
constexpr double kStartSeconds = 150;
constexpr char kNoWalls[] = "or ask for sandbox.isolation=none, which leaves limits and deadlines but no walls";

struct Files {
  fs::path supervisor;
  fs::path interpreter;
  fs::path zygote;
  fs::path packages;
  std::string imports;
};

StatusOr<fs::path> RealFile(std::string_view name) {
  ORRERY_ASSIGN_OR_RETURN(const fs::path path, DataFile(name));
  std::error_code error;
  auto real = fs::canonical(path, error);
  if (error) return NotFound("{}: {}", path.string(), error.message());
  return real;
}

StatusOr<Files> FindFiles(const SandboxOptions& options) {
  Files files;
  ORRERY_ASSIGN_OR_RETURN(files.supervisor, RealFile("sandbox/supervisor"));
  ORRERY_ASSIGN_OR_RETURN(files.interpreter, RealFile("sandbox/interpreter"));
  ORRERY_ASSIGN_OR_RETURN(files.zygote, RealFile("sandbox/zygote.py"));
  const fs::path python = options.python.empty() ? PythonEnvironment() : options.python;
  std::error_code error;
  files.packages = fs::canonical(python / "lib/python3.11/site-packages", error);
  if (error)
    return NotFound("{}: no Python environment is there ({}); ./bazelw makes it", python.string(), error.message());
  ORRERY_ASSIGN_OR_RETURN(files.imports, InstalledPackages(options.packages, files.packages));
  return files;
}

StatusOr<fs::path> FindBubblewrap() {
  const char* path = std::getenv("PATH");
  std::string folders = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  for (size_t start = 0; start <= folders.size();) {
    const size_t end = std::min(folders.find(':', start), folders.size());
    const fs::path program = fs::path(folders.substr(start, end - start)) / "bwrap";
    if (access(program.c_str(), X_OK) == 0) return program;
    start = end + 1;
  }
  return Unavailable("bubblewrap (bwrap) is not installed: install the Debian package bubblewrap, {}", kNoWalls);
}

std::vector<std::string> Bubblewrap(const fs::path& program, const Files& files) {
  std::vector<std::string> line = {program.string(), "--unshare-user", "--unshare-pid",        "--unshare-net",
                                   "--unshare-ipc",  "--unshare-uts",  "--unshare-cgroup-try", "--as-pid-1",
                                   "--new-session",  "--clearenv"};
  const auto add = [&](std::initializer_list<std::string> words) { line.insert(line.end(), words); };
  add({"--uid", "65534", "--gid", "65534", "--cap-drop", "ALL", "--hostname", "sandbox", "--ro-bind", "/usr", "/usr"});
  for (const char* folder : {"lib", "lib32", "lib64", "libx32"}) {
    const fs::path path = fs::path("/") / folder;
    std::error_code error;
    if (fs::is_symlink(path, error)) {
      add({"--symlink", fs::read_symlink(path, error).string(), path.string()});
    } else {
      add({"--ro-bind-try", path.string(), path.string()});
    }
  }
  add({"--ro-bind", files.supervisor.string(), "/orrery/supervisor", "--ro-bind", files.interpreter.string(),
       "/orrery/interpreter"});
  add({"--ro-bind", files.zygote.string(), "/orrery/zygote.py", "--ro-bind", files.packages.string(),
       "/orrery/packages"});
  add({"--proc", "/proc", "--dev-bind", "/dev/null", "/dev/null", "--remount-ro", "/", "--chdir", "/",
       "/orrery/supervisor"});
  return line;
}

std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Why bubblewrap may have failed, as far as the system's settings tell, and what helps.
std::string Remedy() {
  if (FirstLine("/proc/sys/kernel/unprivileged_userns_clone") == "0")
    return "set the sysctl kernel.unprivileged_userns_clone=1";
  if (FirstLine("/proc/sys/user/max_user_namespaces") == "0") return "raise the sysctl user.max_user_namespaces";
  if (FirstLine("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
    return "set the sysctl kernel.apparmor_restrict_unprivileged_userns=0 or give bwrap an AppArmor profile that "
           "allows user namespaces";
  }
  return "allow user namespaces (in a container: run it with them, and with an unmasked /proc)";
}

// Starts the program in the groups that `entrances` lead to, with `socket` as descriptor 3 and `errors` as its standard
// error. The caller holds no lock that it needs: between fork and exec only async-signal-safe calls are made.
pid_t Spawn(const std::vector<std::string>& line, const std::vector<Descriptor>& entrances, int socket, int errors) {
  std::vector<char*> words;
  for (const auto& word : line) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = fork();
  if (child == 0) {
    for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    setpgid(0, 0);  // Ctrl-C is for the caller alone
    for (const auto& entrance : entrances) {
      if (write(entrance.get(), "0", 1) != 1) _exit(126);
    }
    // `errors` may be 3 itself: it goes to its place first.
    const int null = open("/dev/null", O_RDWR);
    if (dup2(errors, 2) < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) _exit(126);
    if (socket == kSupervisorSocket) {
      fcntl(socket, F_SETFD, 0);
    } else if (dup2(socket, kSupervisorSocket) < 0) {
      _exit(126);
    }
    execv(words[0], words.data());
    _exit(127);
  }
  const int reason = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = reason;
  return child;
}

// Of the whole sandbox: a warm interpreter, its snapshots and a step beside them, with room for the kernel's own.
GroupLimits LimitsOf(const SandboxOptions& options) {
  constexpr uint64_t kWarm = uint64_t{512} << 20;
  return {kWarm + options.snapshot_bytes + options.memory_bytes,
          static_cast<uint64_t>(std::max(options.snapshot_count, 0)) + 64};
}

std::string ReadWhatIsThere(int file) {
  std::string text;
  std::array<char, 4096> bytes;
  for (pollfd ready{file, POLLIN, 0}; poll(&ready, 1, 200) == 1 && text.size() < (1 << 16);) {
    const ssize_t got = read(file, bytes.data(), bytes.size());
    if (got <= 0) break;
    text.append(bytes.data(), static_cast<size_t>(got));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

StatusOr<Supervised> Supervised::Start(const SandboxOptions& options) {
  Supervised started;
  started.walls_ = options.isolation == Isolation::kBubblewrap;
  ORRERY_ASSIGN_OR_RETURN(const Files files, FindFiles(options));
  std::vector<std::string> line = {files.supervisor.string()};
  if (started.walls_) {
    ORRERY_ASSIGN_OR_RETURN(const fs::path program, FindBubblewrap());
    line = Bubblewrap(program, files);
  }
  std::array<int, 2> sockets{};
  std::array<int, 2> pipes{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0)
    return Failed("socketpair: {}", std::strerror(errno));
  started.socket_ = Descriptor(sockets[0]);
  Descriptor theirs(sockets[1]);
  if (pipe2(pipes.data(), O_CLOEXEC) != 0) return Failed("pipe: {}", std::strerror(errno));
  const Descriptor errors(pipes[0]);
  Descriptor their_errors(pipes[1]);
  ORRERY_ASSIGN_OR_RETURN(started.group_, ControlGroup::Make(options.control_group, LimitsOf(options)));
  started.child_ = Spawn(line, started.group_.entrances(), theirs.get(), their_errors.get());
  if (started.child_ < 0) return Failed("fork: {}", std::strerror(errno));
  theirs.Close();
  their_errors.Close();

  Setup setup{options.wall_seconds,
              options.memory_bytes,
              options.output_bytes,
              options.snapshot_bytes,
              static_cast<uint64_t>(std::max(options.snapshot_count, 0)),
              started.walls_,
              started.walls_ ? "/orrery/interpreter" : files.interpreter.string(),
              started.walls_ ? "/orrery/zygote.py" : files.zygote.string(),
              started.walls_ ? "/orrery/packages" : files.packages.string(),
              files.imports,
              NamespaceNames()};
  auto answer = SendFrame(started.socket(), Encode(setup)).ok() ? ReceiveFrame(started.socket(), kStartSeconds)
                                                                : StatusOr<std::string>(Failed("it ended at once"));
  if (!answer.ok()) {
    const std::string said = ReadWhatIsThere(errors.get());
    if (started.walls_ && said.find("bwrap:") != std::string::npos) {
      return Unavailable("no isolation: {}; {}, {}", said, Remedy(), kNoWalls);
    }
    return Unavailable("the sandbox did not start ({}): {}", Message(answer.status()),
                       said.empty() ? "it said nothing" : said);
  }
  ORRERY_ASSIGN_OR_RETURN(const Ready ready, DecodeReady(*answer));
  if (!ready.error.empty())
    return Unavailable("the sandbox did not start: {}; {}", ready.error, ReadWhatIsThere(errors.get()));
  started.guards_ = ready.guards;
  const auto& group = started.group_.guards();
  started.guards_.insert(started.guards_.end(), group.begin(), group.end());
  return started;
}

Supervised::Supervised(Supervised&& other) noexcept { *this = std::move(other); }

Supervised& Supervised::operator=(Supervised&& other) noexcept {
  std::swap(group_, other.group_);
  std::swap(child_, other.child_);
  std::swap(walls_, other.walls_);
  std::swap(socket_, other.socket_);
  std::swap(guards_, other.guards_);
  return *this;
}

Supervised::~Supervised() {
  if (child_ <= 0) return;
  socket_.Close();  // upon which the supervisor ends by itself
  for (int i = 0; i < 2000; ++i) {
    if (waitpid(child_, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  kill(child_, SIGKILL);  // bubblewrap's end is the supervisor's
  waitpid(child_, nullptr, 0);
}

}  // namespace orrery::sandbox
