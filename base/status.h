// SPDX-License-Identifier: Apache-2.0
#pragma once

// Errors as values: every function that can fail returns a Status or a StatusOr<T>; exceptions do not cross folders or
// actors.
//
// The code of a Status decides the exit code of a program (ExitCode): bad usage, configuration or input is 2, all else
// is 1.

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

namespace orrery {

using absl::Status;
using absl::StatusOr;

// A Status whose message is a std::string; absl's own constructors take absl::string_view, which is not
// std::string_view here.
template <class... Args>
Status MakeStatus(absl::StatusCode code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}

// What the caller handed in is wrong: a file's content, a flag, a configuration key. Name file, line or field and what
// was expected.
template <class... Args>
Status InvalidInput(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

// Something named by the caller does not exist.
template <class... Args>
Status NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kNotFound, format, std::forward<Args>(args)...);
}

// The machine lacks what is needed (memory, isolation, a package): the message names the remedy.
template <class... Args>
Status Unavailable(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kUnavailable, format, std::forward<Args>(args)...);
}

// Failed while running: an I/O error, a worker that died.
template <class... Args>
Status Failed(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kInternal, format, std::forward<Args>(args)...);
}

// A write failed with `error` (errno): that no space is left has a code of its own.
inline absl::StatusCode CodeOfWriteError(int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal;
}

// Bytes that should be ours are not as they were written.
template <class... Args>
Status Corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kDataLoss, format, std::forward<Args>(args)...);
}

inline std::string Message(const Status& status) { return std::string(status.message()); }

// The same status with `context: ` before its message.
inline Status Annotate(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  return Status(status.code(), fmt::format("{}: {}", context, Message(status)));
}

// 0 done, 2 bad usage, configuration or input, 1 failed while running.
inline int ExitCode(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return 0;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition: return 2;
    default: return 1;
  }
}

}  // namespace orrery

#define ORRERY_CONCAT_(a, b) a##b
#define ORRERY_CONCAT(a, b) ORRERY_CONCAT_(a, b)

// Returns from the enclosing function if `expr` (a Status) is an error.
#define ORRERY_RETURN_IF_ERROR(expr)                                                           \
  do {                                                                                         \
    if (::orrery::Status orrery_status_ = (expr); !orrery_status_.ok()) return orrery_status_; \
  } while (false)

// Declares or assigns `lhs` from the StatusOr `expr`, or returns its error.
#define ORRERY_ASSIGN_OR_RETURN(lhs, expr) ORRERY_ASSIGN_OR_RETURN_(ORRERY_CONCAT(orrery_or_, __LINE__), lhs, expr)
#define ORRERY_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return tmp.status();            \
  lhs = std::move(tmp).value()
