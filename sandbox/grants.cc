// SPDX-License-Identifier: Apache-2.0
#include "sandbox/grants.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace orrery::sandbox {

std::optional<Paused> Grants::Next() const {
  pollfd ready{listener_, POLLIN, 0};
  if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLIN) == 0) return std::nullopt;
  seccomp_notif call{};
  if (ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return std::nullopt;
  return Paused{call.id, static_cast<pid_t>(call.pid), call.data.args[2], static_cast<Pause>(call.data.args[3]),
                call.data.args[4]};
}

bool Grants::Give(const Paused& paused, int descriptor, int number) const {
  seccomp_notif_addfd add{};
  add.id = paused.id;
  add.flags = SECCOMP_ADDFD_FLAG_SETFD;
  add.srcfd = static_cast<uint32_t>(descriptor);
  add.newfd = static_cast<uint32_t>(number);
  return ioctl(listener_, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0;
}

bool Grants::Allow(const Paused& paused) const {
  seccomp_notif_resp answer{};
  answer.id = paused.id;
  answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  return ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0;
}

void Grants::Refuse(const Paused& paused) const {
  seccomp_notif_resp answer{};
  answer.id = paused.id;
  answer.error = -EPERM;
  ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

}  // namespace orrery::sandbox
