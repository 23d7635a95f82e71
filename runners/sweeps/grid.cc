// SPDX-License-Identifier: Apache-2.0
#include "runners/sweeps/grid.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "base/digest.h"
#include "base/paths.h"
#include "runners/common/settings.h"
#include "schema/sweep_keys.h"

namespace orrery::runners {
namespace {

using schema::JsonMember;
using schema::JsonValue;

constexpr std::string_view kSection = "sweep";
constexpr std::string_view kGrid = "grid";

// What the sweep's own section says, each key with its place.
struct Own {
  std::string seeds, baseline;
  uint32_t parallel = 1;
  std::string seeds_at = "sweep.seeds", baseline_at = "sweep.baseline";
};

Status NotASweepKey(std::string_view place, std::string_view name) {
  std::string known;
  for (const auto& key : schema::SweepKeys().sections.front().keys)
    known += (known.empty() ? "" : ", ") + key.name.substr(kSection.size() + 1);
  return InvalidInput("{}: expected a key of the section sweep ({}), found {}", place, known,
                      schema::DescribeText(name));
}

// `name` is the whole key, "sweep.seeds".
Status Take(std::string_view place, const std::string& name, const JsonValue& value, Own* own) {
  const schema::ConfigKey* key = schema::SweepKeys().Find(name);
  if (key == nullptr) return NotASweepKey(place, name.substr(std::min(name.size(), kSection.size() + 1)));
  const auto canonical = schema::Canonical(*key, value);
  if (!canonical) {
    return InvalidInput("{}: {}: expected {}, found {}", place, name, schema::Expected(*key), schema::Describe(value));
  }
  const std::string at = fmt::format("{}: {}", place, name);
  if (name == "sweep.seeds") {
    own->seeds = value.text;
    own->seeds_at = at;
  } else if (name == "sweep.baseline") {
    own->baseline = value.text;
    own->baseline_at = at;
  } else {
    own->parallel = static_cast<uint32_t>(std::stoul(value.text));
  }
  return absl::OkStatus();
}

// The schema's own defaults.
Own Defaults() {
  Own own;
  for (const auto& key : schema::SweepKeys().sections.front().keys) {
    const auto value = schema::ReadJson(*key.standard, "sweep.fbs");
    if (value.ok()) Take("sweep.fbs", key.name, *value, &own).IgnoreError();
  }
  return own;
}

// A setting as --set gives it, as the JSON that a file would hold.
JsonValue JsonOf(const schema::KeyValue& setting) {
  const schema::ConfigKey* key = schema::SweepKeys().Find(setting.key);
  JsonValue value;
  value.kind = JsonValue::Kind::kString;
  value.text = setting.value;
  if (key == nullptr || key->type == schema::KeyType::kString) return value;
  auto read = schema::ReadJson(setting.value, "");
  return read.ok() ? *std::move(read) : value;
}

// What each cell has of its own, or what is no campaign's, cannot be an axis.
Status CheckAxis(const std::string& place, const std::string& name) {
  static const std::map<std::string, std::string, std::less<>> own = {
      {"run.seed", "the seeds are sweep.seeds"},
      {"run.out", "each cell has a folder of its own"},
      {"run.metrics_port", "the cells share one process"}};
  if (const auto found = own.find(name); found != own.end())
    return InvalidInput("{}: expected a key that a grid can have, found \"{}\": {}", place, name, found->second);
  const schema::KeyMark mark = schema::Keys().Find(name)->mark;
  const bool campaign = mark != schema::KeyMark::kTraining && mark != schema::KeyMark::kPlan;
  if (campaign && !name.starts_with("serve.")) return absl::OkStatus();
  return InvalidInput("{}: expected a key that a campaign reads, found \"{}\"", place, name);
}

StatusOr<Axis> ReadAxis(std::string_view file, const JsonMember& member) {
  const std::string place = fmt::format("{}:{}", file, member.line);
  if (schema::Keys().Find(member.key) == nullptr) return schema::CheckValue(place, member.key, member.value);
  ORRERY_RETURN_IF_ERROR(CheckAxis(place, member.key));
  if (member.value.kind != JsonValue::Kind::kArray || member.value.elements.empty()) {
    return InvalidInput("{}: grid: {}: expected a list of values, found {}", place, member.key,
                        member.value.elements.empty() && member.value.kind == JsonValue::Kind::kArray
                            ? "an empty one"
                            : schema::Describe(member.value));
  }
  Axis axis{.key = member.key, .label = member.key.substr(member.key.rfind('.') + 1)};
  for (const JsonValue& value : member.value.elements) {
    const std::string at = fmt::format("{}:{}", file, value.line);
    ORRERY_RETURN_IF_ERROR(schema::CheckValue(at, member.key, value));
    const std::string text = value.kind == JsonValue::Kind::kString
                                 ? value.text
                                 : *schema::Canonical(*schema::Keys().Find(member.key), value);
    if (std::ranges::find(axis.values, text) != axis.values.end())
      return InvalidInput("{}: grid: {}: expected each value once, found {} again", at, member.key,
                          schema::Describe(value));
    axis.values.push_back(text);
  }
  return axis;
}

StatusOr<std::vector<Axis>> ReadAxes(std::string_view file, const JsonValue& grid) {
  if (grid.kind != JsonValue::Kind::kObject)
    return InvalidInput("{}:{}: grid: expected an object in braces, found {}", file, grid.line, schema::Describe(grid));
  std::vector<Axis> axes;
  for (const JsonMember& member : grid.members) {
    ORRERY_ASSIGN_OR_RETURN(Axis axis, ReadAxis(file, member));
    for (const Axis& other : axes) {
      if (other.key == axis.key)
        return InvalidInput("{}:{}: grid: expected each key once, found \"{}\" again", file, member.line, axis.key);
    }
    axes.push_back(std::move(axis));
  }
  std::map<std::string, int> labels;
  for (const Axis& axis : axes) ++labels[axis.label];
  for (Axis& axis : axes) {
    if (labels[axis.label] > 1) axis.label = axis.key;
  }
  return axes;
}

// A file without its two sections that are no configuration.
StatusOr<schema::ReadConfig> ReadFileOf(const std::filesystem::path& path, Own* own, std::vector<Axis>* axes) {
  ORRERY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  schema::ReadConfig config{.name = path.string()};
  ORRERY_ASSIGN_OR_RETURN(config.root, schema::ReadJson(text, config.name));
  std::map<std::string_view, int> seen;
  std::vector<JsonMember> left;
  for (JsonMember& member : config.root.members) {
    if (member.key != kSection && member.key != kGrid) {
      left.push_back(std::move(member));
      continue;
    }
    const std::string_view section = member.key == kGrid ? kGrid : kSection;
    if (const auto [first, added] = seen.try_emplace(section, member.line); !added) {
      return InvalidInput("{}:{}: expected each key once, found \"{}\" again (first in line {})", config.name,
                          member.line, section, first->second);
    }
    if (section == kGrid) {
      ORRERY_ASSIGN_OR_RETURN(*axes, ReadAxes(config.name, member.value));
      continue;
    }
    if (member.value.kind != JsonValue::Kind::kObject)
      return InvalidInput("{}:{}: sweep: expected an object in braces, found {}", config.name, member.value.line,
                          schema::Describe(member.value));
    for (const JsonMember& leaf : member.value.members) {
      ORRERY_RETURN_IF_ERROR(Take(fmt::format("{}:{}", config.name, leaf.line), "sweep." + leaf.key, leaf.value, own));
    }
  }
  config.root.members = std::move(left);
  return config;
}

// A text that can be part of a file's name, other texts giving other names.
std::string FileName(const std::string& text) {
  constexpr size_t kLongest = 120;
  std::string name;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("._=,+-").find(c) != std::string_view::npos;
    name += plain ? c : '_';
  }
  if (name == text && name.size() <= kLongest) return name;
  return name.substr(0, kLongest) + "," + Sha256Hex(text).substr(0, 8);
}

std::string NameOf(const std::vector<Axis>& axes, const std::vector<std::string>& values) {
  std::string name;
  for (size_t i = 0; i < axes.size(); ++i) name += fmt::format("{}{}={}", i == 0 ? "" : ",", axes[i].label, values[i]);
  return name.empty() ? "all" : name;
}

// Points and cells of the axes.
Status Expand(Sweep* sweep) {
  size_t count = sweep->seeds.size();
  for (const Axis& axis : sweep->axes) {
    count *= axis.values.size();
    if (count > kMostCells)
      return InvalidInput("grid: expected at most {} cells, found more: fewer values or seeds", kMostCells);
  }
  std::vector<size_t> at(sweep->axes.size(), 0);
  for (bool more = true; more;) {
    Point point;
    for (size_t i = 0; i < at.size(); ++i) point.values.push_back(sweep->axes[i].values[at[i]]);
    point.name = NameOf(sweep->axes, point.values);
    for (const uint64_t seed : sweep->seeds) {
      sweep->cells.push_back(
          {.point = sweep->points.size(), .seed = seed, .name = fmt::format("{},seed={}", FileName(point.name), seed)});
    }
    sweep->points.push_back(std::move(point));
    more = false;
    for (size_t i = at.size(); i-- > 0 && !more;) {
      more = ++at[i] < sweep->axes[i].values.size();
      if (!more) at[i] = 0;
    }
  }
  return absl::OkStatus();
}

StatusOr<size_t> FindBaseline(const Sweep& sweep, const Own& own) {
  std::vector<std::string> values;
  for (const Axis& axis : sweep.axes) values.push_back(axis.values.front());
  for (const std::string& part : ListOf(own.baseline)) {
    ORRERY_ASSIGN_OR_RETURN(const auto setting, schema::ParseKeyValue(part, own.baseline_at));
    const auto axis = std::ranges::find(sweep.axes, setting.key, &Axis::key);
    if (axis == sweep.axes.end())
      return InvalidInput("{}: expected a key of the grid, found \"{}\"", own.baseline_at, setting.key);
    if (std::ranges::find(axis->values, setting.value) == axis->values.end())
      return InvalidInput("{}: expected a value that the grid has of {}, found \"{}\"", own.baseline_at, setting.key,
                          setting.value);
    values[static_cast<size_t>(axis - sweep.axes.begin())] = setting.value;
  }
  return static_cast<size_t>(std::ranges::find(sweep.points, values, &Point::values) - sweep.points.begin());
}

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

StatusOr<std::vector<uint64_t>> ParseSeeds(const std::string& text) {
  std::vector<uint64_t> seeds;
  std::set<uint64_t> seen;
  for (const std::string& part : ListOf(text)) {
    const size_t dash = part.find('-');
    const auto first = Number(part.substr(0, dash));
    const auto last = dash == std::string::npos ? first : Number(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last - *first >= kMostCells)
      return InvalidInput("expected numbers and ranges such as 1-3, parted by commas, found \"{}\"", part);
    for (uint64_t seed = *first; seed - *first <= *last - *first; ++seed) {
      if (!seen.insert(seed).second) return InvalidInput("expected each seed once, found {} again", seed);
      seeds.push_back(seed);
    }
  }
  if (seeds.empty()) return InvalidInput("expected numbers and ranges such as 1-3, parted by commas, found none");
  return seeds;
}

StatusOr<Sweep> ReadSweep(const schema::ConfigSource& source) {
  Sweep sweep;
  Own own = Defaults();
  std::vector<schema::ReadConfig> files;
  for (const auto& path : source.files) {
    ORRERY_ASSIGN_OR_RETURN(auto file, ReadFileOf(path, &own, &sweep.axes));
    files.push_back(std::move(file));
  }
  std::vector<schema::KeyValue> settings;
  for (const schema::KeyValue& setting : source.settings) {
    if (!setting.key.starts_with("sweep.")) {
      settings.push_back(setting);
      continue;
    }
    ORRERY_RETURN_IF_ERROR(Take(setting.origin, setting.key, JsonOf(setting), &own));
  }
  ORRERY_ASSIGN_OR_RETURN(sweep.base, schema::ResolveConfig(files, settings));
  auto seeds = ParseSeeds(own.seeds);
  if (!seeds.ok()) return Annotate(seeds.status(), own.seeds_at);
  sweep.seeds = *std::move(seeds);
  sweep.parallel = own.parallel;
  ORRERY_RETURN_IF_ERROR(Expand(&sweep));
  ORRERY_ASSIGN_OR_RETURN(sweep.baseline, FindBaseline(sweep, own));
  return sweep;
}

StatusOr<schema::ResolvedConfig> ConfigOf(const Sweep& sweep, const Cell& cell) {
  const std::string place = "cell " + cell.name;
  std::vector<schema::KeyValue> settings;
  const Point& point = sweep.points[cell.point];
  for (size_t i = 0; i < sweep.axes.size(); ++i) settings.push_back({sweep.axes[i].key, point.values[i], place});
  settings.push_back({"run.seed", std::to_string(cell.seed), place});
  settings.push_back({"run.out", (CallerPath(sweep.base->run()->out()->str()) / "cells" / cell.name).string(), place});
  settings.push_back({"run.metrics_port", "0", place});
  const bool own = std::ranges::find(sweep.axes, "sandbox.processes", &Axis::key) != sweep.axes.end();
  if (sweep.parallel > 1 && !own && sweep.base->sandbox()->processes() == 0) {
    // One interpreter for each core, of all cells together.
    const int share = std::max(1, Threads(0) / static_cast<int>(sweep.parallel));
    settings.push_back({"sandbox.processes", std::to_string(share), place});
  }
  return schema::ParseConfig(sweep.base.json(), place, settings);
}

std::string Sweep::Record() const {
  std::string seed_list, base_list, grid;
  for (const uint64_t seed : seeds) seed_list += fmt::format("{}{}", seed_list.empty() ? "" : ",", seed);
  for (size_t i = 0; i < axes.size(); ++i)
    base_list += fmt::format("{}{}={}", i == 0 ? "" : ",", axes[i].key, points[baseline].values[i]);
  for (const Axis& axis : axes) {
    const schema::ConfigKey& key = *schema::Keys().Find(axis.key);
    const bool quoted = key.type == schema::KeyType::kString || key.type == schema::KeyType::kEnum;
    std::string values;
    for (const std::string& value : axis.values)
      values += (values.empty() ? "" : ", ") + (quoted ? schema::QuoteJson(value) : value);
    grid += fmt::format("{}\n    {}: [{}]", grid.empty() ? "" : ",", schema::QuoteJson(axis.key), values);
  }
  return fmt::format(
      "{{\n  \"sweep\": {{\n    \"seeds\": {},\n    \"baseline\": {},\n    \"parallel\": {}\n  }},\n  \"grid\": {{{}\n "
      " "
      "}},{}",
      schema::QuoteJson(seed_list), schema::QuoteJson(base_list), parallel, grid, base.json().substr(1));
}

}  // namespace orrery::runners
