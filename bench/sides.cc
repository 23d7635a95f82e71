// SPDX-License-Identifier: Apache-2.0
#include "bench/sides.h"

#include <algorithm>

#include "base/paths.h"
#include "bench/figure.h"
#include "bench/replay.h"
#include "model/registry/registry.h"

namespace orrery::bench {
namespace {

constexpr int kSaltsOfAWorkload = 1000;

// The weights with which a peer works in our precision. OpenVINO GenAI reads no bfloat16 file: it has the same 16 bits
// as float16, and multiplies in bfloat16 as it is told to.
std::string EqualWeights(const std::string& peer, const std::string& precision) {
  if (precision == "float32") return "f32";
  if (precision == "int8") return "q8_0";
  return peer == "openvino-genai" ? "f16" : "bf16";
}

// Those of PEER.KEY=VALUE that are this peer's, without its name.
std::vector<std::string> SettingsOf(const std::string& peer, const std::vector<std::string>& settings) {
  std::vector<std::string> own;
  for (const std::string& each : settings) {
    if (each.starts_with(peer + ".")) own.push_back(each.substr(peer.size() + 1));
  }
  return own;
}

}  // namespace

model::Precision PrecisionOf(const std::string& precision) {
  if (precision == "float32") return model::Precision::kFloat32;
  return precision == "int8" ? model::Precision::kInt8 : model::Precision::kBfloat16;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void AddModelOptions(CLI::App& app, SideOptions& options) {
  app.add_option("--model", options.model, "name or path")->capture_default_str();
  app.add_option("--precision", options.precision)
      ->check(CLI::IsMember({"bfloat16", "float32", "int8"}))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "ours and each peer's")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--repeats", options.repeats, "of each case; the median is told")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_flag("--json", options.json, "one JSON object a line");
}

void AddOptions(CLI::App& app, SideOptions& options) {
  AddModelOptions(app, options);
  app.add_flag("--peers", options.peers, "llama.cpp and OpenVINO GenAI too, on the same work, in turn with ours");
  app.add_option("--python", options.python,
                 "a Python that has bench/peers/requirements.txt; default: <cache>/peers/bin/python3");
  app.add_option("--peer", options.peer_names, "which of them")->check(CLI::IsMember(PeerNames()));
  app.add_option(
         "--peer-weights", options.peer_weights,
         "their weights; equal: bf16 (openvino-genai: f16) beside bfloat16, q8_0 beside int8, f32 beside float32; "
         "file: as they are")
      ->check(CLI::IsMember({"equal", "file", "f32", "bf16", "f16", "q8_0", "q4_0"}))
      ->capture_default_str();
  app.add_option("--peer-set", options.peer_settings,
                 "PEER.KEY=VALUE in place of a setting found best; see bench/peers");
}

ProductType TypeOf(const std::string& precision) {
  return {.type = precision == "float32" ? kernels::Type::kFloat32 : kernels::Type::kBfloat16,
          .weights = precision == "int8" ? kernels::WeightType::kInt8 : kernels::WeightType::kSame};
}

StatusOr<model::ModelShape> ShapeOfModel(const std::string& model) {
  ORRERY_ASSIGN_OR_RETURN(const model::Registry registry, model::Registry::Load());
  ORRERY_ASSIGN_OR_RETURN(const auto path, LocateModel(registry, model));
  ORRERY_ASSIGN_OR_RETURN(const auto source, model::ModelSource::Open(path));
  return source->Shape();
}

StatusOr<std::unique_ptr<Sides>> Sides::Start(const SideOptions& options) {
  std::unique_ptr<Sides> sides(new Sides(options));
  ORRERY_ASSIGN_OR_RETURN(const model::Registry registry, model::Registry::Load());
  ORRERY_ASSIGN_OR_RETURN(const auto path, LocateModel(registry, options.model));
  ORRERY_ASSIGN_OR_RETURN(sides->source_, model::ModelSource::Open(path));
  ORRERY_ASSIGN_OR_RETURN(sides->shape_, sides->source_->Shape());
  sides->type_ = TypeOf(options.precision);
  sides->roofline_ = MeasureRoofline(sides->type_, options.threads);
  const std::string conditions = fmt::format("{}, {} threads", options.precision, options.threads);
  Print({"roofline", "products", sides->roofline_.flops_per_second * 1e-9, "GFLOP/s", conditions, {}}, options.json);
  Print({"roofline", "memory", sides->roofline_.bytes_per_second * 1e-9, "GB/s", conditions, {}}, options.json);
  model::EngineOptions engine;
  engine.threads = options.threads;
  engine.precision = PrecisionOf(options.precision);
  ORRERY_ASSIGN_OR_RETURN(sides->engine_, model::Engine::Load(path, engine));
  if (options.peers) ORRERY_RETURN_IF_ERROR(sides->StartPeers(path));
  return sides;
}

Status Sides::StartPeers(const std::filesystem::path& path) {
  // A bare name is looked up in PATH.
  const bool bare = options_.python.find('/') == std::string::npos;
  const std::filesystem::path python = options_.python.empty() ? CacheFolder() / "peers/bin/python3"
                                       : bare                  ? std::filesystem::path(options_.python)
                                                               : CallerPath(options_.python);
  for (const std::string& setting : options_.peer_settings) {
    const bool known = std::any_of(PeerNames().begin(), PeerNames().end(),
                                   [&](const std::string& name) { return setting.starts_with(name + "."); });
    if (!known) return InvalidInput("--peer-set {}: PEER.KEY=VALUE was expected", setting);
  }
  for (const std::string& asked : options_.peer_weights) {
    for (const std::string& name : options_.peer_names) {
      const std::string weights = asked == "equal" ? EqualWeights(name, options_.precision) : asked;
      ORRERY_ASSIGN_OR_RETURN(const auto file, PeerWeights(python, path, weights));
      ORRERY_ASSIGN_OR_RETURN(auto process, Peer::Start({.name = name,
                                                         .python = python,
                                                         .model = file,
                                                         .threads = options_.threads,
                                                         .float32 = options_.precision == "float32",
                                                         .settings = SettingsOf(name, options_.peer_settings)}));
      peers_.push_back({.peer = name, .weights = weights, .process = std::move(process)});
    }
  }
  return absl::OkStatus();
}

StatusOr<Workload> Sides::Make_(const std::string& name, const Make& make) {
  ORRERY_ASSIGN_OR_RETURN(Workload workload, make(WorkMaker{&engine_->tokenizer(), salt_}));
  salt_ += kSaltsOfAWorkload;
  workload.name = name;
  return workload;
}

Status Sides::Round(const Workload& workload, Rate rate, bool counts) {
  const auto of = [rate](const auto& work) {
    return static_cast<double>(rate == Rate::kNewTokens ? work.new_tokens : work.prompt_tokens) / work.seconds;
  };
  double least = 0;  // seconds that the products of our batches take at the roofline
  const auto played = Replay(*engine_, workload, seed_++, [&](uint64_t rows, uint64_t sampled) {
    least += BatchSeconds(shape_, static_cast<double>(rows), static_cast<double>(sampled), roofline_, type_);
  });
  ORRERY_RETURN_IF_ERROR(played.status());
  if (counts) {
    rates_.push_back(of(*played));
    shares_.push_back(100 * least / played->seconds);
    rows_.push_back(static_cast<double>(played->rows) / static_cast<double>(std::max<uint64_t>(1, played->batches)));
  }
  for (Side& side : peers_) {
    ORRERY_ASSIGN_OR_RETURN(const PeerAnswer answer, side.process->Run(workload));
    if (counts) side.rates.push_back(of(answer));
    side.settings = answer.settings;
  }
  return absl::OkStatus();
}

void Sides::Report(const std::string& name, Rate rate, const std::string& work) {
  const std::string conditions =
      fmt::format("{}, {}, {} threads, {}", options_.model, options_.precision, options_.threads, work);
  const std::string metric = rate == Rate::kNewTokens ? "new_tokens" : "prompt_tokens";
  const double ours = Median(rates_);
  Print({name, metric, ours, "tokens/s", conditions, {}}, options_.json);
  Print({name, "roofline_share", Median(shares_), "%", conditions, {}}, options_.json);
  Print({name, "batch_rows", Median(rows_), "rows", conditions, {}}, options_.json);
  for (const Side& side : peers_) {
    Print({name, metric, ours, "tokens/s",
           fmt::format("{}; {} {}, weights {}, settings {}", conditions, side.peer, side.process->version(),
                       side.weights, side.settings),
           PeerFigure{side.peer, Median(side.rates)}},
          options_.json);
  }
}

Status Sides::Measure(const std::string& name, Rate rate, const Make& make) {
  constexpr int kWarmUpTokens = 4;
  ORRERY_ASSIGN_OR_RETURN(const Workload first, Make_(name, make));
  ORRERY_RETURN_IF_ERROR(Round(Shortened(first, kWarmUpTokens), rate, false));
  rates_.clear(), shares_.clear(), rows_.clear();
  for (Side& side : peers_) side.rates.clear();
  for (int repeat = 0; repeat < options_.repeats; ++repeat) {
    ORRERY_ASSIGN_OR_RETURN(const Workload workload, Make_(name, make));
    ORRERY_RETURN_IF_ERROR(Round(workload, rate, true));
  }
  Report(name, rate, first.conditions);
  return absl::OkStatus();
}

}  // namespace orrery::bench
