// SPDX-License-Identifier: Apache-2.0
#include "simulation/fit.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace orrery::simulation {
namespace {

using Json = nlohmann::json;

// One line of telemetry, as far as it is wanted here: sums since the campaign began, and what was alive.
struct Moment {
  double batches = 0, rows = 0, prompt_rows = 0, busy = 0, expansions = 0, tokens = 0;
  double steps = 0, step_seconds = 0, gradings = 0, grading_seconds = 0, commits = 0, commit_seconds = 0;
  double sandboxes = 0, graders = 0;
};

// Adds what sessions before counted.
void AddSums(const Moment& before, Moment* moment) {
  for (const auto sum : {&Moment::batches, &Moment::rows, &Moment::prompt_rows, &Moment::busy, &Moment::expansions,
                         &Moment::tokens, &Moment::steps, &Moment::step_seconds, &Moment::gradings,
                         &Moment::grading_seconds, &Moment::commits, &Moment::commit_seconds}) {
    moment->*sum += before.*sum;
  }
}

double Of(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found == line.end() || !found->is_number() ? 0 : found->get<double>();
}

Moment MomentOf(const Json& line) {
  return {.batches = Of(line, "orrery_batches_total"),
          .rows = Of(line, "orrery_batch_rows_total"),
          .prompt_rows = Of(line, "orrery_prompt_rows_total"),
          .busy = Of(line, "orrery_model_busy_seconds_total"),
          .expansions = Of(line, "orrery_expansions_total"),
          .tokens = Of(line, "orrery_model_tokens_total"),
          .steps = Of(line, "orrery_messages_processed_total{kind=\"sandbox\"}"),
          .step_seconds = Of(line, "orrery_busy_seconds_total{kind=\"sandbox\"}"),
          .gradings = Of(line, "orrery_messages_processed_total{kind=\"grader\"}"),
          .grading_seconds = Of(line, "orrery_busy_seconds_total{kind=\"grader\"}"),
          .commits = Of(line, "orrery_store_commits_total"),
          .commit_seconds = Of(line, "orrery_store_commit_seconds_total"),
          .sandboxes = Of(line, "orrery_actors_live{kind=\"sandbox\"}"),
          .graders = Of(line, "orrery_actors_live{kind=\"grader\"}")};
}

// Each session of a campaign counts from zero; a kill may leave half a line.
StatusOr<std::vector<Moment>> Moments(std::string_view telemetry) {
  std::vector<Moment> moments;
  Moment before;       // all of the sessions before this one
  double batches = 0;  // of this session
  size_t number = 0;
  while (!telemetry.empty()) {
    const size_t end = std::min(telemetry.find('\n'), telemetry.size());
    const std::string_view text = telemetry.substr(0, end);
    const Json line = Json::parse(text, nullptr, false);
    telemetry.remove_prefix(std::min(end + 1, telemetry.size()));
    ++number;
    if (line.is_discarded() && text.starts_with('{')) continue;
    if (!line.is_object()) return InvalidInput("telemetry.jsonl, line {}: expected a JSON object", number);
    Moment moment = MomentOf(line);
    if (moment.batches < batches) before = moments.back();
    batches = moment.batches;
    AddSums(before, &moment);
    moments.push_back(moment);
  }
  if (moments.empty() || moments.back().batches == 0)
    return InvalidInput("telemetry.jsonl: expected lines with orrery_batches_total above 0; found none");
  return moments;
}

// What lies between two moments that are far enough apart for whole batches to count.
struct Stretch {
  double batches, rows, busy;
};

std::vector<Stretch> Stretches(const std::vector<Moment>& moments) {
  constexpr double kBatches = 8;
  std::vector<Stretch> stretches;
  Moment from;
  for (const Moment& moment : moments) {
    if (moment.batches - from.batches < kBatches) continue;
    stretches.push_back({moment.batches - from.batches, moment.rows - from.rows, moment.busy - from.busy});
    from = moment;
  }
  return stretches;
}

// Least squares of busy = a · batches + b · rows, neither below 0; then scaled so that their sum is as measured.
DeviceCurve CurveOf(const std::vector<Stretch>& stretches, const Moment& all) {
  double bb = 0, br = 0, rr = 0, yb = 0, yr = 0;
  for (const Stretch& s : stretches) {
    const double weight = 1 / std::max(s.busy, 1e-9);  // as exact a part of a long stretch as of a short one
    bb += weight * s.batches * s.batches, br += weight * s.batches * s.rows, rr += weight * s.rows * s.rows;
    yb += weight * s.busy * s.batches, yr += weight * s.busy * s.rows;
  }
  const double determinant = bb * rr - br * br;
  DeviceCurve curve;
  if (determinant > 1e-9 * bb * rr) {
    curve.seconds_per_batch = (yb * rr - yr * br) / determinant;
    curve.seconds_per_row = (yr * bb - yb * br) / determinant;
  }
  if (curve.seconds_per_row <= 0) curve = {.seconds_per_batch = 1, .seconds_per_row = 0};
  if (curve.seconds_per_batch <= 0) curve = {.seconds_per_batch = 0, .seconds_per_row = 1};
  const double sum = curve.seconds_per_batch * all.batches + curve.seconds_per_row * all.rows;
  curve.seconds_per_batch *= all.busy / sum;
  curve.seconds_per_row *= all.busy / sum;
  return curve;
}

// Mean and spread of one request from sums over a second each: a sum of k has k times the variance.
template <class Count, class Seconds>
ServiceTime ServiceOf(const std::vector<Moment>& moments, Count count, Seconds seconds, double workers) {
  ServiceTime service;
  service.workers = std::max(1, static_cast<int>(workers));
  const double all = count(moments.back());
  if (all == 0) return service;
  service.mean = seconds(moments.back()) / all;
  double squares = 0, intervals = 0;
  for (size_t i = 1; i < moments.size(); ++i) {
    const double k = count(moments[i]) - count(moments[i - 1]);
    if (k <= 0) continue;
    const double off = seconds(moments[i]) - seconds(moments[i - 1]) - k * service.mean;
    squares += off * off / k;
    intervals += 1;
  }
  if (intervals > 0) service.deviation = std::sqrt(squares / intervals);
  return service;
}

StatusOr<Recorded> RecordedOf(std::string_view summary) {
  const Json json = Json::parse(summary, nullptr, false);
  if (!json.is_object()) return InvalidInput("summary.json: expected one JSON object");
  const auto count = [&](const char* key) { return static_cast<uint64_t>(Of(json, key)); };
  Recorded recorded{.problems = count("finished"),
                    .solved = count("solved"),
                    .rollouts = count("rollouts"),
                    .expansions = count("expansions"),
                    .samples = count("candidates"),
                    .tokens = count("tokens_generated"),
                    .steps = count("steps_executed")};
  if (recorded.problems == 0) return InvalidInput("summary.json: expected a campaign with finished problems");
  if (const auto model = json.find("model"); model != json.end() && model->is_string()) recorded.model = *model;
  const auto measured = json.find("measured");
  if (measured == json.end() || !measured->is_object()) return InvalidInput("summary.json: \"measured\" is not there");
  recorded.seconds = Of(*measured, "seconds");
  if (const auto cpu = measured->find("cpu"); cpu != measured->end() && cpu->is_string()) recorded.cpu = *cpu;
  return recorded;
}

}  // namespace

Status FitMachine(std::string_view telemetry, Profile* profile) {
  ORRERY_ASSIGN_OR_RETURN(const auto moments, Moments(telemetry));
  const Moment& last = moments.back();
  const DeviceCurve curve = CurveOf(Stretches(moments), last);
  profile->device.seconds_per_batch = curve.seconds_per_batch;
  profile->device.seconds_per_row = curve.seconds_per_row;
  profile->device.prompt_rows = last.expansions == 0 ? 0 : last.prompt_rows / last.expansions;
  profile->recorded.batches = static_cast<uint64_t>(last.batches);
  profile->recorded.rows = static_cast<uint64_t>(last.rows);
  double sandboxes = 1, graders = 1;
  for (const Moment& moment : moments)
    sandboxes = std::max(sandboxes, moment.sandboxes), graders = std::max(graders, moment.graders);
  profile->sandbox = ServiceOf(
      moments, [](const Moment& m) { return m.steps; }, [](const Moment& m) { return m.step_seconds; }, sandboxes);
  profile->grader = ServiceOf(
      moments, [](const Moment& m) { return m.gradings; }, [](const Moment& m) { return m.grading_seconds; }, graders);
  profile->journal = ServiceOf(
      moments, [](const Moment& m) { return m.commits; }, [](const Moment& m) { return m.commit_seconds; }, 1);
  return absl::OkStatus();
}

StatusOr<Profile> Fit(const FitInput& input) {
  Profile profile;
  ORRERY_ASSIGN_OR_RETURN(profile.recorded, RecordedOf(input.summary));
  profile.recorded.live_trees = input.live_trees;
  profile.rules = input.rules;
  profile.device.max_rows = input.max_rows;
  ORRERY_RETURN_IF_ERROR(FitPolicy(input, &profile));
  ORRERY_RETURN_IF_ERROR(FitMachine(input.telemetry, &profile));
  return profile;
}

}  // namespace orrery::simulation
