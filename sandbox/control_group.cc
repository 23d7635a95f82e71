// SPDX-License-Identifier: Apache-2.0
#include "sandbox/control_group.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

namespace orrery::sandbox {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kUnlimited = uint64_t{1} << 60;  // version 1 writes its "none" as a number near 2^63

// One controller's place: where its hierarchy is mounted, and the caller's own group in it.
struct Place {
  int version = 0;
  fs::path mount;
  std::string own;
};

struct Controller {
  const char* name;
  const char* limit[2];  // the limit's file in version 1 and 2
};
constexpr Controller kControllers[] = {{"memory", {"memory.limit_in_bytes", "memory.max"}},
                                       {"pids", {"pids.max", "pids.max"}}};

bool Lists(const std::string& list, const std::string& word, char separator) {
  std::istringstream words(list);
  for (std::string each; std::getline(words, each, separator);) {
    if (each == word) return true;
  }
  return false;
}

std::string Line(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// The mount point of version 2, or of a controller's hierarchy in version 1.
fs::path MountOf(int version, const std::string& controller) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string skipped, point, type, options;
    for (int i = 0; i < 4; ++i) words >> skipped;
    words >> point;
    while (words >> skipped && skipped != "-") {}
    words >> type >> skipped >> options;
    if (version == 2 ? type == "cgroup2" : type == "cgroup" && Lists(options, controller, ',')) return point;
  }
  return {};
}

// Version 1 where the controller has a hierarchy of its own, else version 2.
std::optional<Place> Find(const std::string& controller) {
  std::ifstream groups("/proc/self/cgroup");
  std::optional<Place> place;
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), own = line.substr(second + 1);
    if (Lists(controllers, controller, ',')) return Place{1, MountOf(1, controller), own};
    if (controllers.empty()) place = Place{2, MountOf(2, controller), own};
  }
  return place;
}

fs::path Join(const Place& place, const std::string& group) { return place.mount / fs::path(group).relative_path(); }

// The smallest limit of the caller's group and those above it.
uint64_t LimitAround(const Place& place, const Controller& controller) {
  uint64_t least = std::numeric_limits<uint64_t>::max();
  for (fs::path group = Join(place, place.own);; group = group.parent_path()) {
    const std::string text = Line(group / controller.limit[place.version - 1]);
    uint64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc())
      least = std::min(least, value);
    if (group == place.mount || !group.has_relative_path()) return least;
  }
}

// systemd marks a group that it leaves to a service or a user.
bool Delegated(const Place& place) {
  char value = 0;
  const fs::path group = Join(place, place.own);
  return place.version == 2 && ((getxattr(group.c_str(), "user.delegate", &value, 1) == 1 && value == '1') ||
                                (getxattr(group.c_str(), "trusted.delegate", &value, 1) == 1 && value == '1'));
}

std::string Amount(const Controller& controller, uint64_t limit) {
  const bool memory = std::strcmp(controller.name, "memory") == 0;
  return memory ? fmt::format("{} MiB", limit >> 20) : fmt::format("{} processes", limit);
}

Status Write(const fs::path& file, const std::string& text) {
  const Descriptor to(open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (to && write(to.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return absl::OkStatus();
  return InvalidInput("{}: '{}' cannot be written ({})", file.string(), text, std::strerror(errno));
}

std::string FreshName() {
  static std::atomic<int> count = 0;
  return fmt::format("orrery-sandbox-{}-{}", getpid(), count++);
}

}  // namespace

StatusOr<ControlGroup> ControlGroup::Make(const std::string& parent, const GroupLimits& limits) {
  ControlGroup made;
  for (const auto& controller : kControllers) {
    const auto place = Find(controller.name);
    const std::string name = std::string("cgroup ") + controller.name;
    if (!place || place->mount.empty()) {
      if (!parent.empty())
        return InvalidInput("sandbox.control_group: no control groups for {} are mounted", controller.name);
      made.guards_.push_back({name, false, "none mounted"});
      continue;
    }
    const bool memory = std::strcmp(controller.name, "memory") == 0;
    const uint64_t limit = memory ? limits.memory_bytes : limits.processes;
    if (!parent.empty() || Delegated(*place)) {
      const fs::path group = Join(*place, parent.empty() ? place->own : parent);
      const Status divided = made.Divide(group, place->version, controller.name, limit);
      if (!divided.ok() && !parent.empty()) return Annotate(divided, "sandbox.control_group");
      if (divided.ok()) {
        made.guards_.push_back(
            {name, true,
             fmt::format("version {}, a group of its own of {}", place->version, Amount(controller, limit))});
        continue;
      }
    }
    const uint64_t around = LimitAround(*place, controller);
    const std::string all = around < kUnlimited ? Amount(controller, around) + " with the caller" : "no limit";
    made.guards_.push_back(
        {name, around < kUnlimited, fmt::format("version {}, {}; not delegated", place->version, all)});
  }
  return made;
}

Status ControlGroup::Divide(const fs::path& parent, int version, const std::string& controller, uint64_t limit) {
  if (version == 2 && !Lists(Line(parent / "cgroup.subtree_control"), controller, ' ')) {
    ORRERY_RETURN_IF_ERROR(Write(parent / "cgroup.subtree_control", "+" + controller));
  }
  // In version 2 both controllers share one group.
  const bool known = version == 2 && !folders_.empty();
  const fs::path folder = known ? folders_.back() : parent / FreshName();
  std::error_code error;
  if (!known && !fs::create_directory(folder, error))
    return InvalidInput("{}: no group can be made in it ({})", parent.string(), error.message());
  if (!known) folders_.push_back(folder);
  const auto& names = controller == "memory" ? kControllers[0] : kControllers[1];
  ORRERY_RETURN_IF_ERROR(Write(folder / names.limit[version - 1], std::to_string(limit)));
  if (known) return absl::OkStatus();
  Descriptor entrance(open((folder / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!entrance) return InvalidInput("{}: cannot be entered ({})", folder.string(), std::strerror(errno));
  entrances_.push_back(std::move(entrance));
  return absl::OkStatus();
}

ControlGroup& ControlGroup::operator=(ControlGroup&& other) noexcept {
  std::swap(folders_, other.folders_);
  std::swap(entrances_, other.entrances_);
  std::swap(guards_, other.guards_);
  return *this;
}

ControlGroup::~ControlGroup() {
  entrances_.clear();
  for (const auto& folder : folders_) {
    // The last process may still be on its way out.
    for (int i = 0; i < 100 && rmdir(folder.c_str()) != 0 && errno == EBUSY; ++i) usleep(10'000);
  }
}

}  // namespace orrery::sandbox
