// SPDX-License-Identifier: Apache-2.0
#include "simulation/profile.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace orrery::simulation {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kFormat = 1;

// Six digits say more than any recording does.
double Rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double unit = std::pow(10, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * unit) / unit;
}

Json Written(const Quantiles& quantiles) {
  Json list = Json::array();
  for (const double value : quantiles.at) list.push_back(Rounded(value));
  return list;
}

Json Written(const Moves& moves) {
  Json json;
  for (size_t i = 0; i < kKinds; ++i) json[std::string(Name(static_cast<Kind>(i)))] = Rounded(moves.share[i]);
  json["common_validity"] = Rounded(moves.common_validity);
  json["common_kind"] = Rounded(moves.common_kind);
  json["common_text"] = Rounded(moves.common_text);
  return json;
}

Json Written(const std::array<Quantiles, kKinds>& by_kind) {
  Json json;
  for (size_t i = 0; i < kKinds; ++i) json[std::string(Name(static_cast<Kind>(i)))] = Written(by_kind[i]);
  return json;
}

Json Written(const Shape& shape) {
  Json depths = Json::array();
  for (const Moves& moves : shape.by_depth) depths.push_back(Written(moves));
  return {{"by_depth", depths},
          {"after_output", Written(shape.after_output)},
          {"tokens", Written(shape.tokens)},
          {"answer_tokens", Written(shape.answer_tokens)}};
}

Json Written(const ServiceTime& service) {
  return {{"mean", Rounded(service.mean)}, {"deviation", Rounded(service.deviation)}, {"workers", service.workers}};
}

Json Written(const Recorded& recorded) {
  return {{"problems", recorded.problems},
          {"solved", recorded.solved},
          {"rollouts", recorded.rollouts},
          {"expansions", recorded.expansions},
          {"samples", recorded.samples},
          {"tokens", recorded.tokens},
          {"steps", recorded.steps},
          {"batches", recorded.batches},
          {"rows", recorded.rows},
          {"seconds", recorded.seconds},
          {"live_trees", recorded.live_trees},
          {"model", recorded.model},
          {"cpu", recorded.cpu}};
}

// The rules that decide how many rollouts, samples and tokens there are.
Json Written(const search::Rules& rules) {
  return {{"rollouts", rules.rollouts},
          {"extra_rollouts_when_unsolved", rules.extra_rollouts_when_unsolved},
          {"further_rollouts_when_unsolved", rules.further_rollouts_when_unsolved},
          {"candidates", rules.candidates},
          {"resamples", rules.resamples},
          {"max_depth", rules.max_depth},
          {"max_step_tokens", rules.max_step_tokens},
          {"max_total_tokens", rules.max_total_tokens},
          {"wave", rules.wave},
          {"exploration", rules.exploration},
          {"unvisited", rules.unvisited == search::Unvisited::kZero ? "zero" : "infinite"},
          {"dead_end", rules.dead_end == search::DeadEndBackup::kItself ? "itself" : "path"}};
}

// Reads fields and keeps the first complaint, with the field's place.
class Reader {
 public:
  Reader(const Json& root, std::string_view file) : root_(root), file_(file) {}

  const Status& status() const { return status_; }

  const Json* At(const std::string& place) {
    const Json::json_pointer pointer(place);
    if (root_.contains(pointer)) return &root_.at(pointer);
    Complain(place, "a value", "none");
    return nullptr;
  }

  double Number(const std::string& place, double least, double most) {
    const Json* json = At(place);
    if (json == nullptr) return least;
    if (json->is_number()) {
      const double value = json->get<double>();
      if (value >= least && value <= most) return value;
    }
    Complain(place, fmt::format("a number from {} to {}", least, most), json->dump());
    return least;
  }

  std::string Text(const std::string& place) {
    const Json* json = At(place);
    if (json == nullptr) return "";
    if (json->is_string()) return json->get<std::string>();
    Complain(place, "a text", json->dump());
    return "";
  }

  size_t Length(const std::string& place, size_t least) {
    const Json* json = At(place);
    if (json == nullptr) return 0;
    if (json->is_array() && json->size() >= least) return json->size();
    Complain(place, fmt::format("a list of at least {}", least), json->dump().substr(0, 40));
    return 0;
  }

  Quantiles List(const std::string& place, double least, double most) {
    Quantiles quantiles;
    for (size_t i = 0, n = Length(place, 0); i < n; ++i) {
      quantiles.at.push_back(Number(fmt::format("{}/{}", place, i), least, most));
      if (i > 0 && quantiles.at[i] < quantiles.at[i - 1]) Complain(place, "values in ascending order", "others");
    }
    return quantiles;
  }

  void Complain(const std::string& place, std::string_view expected, std::string_view found) {
    if (status_.ok()) status_ = InvalidInput("{}: {}: expected {}, found {}", file_, place, expected, found);
  }

 private:
  const Json& root_;
  const std::string file_;
  Status status_;
};

constexpr double kMany = 1e15;

Moves ReadMoves(Reader& reader, const std::string& place) {
  Moves moves;
  double sum = 0;
  for (size_t i = 0; i < kKinds; ++i)
    sum += moves.share[i] = reader.Number(fmt::format("{}/{}", place, Name(static_cast<Kind>(i))), 0, 1);
  moves.common_validity = reader.Number(place + "/common_validity", 0, 1);
  moves.common_kind = reader.Number(place + "/common_kind", 0, 1);
  moves.common_text = reader.Number(place + "/common_text", 0, 1);
  if (std::abs(sum - 1) > 1e-3) reader.Complain(place, "shares that add up to 1", fmt::format("{}", sum));
  return moves;
}

std::array<Quantiles, kKinds> ReadByKind(Reader& reader, const std::string& place) {
  std::array<Quantiles, kKinds> lists;
  for (size_t i = 0; i < kKinds; ++i)
    lists[i] = reader.List(fmt::format("{}/{}", place, Name(static_cast<Kind>(i))), 0, kMany);
  return lists;
}

Shape ReadShape(Reader& reader, const std::string& place) {
  Shape shape;
  for (size_t i = 0, n = reader.Length(place + "/by_depth", 1); i < n; ++i)
    shape.by_depth.push_back(ReadMoves(reader, fmt::format("{}/by_depth/{}", place, i)));
  shape.after_output = ReadMoves(reader, place + "/after_output");
  shape.tokens = ReadByKind(reader, place + "/tokens");
  shape.answer_tokens = ReadByKind(reader, place + "/answer_tokens");
  return shape;
}

ServiceTime ReadService(Reader& reader, const std::string& place) {
  return {.mean = reader.Number(place + "/mean", 0, kMany),
          .deviation = reader.Number(place + "/deviation", 0, kMany),
          .workers = static_cast<int>(reader.Number(place + "/workers", 1, 1e6))};
}

Recorded ReadRecorded(Reader& reader) {
  const auto count = [&](const char* name) {
    return static_cast<uint64_t>(reader.Number(fmt::format("/recorded/{}", name), 0, kMany));
  };
  return {.problems = count("problems"),
          .solved = count("solved"),
          .rollouts = count("rollouts"),
          .expansions = count("expansions"),
          .samples = count("samples"),
          .tokens = count("tokens"),
          .steps = count("steps"),
          .batches = count("batches"),
          .rows = count("rows"),
          .seconds = reader.Number("/recorded/seconds", 0, kMany),
          .live_trees = count("live_trees"),
          .model = reader.Text("/recorded/model"),
          .cpu = reader.Text("/recorded/cpu")};
}

search::Rules ReadRules(Reader& reader) {
  const auto count = [&](const char* name, int least) {
    return static_cast<int>(reader.Number(fmt::format("/rules/{}", name), least, 1e6));
  };
  const auto word = [&](const char* name, std::string_view one, std::string_view other) {
    const std::string place = fmt::format("/rules/{}", name), found = reader.Text(place);
    if (found != one && found != other) reader.Complain(place, fmt::format("{} or {}", one, other), found);
    return found == other;
  };
  search::Rules rules;
  rules.rollouts = count("rollouts", 1);
  rules.extra_rollouts_when_unsolved = count("extra_rollouts_when_unsolved", 0);
  rules.further_rollouts_when_unsolved = count("further_rollouts_when_unsolved", 0);
  rules.candidates = count("candidates", 1);
  rules.resamples = count("resamples", 0);
  rules.max_depth = count("max_depth", 1);
  rules.max_step_tokens = count("max_step_tokens", 1);
  rules.max_total_tokens = count("max_total_tokens", 1);
  rules.wave = count("wave", 1);
  rules.exploration = reader.Number("/rules/exploration", 0, 1e6);
  if (word("unvisited", "infinite", "zero")) rules.unvisited = search::Unvisited::kZero;
  if (word("dead_end", "path", "itself")) rules.dead_end = search::DeadEndBackup::kItself;
  return rules;
}

}  // namespace

double Quantiles::Draw(double uniform) const {
  if (at.empty()) return 0;
  const double place = uniform * static_cast<double>(at.size() - 1);
  const auto below = std::min(static_cast<size_t>(place), at.size() - 1);
  const size_t above = std::min(below + 1, at.size() - 1);
  return at[below] + (place - static_cast<double>(below)) * (at[above] - at[below]);
}

double Quantiles::Mean() const {
  if (at.size() < 2) return Draw(0);
  const double inner = std::accumulate(at.begin() + 1, at.end() - 1, 0.0);
  return (inner + (at.front() + at.back()) / 2) / static_cast<double>(at.size() - 1);
}

Quantiles QuantilesOf(std::vector<double> values, size_t points) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const Quantiles all{std::move(values)};
  Quantiles kept;
  for (size_t i = 0; i < points; ++i)
    kept.at.push_back(all.Draw(static_cast<double>(i) / static_cast<double>(points - 1)));
  return kept;
}

std::string_view Name(Kind kind) {
  switch (kind) {
    case Kind::kLost: return "lost";
    case Kind::kFailed: return "failed";
    case Kind::kStep: return "step";
    case Kind::kFinal: return "final";
    case Kind::kAnswer: return "answer";
  }
  return "lost";
}

std::string ToJson(const Profile& profile) {
  Json shapes = Json::array(), levels = Json::object();
  for (const Shape& shape : profile.shapes) shapes.push_back(Written(shape));
  for (const auto& [level, success] : profile.success_by_level) levels[level] = Written(success);
  const Json json = {{"format", kFormat},
                     {"recorded", Written(profile.recorded)},
                     {"rules", Written(profile.rules)},
                     {"success", Written(profile.success)},
                     {"success_by_level", levels},
                     {"shapes", shapes},
                     {"faithful", Rounded(profile.faithful)},
                     {"lucky", Rounded(profile.lucky)},
                     {"output_tokens", Rounded(profile.output_tokens)},
                     {"bytes_per_token", Rounded(profile.bytes_per_token)},
                     {"device",
                      {{"seconds_per_batch", Rounded(profile.device.seconds_per_batch)},
                       {"seconds_per_row", Rounded(profile.device.seconds_per_row)},
                       {"max_rows", profile.device.max_rows},
                       {"prompt_rows", Rounded(profile.device.prompt_rows)}}},
                     {"sandbox", Written(profile.sandbox)},
                     {"grader", Written(profile.grader)},
                     {"journal", Written(profile.journal)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

StatusOr<Profile> ParseProfile(std::string_view text, std::string_view file) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return InvalidInput("{}: expected a profile as one JSON object", file);
  Reader reader(json, file);
  reader.Number("/format", kFormat, kFormat);
  Profile profile;
  profile.recorded = ReadRecorded(reader);
  profile.rules = ReadRules(reader);
  profile.success = reader.List("/success", 0, 1);
  if (const Json* levels = reader.At("/success_by_level"); levels != nullptr && levels->is_object()) {
    for (const auto& level : levels->items()) {
      const Json::json_pointer name = Json::json_pointer("/success_by_level") / level.key();
      profile.success_by_level[level.key()] = reader.List(name.to_string(), 0, 1);
    }
  }
  for (size_t i = 0, n = reader.Length("/shapes", 1); i < n; ++i)
    profile.shapes.push_back(ReadShape(reader, fmt::format("/shapes/{}", i)));
  profile.faithful = reader.Number("/faithful", 0, 1);
  profile.lucky = reader.Number("/lucky", 0, 1);
  profile.output_tokens = reader.Number("/output_tokens", 0, kMany);
  profile.bytes_per_token = reader.Number("/bytes_per_token", 0, kMany);
  profile.device = {.seconds_per_batch = reader.Number("/device/seconds_per_batch", 0, kMany),
                    .seconds_per_row = reader.Number("/device/seconds_per_row", 0, kMany),
                    .max_rows = static_cast<int>(reader.Number("/device/max_rows", 1, 1e9)),
                    .prompt_rows = reader.Number("/device/prompt_rows", 0, kMany)};
  profile.sandbox = ReadService(reader, "/sandbox");
  profile.grader = ReadService(reader, "/grader");
  profile.journal = ReadService(reader, "/journal");
  if (!reader.status().ok()) return reader.status();
  return profile;
}

}  // namespace orrery::simulation
