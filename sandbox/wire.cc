// SPDX-License-Identifier: Apache-2.0
#include "sandbox/wire.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/clock.h"

namespace orrery::sandbox {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are written as the machine keeps its numbers");

class Writer {
 public:
  template <class T>
  Writer& Number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Writer& Text(std::string_view text) {
    Number<uint32_t>(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
    return *this;
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads that run past the end give zeros and empty texts, and Finish says so.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T Number() {
    T value{};
    if (!Has(sizeof(value))) return value;
    std::memcpy(&value, bytes_.data(), sizeof(value));
    bytes_.remove_prefix(sizeof(value));
    return value;
  }
  std::string Text() {
    const auto size = Number<uint32_t>();
    if (!Has(size)) return {};
    std::string text(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return text;
  }
  // How many items follow, each of at least `item_bytes`: a count that cannot be true is an error before anything is
  // reserved.
  uint32_t Count(size_t item_bytes) {
    const auto count = Number<uint32_t>();
    return Has(size_t{count} * item_bytes) ? count : 0;
  }
  Status Finish(std::string_view what) const {
    if (short_) return Corrupt("{}: ends before its last field", what);
    if (!bytes_.empty()) return Corrupt("{}: {} bytes follow its last field", what, bytes_.size());
    return absl::OkStatus();
  }

 private:
  bool Has(size_t size) {
    if (bytes_.size() < size) short_ = true;
    return !short_;
  }

  std::string_view bytes_;
  bool short_ = false;
};

constexpr size_t kStepBytes = sizeof(uint64_t) + sizeof(uint32_t);

void Put(Writer& writer, const Step& step) { writer.Number(step.seed).Text(step.code); }

Step TakeStep(Reader& reader) {
  Step step;
  step.seed = reader.Number<uint64_t>();
  step.code = reader.Text();
  return step;
}

}  // namespace

std::string NamespaceNames() {
  std::string names;
  for (const char* kind : {"user", "pid", "net", "mnt", "ipc", "uts", "cgroup"}) {
    std::array<char, 64> name{};
    const std::string link = std::string("/proc/self/ns/") + kind;
    if (readlink(link.c_str(), name.data(), name.size() - 1) > 0) names += std::string(name.data()) + "\n";
  }
  return names;
}

std::string Encode(const Setup& setup) {
  Writer writer;
  writer.Number(setup.wall_seconds).Number(setup.memory_bytes).Number(setup.output_bytes);
  writer.Number(setup.snapshot_bytes).Number(setup.snapshot_count).Number<uint8_t>(setup.walls);
  writer.Text(setup.interpreter).Text(setup.zygote).Text(setup.packages).Text(setup.imports);
  return writer.Text(setup.caller_namespaces).Take();
}

StatusOr<Setup> DecodeSetup(std::string_view bytes) {
  Reader reader(bytes);
  Setup setup;
  setup.wall_seconds = reader.Number<double>();
  setup.memory_bytes = reader.Number<uint64_t>();
  setup.output_bytes = reader.Number<uint64_t>();
  setup.snapshot_bytes = reader.Number<uint64_t>();
  setup.snapshot_count = reader.Number<uint64_t>();
  setup.walls = reader.Number<uint8_t>() != 0;
  setup.interpreter = reader.Text();
  setup.zygote = reader.Text();
  setup.packages = reader.Text();
  setup.imports = reader.Text();
  setup.caller_namespaces = reader.Text();
  ORRERY_RETURN_IF_ERROR(reader.Finish("setup message"));
  return setup;
}

std::string Encode(const Ready& ready) {
  Writer writer;
  writer.Text(ready.error).Number<uint32_t>(static_cast<uint32_t>(ready.guards.size()));
  for (const auto& guard : ready.guards) writer.Text(guard.name).Number<uint8_t>(guard.active).Text(guard.detail);
  return writer.Take();
}

StatusOr<Ready> DecodeReady(std::string_view bytes) {
  Reader reader(bytes);
  Ready ready;
  ready.error = reader.Text();
  const uint32_t count = reader.Count(2 * sizeof(uint32_t) + sizeof(uint8_t));
  for (uint32_t i = 0; i < count; ++i) {
    Guard& guard = ready.guards.emplace_back();
    guard.name = reader.Text();
    guard.active = reader.Number<uint8_t>() != 0;
    guard.detail = reader.Text();
  }
  ORRERY_RETURN_IF_ERROR(reader.Finish("ready message"));
  return ready;
}

std::string Encode(const StepRequest& request) {
  Writer writer;
  writer.Number<uint32_t>(static_cast<uint32_t>(request.parents.size()));
  for (const auto& step : request.parents) Put(writer, step);
  Put(writer, request.step);
  return writer.Take();
}

StatusOr<StepRequest> DecodeRequest(std::string_view bytes) {
  Reader reader(bytes);
  StepRequest request;
  const uint32_t count = reader.Count(kStepBytes);
  for (uint32_t i = 0; i < count; ++i) request.parents.push_back(TakeStep(reader));
  request.step = TakeStep(reader);
  ORRERY_RETURN_IF_ERROR(reader.Finish("step request"));
  return request;
}

std::string Encode(const StepResult& result) {
  Writer writer;
  writer.Number(static_cast<uint8_t>(result.verdict)).Text(result.output).Text(result.error);
  writer.Number(result.cpu_seconds).Number(result.wall_seconds).Number(result.peak_bytes).Text(result.poisoned);
  return writer.Number<int32_t>(result.steps_executed).Take();
}

StatusOr<StepResult> DecodeResult(std::string_view bytes) {
  Reader reader(bytes);
  StepResult result;
  const auto verdict = reader.Number<uint8_t>();
  result.output = reader.Text();
  result.error = reader.Text();
  result.cpu_seconds = reader.Number<double>();
  result.wall_seconds = reader.Number<double>();
  result.peak_bytes = reader.Number<uint64_t>();
  result.poisoned = reader.Text();
  result.steps_executed = reader.Number<int32_t>();
  ORRERY_RETURN_IF_ERROR(reader.Finish("step result"));
  if (verdict > static_cast<uint8_t>(Verdict::kInternal)) return Corrupt("step result: verdict {} is unknown", verdict);
  result.verdict = static_cast<Verdict>(verdict);
  return result;
}

Status SendFrame(int socket, std::string_view payload) {
  if (payload.size() > kMaxFrame)
    return InvalidInput("a message of {} bytes; {} are allowed", payload.size(), kMaxFrame);
  const auto size = static_cast<uint32_t>(payload.size());
  std::string frame(reinterpret_cast<const char*>(&size), sizeof(size));
  frame.append(payload);
  for (size_t done = 0; done < frame.size();) {
    const ssize_t sent = send(socket, frame.data() + done, frame.size() - done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return Failed("the other side's socket is gone ({})", std::strerror(errno));
    done += static_cast<size_t>(sent);
  }
  return absl::OkStatus();
}

namespace {

Status ReceiveExactly(int socket, char* to, size_t size, bool forever, Clock::time_point deadline) {
  while (size > 0) {
    int wait = -1;
    if (!forever) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return MakeStatus(absl::StatusCode::kDeadlineExceeded, "no whole message came in time");
      wait = static_cast<int>(std::min<int64_t>(left, 1 << 30));
    }
    pollfd ready{socket, POLLIN, 0};
    const int polled = poll(&ready, 1, wait);
    if (polled == 0 || (polled < 0 && errno == EINTR)) continue;
    const ssize_t got = recv(socket, to, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Failed("the other side closed its socket");
    to += got;
    size -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::string> ReceiveFrame(int socket, double seconds) {
  const bool forever = seconds < 0;
  const auto deadline = SecondsFromNow(forever ? 0 : seconds);
  uint32_t size = 0;
  ORRERY_RETURN_IF_ERROR(ReceiveExactly(socket, reinterpret_cast<char*>(&size), sizeof(size), forever, deadline));
  if (size > kMaxFrame) return Corrupt("a message claims {} bytes; {} are allowed", size, kMaxFrame);
  // Memory is taken as bytes come, whatever the length claims.
  constexpr size_t kPiece = size_t{1} << 16;
  std::string payload;
  while (payload.size() < size) {
    const size_t done = payload.size();
    payload.resize(std::min<size_t>(size, done + std::max(done, kPiece)));
    ORRERY_RETURN_IF_ERROR(ReceiveExactly(socket, payload.data() + done, payload.size() - done, forever, deadline));
  }
  return payload;
}

}  // namespace orrery::sandbox
