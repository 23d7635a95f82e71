// SPDX-License-Identifier: Apache-2.0
#include "sandbox/guards.h"

#include <fmt/format.h>
#include <sys/personality.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace orrery::sandbox {
namespace {

std::string Field(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) != 0) continue;
    const size_t start = line.find_first_not_of(" \t", name.size() + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

Guard Namespaces(const Setup& setup) {
  std::string own;
  std::istringstream names(NamespaceNames());
  for (std::string name; std::getline(names, name);) {
    if (setup.caller_namespaces.find(name) == std::string::npos)
      own += (own.empty() ? "" : " ") + name.substr(0, name.find(':'));
  }
  return {"namespaces", !own.empty(), own.empty() ? "the caller's" : own};
}

// The soft limits that the zygote hands down, as the kernel keeps them.
Guard Limits(const std::string& process) {
  const std::pair<const char*, const char*> kWanted[] = {
      {"Max address space", "address space"}, {"Max cpu time", "processor"},    {"Max processes", "processes"},
      {"Max file size", "file size"},         {"Max open files", "open files"}, {"Max core file size", "core"}};
  std::string all;
  std::ifstream file(process + "/limits");
  for (std::string line; std::getline(file, line);) {
    for (const auto& [title, name] : kWanted) {
      if (line.rfind(title, 0) != 0) continue;
      std::istringstream rest(line.substr(26));  // the table's first column
      std::string soft;
      rest >> soft;
      if (soft != "unlimited") all += fmt::format("{}{} {}", all.empty() ? "" : ", ", name, soft);
    }
  }
  return {"rlimits", !all.empty(), all.empty() ? "none" : all};
}

}  // namespace

std::vector<Guard> DescribeGuards(const Zygote& zygote, const Setup& setup) {
  const std::string process = "/proc/" + std::to_string(zygote.pid);
  const std::string status = process + "/status";
  std::vector<Guard> guards;
  guards.push_back({"walls", setup.walls,
                    setup.walls ? "bubblewrap; empty read-only root, uid 65534, no network"
                                : "asked for by sandbox.isolation=none"});
  guards.push_back(Namespaces(setup));
  const bool privileges = Field(status, "NoNewPrivs") == "1";
  guards.push_back({"no_new_privs", privileges, privileges ? "set" : "not set"});
  const std::string capabilities = Field(status, "CapEff");
  const bool dropped = capabilities.find_first_not_of('0') == std::string::npos;
  guards.push_back({"capabilities dropped", dropped, dropped ? "all" : capabilities + " are left"});
  const bool filtered = Field(status, "Seccomp") == "2";
  guards.push_back({"seccomp", filtered,
                    fmt::format("{} filters: forks by grant only, nothing new executable, no open",
                                Field(status, "Seccomp_filters"))});
  guards.push_back(
      {"landlock", zygote.landlock > 0,
       zygote.landlock > 0 ? fmt::format("version {}, no file and no port", zygote.landlock) : "the kernel has none"});
  guards.push_back(Limits(process));
  guards.push_back({"memory", true, fmt::format("{} MiB a step above the warm interpreter", setup.memory_bytes >> 20)});
  guards.push_back(
      {"deadline", true,
       fmt::format("{} s a step, {} s of processor", setup.wall_seconds, std::ceil(setup.wall_seconds) + 1)});
  guards.push_back({"output", true, fmt::format("{} bytes a step", setup.output_bytes)});
  guards.push_back(
      {"snapshots", true, fmt::format("at most {}, {} MiB", setup.snapshot_count, setup.snapshot_bytes >> 20)});
  guards.push_back({"packages", true, setup.imports.empty() ? "the standard library's" : setup.imports});
  std::string flags;
  std::ifstream(process + "/personality") >> flags;
  const bool fixed = (std::strtoul(flags.c_str(), nullptr, 16) & ADDR_NO_RANDOMIZE) != 0;
  guards.push_back({"fixed addresses", fixed, fixed ? "yes" : "sets of plain objects may vary in order"});
  return guards;
}

}  // namespace orrery::sandbox
