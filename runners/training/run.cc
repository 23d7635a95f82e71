// SPDX-License-Identifier: Apache-2.0
#include "runners/training/run.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/clock.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/paths.h"
#include "model/registry/registry.h"
#include "model/source/hf_export.h"
#include "model/source/model_source.h"
#include "model/training/adapter_export.h"
#include "model/training/checkpoint.h"
#include "model/training/trainer.h"
#include "reasoning/step.h"
#include "runners/common/settings.h"
#include "runners/common/stop.h"
#include "runners/training/data.h"
#include "runners/training/model_card.h"
#include "runners/training/objectives.h"
#include "runners/training/report.h"

namespace orrery::runners {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kMarked = "marked";  // of the output folder: the model with the markers as tokens, to be trained

class Training {
 public:
  static StatusOr<std::unique_ptr<Training>> Create(const schema::ResolvedConfig& config, bool quiet) {
    std::unique_ptr<Training> training(new Training(config, quiet));
    ORRERY_RETURN_IF_ERROR(training->Prepare());
    return training;
  }

  StatusOr<Ended> Run() {
    if (Done()) {
      std::error_code error;
      fs::remove_all(out_ / kMarked, error);
      fmt::print("{} is finished: {}\n", out_.string(), (out_ / "model").string());
      return Ended{};
    }
    ORRERY_RETURN_IF_ERROR(Resume());
    const auto begin = Clock::now();
    const double most = 3600 * config_->run()->max_hours();
    auto saved = begin;
    while (!trainer_->Done() && !Settled()) {
      const bool spent = most > 0 && SecondsSince(begin) >= most;
      if (StopRequested() || spent) {
        ORRERY_RETURN_IF_ERROR(Save());
        fmt::print(stderr, "\nstopped{} at step {}; run the same command again to go on ({})\n",
                   spent ? " by run.max_hours" : "", trainer_->step(), out_.string());
        return Ended{spent ? 0 : 130, false};
      }
      ORRERY_RETURN_IF_ERROR(Step());
      const bool epoch = trainer_->step() % trainer_->steps_per_epoch() == 0;
      if (epoch) ORRERY_RETURN_IF_ERROR(EndEpoch());
      if (epoch || SecondsSince(saved) >= 60 * config_->train()->save_minutes()) {
        ORRERY_RETURN_IF_ERROR(Save());
        saved = Clock::now();
      }
    }
    return Finish();
  }

 private:
  Training(const schema::ResolvedConfig& config, bool quiet)
      : config_(config),
        quiet_(quiet),
        out_(CallerPath(config->run()->out()->str())),
        backend_(kernels::Backend::Create(kernels::HostIsa(),
                                          config->model()->precision() == schema::WeightPrecision::float32
                                              ? kernels::Type::kFloat32
                                              : kernels::Type::kBfloat16)),
        pool_(Threads(config->run()->threads())),
        ops_(kernels::TrainingOps::Create(*backend_, pool_)) {}

  Status Prepare() {
    ORRERY_RETURN_IF_ERROR(CheckTraining(*config_));
    if (config_->model()->device() != schema::DeviceKind::cpu)
      spdlog::warn("model.device={} is of searches; trainings run on the processor",
                   schema::EnumNameDeviceKind(config_->model()->device()));
    ORRERY_ASSIGN_OR_RETURN(const auto registry, model::Registry::Load());
    ORRERY_ASSIGN_OR_RETURN(model_, model::LocateModel(registry, config_->model()->name()->string_view(),
                                                       model::FetchOptions{.progress = !quiet_}));
    std::error_code error;
    fs::create_directories(out_, error);
    if (error || access(out_.c_str(), W_OK) != 0)
      return InvalidInput("{}: the output folder is not writable", out_.string());
    ORRERY_ASSIGN_OR_RETURN(start_, Start());
    ORRERY_ASSIGN_OR_RETURN(const auto source, model::ModelSource::Open(start_));
    ORRERY_ASSIGN_OR_RETURN(const auto tokenizer, source->ReadTokenizer());
    ORRERY_ASSIGN_OR_RETURN(model::ModelShape shape, source->Shape());
    const bool shared = config_->train()->share_prefixes() && shape.window == 0;
    ORRERY_ASSIGN_OR_RETURN(data_, LoadTrainingData(*config_->train(), config_->run()->seed(), *tokenizer, shared));
    shape.score_scale = ranks() ? config_->train()->score_scale() : 0;
    ORRERY_ASSIGN_OR_RETURN(identity_, Identity());
    if (Done()) return absl::OkStatus();
    const bool tied = model::TiedByPublisher(*source, shape);
    const bool adapted = config_->train()->lora_rank() > 0;
    const model::NetworkOptions options{.max_rows = std::max(config_->train()->rows(), config_->train()->max_tokens()),
                                        .checkpointing = config_->train()->checkpointing(),
                                        .freeze_embeddings = adapted || config_->train()->freeze_embeddings()};
    const uint64_t arrays = config_->train()->epochs() == 0 ? 1 : adapted ? 2 : 4;
    const uint64_t needed = model::TrainingBytes(shape, tied, ops_->type(), options, arrays);
    const uint64_t available = AvailableMemory();
    if (needed > available) {
      return Unavailable(
          "{} needs {:.2f} GiB of memory to be trained, and {:.2f} GiB are available: set "
          "train.checkpointing=true, lower train.rows, or free memory",
          model_.string(), static_cast<double>(needed) / kGiB, static_cast<double>(available) / kGiB);
    }
    ORRERY_ASSIGN_OR_RETURN(auto parameters, model::Parameters::Read(*source, shape, tied, config_->run()->seed()));
    parameters_ = std::make_unique<model::Parameters>(std::move(parameters));
    network_ = std::make_unique<model::Network>(shape, *parameters_, *ops_, options);
    objectives_ = ObjectivesOf(*config_->train(), data_, *network_);
    if (adapted) {
      adapter_ = std::make_unique<model::Adapter>(
          *parameters_, *ops_,
          model::AdapterOptions{config_->train()->lora_rank(), config_->train()->lora_alpha(), config_->run()->seed()});
    }
    trainer_ = std::make_unique<model::Trainer>(*parameters_, *network_, *ops_, *objectives_.learnt,
                                                TrainerOptionsOf(*config_), adapter_.get());
    if (config_->train()->patience() > 0 && objectives_.validation->count() == 0)
      return InvalidInput("train.patience: expected 0 without examples for validation (train.validation), found {}",
                          config_->train()->patience());
    fmt::print(stderr,
               "{} {} to learn, {} for validation, of {} problems ({} lines, {} doubles, {} left out, {} of doubtful "
               "synthetic problems, {} too long, {} cut)\n",
               objectives_.learnt->count(), ranks() ? "groups of siblings" : "examples",
               objectives_.validation->count(), data_.problems, data_.lines, data_.doubles, data_.left_out, data_.noise,
               data_.dropped, data_.cut);
    return absl::OkStatus();
  }

  bool marks() const { return !ranks() && config_->train()->marker_tokens(); }

  // The model whose weights are trained: the one that was named, or a copy of it that has the markers as tokens.
  StatusOr<fs::path> Start() const {
    if (!marks()) return model_;
    const fs::path marked = out_ / kMarked;
    std::error_code error;
    if (!fs::exists(out_ / "checkpoint", error)) fs::remove_all(marked, error);  // of another model, perhaps
    if (fs::exists(marked, error)) return marked;
    model::ExportOptions options;
    options.new_tokens.assign(std::begin(reasoning::kMarkers), std::end(reasoning::kMarkers));
    ORRERY_RETURN_IF_ERROR(model::ExportHfFolder(model_, marked, options));
    return marked;
  }

  bool ranks() const { return Ranks(*config_->train()); }
  bool probes() const { return ranks() && config_->train()->linear_probe(); }

  // What the trained weights depend on.
  StatusOr<std::string> Identity() const {
    ORRERY_ASSIGN_OR_RETURN(const std::string weights, model::ModelDigest(model_));
    Sha256 hash;
    const Json config = Json::parse(config_.json());
    Json train = config["train"];
    for (const char* machine : {"checkpointing", "save_minutes", "data"}) train.erase(machine);
    // So that trainings from before there were these go on.
    if (!probes()) train.erase("linear_probe");
    if (!marks()) train.erase("marker_tokens");
    for (const std::string& part : {train.dump(), config["run"]["seed"].dump(), config["model"]["precision"].dump(),
                                    weights, data_.digest, std::string(kernels::Name(backend_->isa()))})
      hash.UpdateSized(part);
    return Hex(hash.Finish());
  }

  bool Done() const {
    const auto text = ReadFile(out_ / "summary.json");
    if (!text.ok()) return false;
    const Json json = Json::parse(*text, nullptr, false);
    return json.is_object() && json.value("identity", "") == identity_;
  }

  Status Resume() {
    const Status loaded = trainer_->Load(out_ / "checkpoint", identity_);
    if (absl::IsNotFound(loaded)) return probes() ? FitHead() : absl::OkStatus();
    ORRERY_RETURN_IF_ERROR(loaded);
    const auto text = ReadFile(out_ / "best.json");
    if (text.ok()) {
      const Json best = Json::parse(*text, nullptr, false);
      best_ = best.value("validation_loss", best_);
      best_epoch_ = best.value("epoch", best_epoch_);
    }
    fmt::print(stderr, "goes on after step {} of {}\n", trainer_->step(), trainer_->steps());
    return absl::OkStatus();
  }

  // The row of outputs on the model as it is, in place of the one that was drawn; then what the validation says of it.
  Status FitHead() {
    model::ScoreObjective texts(*network_, data_.ranked, ScoreOptionsOf(*config_->train()));
    if (texts.count() < 2)
      return InvalidInput("train.linear_probe: expected two groups of siblings at least, found {}", texts.count());
    const model::ProbeData data = texts.HeadInputs([&](size_t done) {
      if (!quiet_) fmt::print(stderr, "\rlinear probe · groups {}/{}", done, texts.count());
    });
    const model::Probe probe = model::FitProbe(data, network_->shape().score_scale);
    std::ranges::copy(probe.weights, parameters_->values.at(parameters_->head()));
    network_->Refresh();
    if (!quiet_) fmt::print(stderr, "\n");
    fmt::print(stderr, "linear probe: loss {:.4f} · {:.1f}% of the pairs right in cross-validation · penalty {}\n",
               probe.loss, 100 * probe.accuracy, probe.penalty);
    Log({{"probe", {{"loss", probe.loss}, {"accuracy", probe.accuracy}, {"penalty", probe.penalty}}}});
    ORRERY_RETURN_IF_ERROR(EndEpoch());
    return trainer_->Done() ? absl::OkStatus() : Save();
  }

  // Epochs that are learnt whole.
  int64_t Epochs() const { return trainer_->step() / trainer_->steps_per_epoch(); }

  // Whether train.patience is at its end.
  bool Settled() const {
    const int patience = config_->train()->patience();
    if (patience == 0 || Epochs() - best_epoch_ < patience) return false;
    fmt::print(stderr, "{} epochs did not lower the loss of epoch {}: train.patience ends the training\n",
               Epochs() - best_epoch_, best_epoch_);
    return true;
  }

  Status Save() { return trainer_->Save(out_ / "checkpoint", identity_); }

  Status Step() {
    const auto begin = Clock::now();
    ORRERY_ASSIGN_OR_RETURN(const model::StepReport report, trainer_->Step());
    const double seconds = SecondsSince(begin);
    Json line = {{"step", report.step},     {"loss", report.loss},     {"norm", report.norm}, {"rate", report.rate},
                 {"tokens", report.tokens}, {"learnt", report.learnt}, {"seconds", seconds}};
    if (ranks()) line["accuracy"] = report.accuracy;
    Log(line);
    WarnOfSaturation(report);
    if (!quiet_) {
      fmt::print(stderr, "step {}/{} · loss {:.4f}{} · norm {:.3f} · rate {:.2e} · {:.0f} tokens/s · {:.0f} min left\n",
                 report.step, trainer_->steps(), report.loss, Accuracy(report), report.norm, report.rate,
                 static_cast<double>(report.tokens) / seconds,
                 seconds * static_cast<double>(trainer_->steps() - report.step) / 60);
    }
    return absl::OkStatus();
  }

  // Scores at the ends of tanh are all alike and have no slope: such a training learns nothing more.
  void WarnOfSaturation(const model::StepReport& report) {
    constexpr double kNoSlope = 1e-5;
    const bool outputs = config_->train()->ranking() == schema::RankingLoss::outputs;
    if (!ranks() || outputs || report.norm > kNoSlope || std::exchange(saturated_, true)) return;
    spdlog::warn(
        "step {}: the gradient's norm is {:.1e}: the scores have run to the ends of tanh, where nothing is learnt; "
        "lower "
        "train.rate, raise train.score_scale, or set train.ranking=outputs",
        report.step, report.norm);
  }

  // The curves, and what the validation says.
  Status EndEpoch() {
    ORRERY_RETURN_IF_ERROR(Validate());
    return WriteTrainReport(
        out_, fmt::format("Training by {} from {}", schema::EnumNameTrainingObjective(config_->train()->objective()),
                          model_.filename().string()));
  }

  Status Validate() {
    if (objectives_.validation->count() == 0) return absl::OkStatus();
    const model::StepReport measured = trainer_->Measure(*objectives_.validation);
    const double loss = measured.loss;
    const int64_t epoch = Epochs();
    Json line = {{"epoch", epoch}, {"validation_loss", loss}};
    if (ranks()) line["validation_accuracy"] = measured.accuracy;
    Log(line);
    fmt::print(stderr, "epoch {}: loss {:.4f}{} on the {} examples for validation\n", epoch, loss, Accuracy(measured),
               objectives_.validation->count());
    if (loss >= best_) return absl::OkStatus();
    best_ = loss;
    best_epoch_ = epoch;
    // The last epoch's stay where they are until Finish.
    if (!trainer_->Done()) {
      ORRERY_RETURN_IF_ERROR(model::SaveCheckpoint(out_ / "best", {identity_, trainer_->step()},
                                                   {{"values", trainer_->trained().values.all()}}));
    }
    return WriteFileAtomically(out_ / "best.json", line.dump() + "\n");
  }

  StatusOr<Ended> Finish() {
    std::error_code error;
    if (best_epoch_ != Epochs() && fs::exists(out_ / "best", error)) {
      ORRERY_RETURN_IF_ERROR(
          model::LoadCheckpoint(out_ / "best", identity_, {{"values", trainer_->trained().values.all()}}).status());
    }
    if (adapter_) {
      adapter_->Refresh();
      Merge(*adapter_, *parameters_);
    }
    const model::ReplacedWeights weights{
        .values =
            [this](std::string_view name) {
              for (const auto& tensor : parameters_->tensors()) {
                if (tensor.name == name) return static_cast<const float*>(parameters_->values.at(tensor.offset));
              }
              return static_cast<const float*>(nullptr);
            },
        .tied = parameters_->tied(),
        .score_scale = network_->shape().score_scale};
    fs::remove_all(out_ / "model", error);
    model::ExportOptions options;
    options.bfloat16 = backend_->type() == kernels::Type::kBfloat16;
    options.weights = &weights;
    ORRERY_RETURN_IF_ERROR(model::ExportHfFolder(start_, out_ / "model", options));
    ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out_ / "model" / "README.md", Card()));
    if (adapter_) {
      ORRERY_RETURN_IF_ERROR(
          model::ExportAdapter(*adapter_, network_->shape(), config_->model()->name()->str(), out_ / "adapter"));
    }
    Json summary = {{"identity", identity_},
                    {"steps", trainer_->step()},
                    {"learnt", objectives_.learnt->count()},
                    {"validation", objectives_.validation->count()},
                    {"problems", data_.problems},
                    {"base", model_.filename()}};
    if (objectives_.validation->count() > 0) summary["validation_loss"] = best_;
    ORRERY_RETURN_IF_ERROR(WriteFileAtomically(out_ / "summary.json", summary.dump(1) + "\n"));
    fs::remove_all(out_ / kMarked, error);
    fmt::print("{}\n", (out_ / "model").string());
    return Ended{};
  }

  std::string Card() const {
    ModelCard card{.base = config_->model()->name()->str(),
                   .objective = schema::EnumNameTrainingObjective(config_->train()->objective()),
                   .data = data_.digest,
                   .problems = data_.problems,
                   .learnt = objectives_.learnt->count(),
                   .validation = objectives_.validation->count(),
                   .steps = trainer_->step(),
                   .measured = {}};
    if (card.validation > 0) card.measured = fmt::format("loss {:.4f}", best_);
    return CardText(card, *config_);
  }

  std::string Accuracy(const model::StepReport& report) const {
    return ranks() ? fmt::format(" · {:.1f}% of the pairs right", 100 * report.accuracy) : "";
  }

  void Log(const Json& line) const { std::ofstream(out_ / "metrics.jsonl", std::ios::app) << line.dump() << '\n'; }

  schema::ResolvedConfig config_;
  bool quiet_;
  fs::path out_, model_, start_;
  std::unique_ptr<kernels::Backend> backend_;
  kernels::ThreadPool pool_;
  std::unique_ptr<kernels::TrainingOps> ops_;
  TrainingData data_;
  std::string identity_;
  std::unique_ptr<model::Parameters> parameters_;
  std::unique_ptr<model::Network> network_;
  std::unique_ptr<model::Adapter> adapter_;  // where train.lora_rank asks for one
  Objectives objectives_;
  std::unique_ptr<model::Trainer> trainer_;
  double best_ = 1e300;     // loss on what is for validation …
  int64_t best_epoch_ = 0;  // … after so many epochs
  bool saturated_ = false;  // it was told
};

}  // namespace

StatusOr<int> RunTrainingOf(const schema::Flags& flags) {
  ORRERY_ASSIGN_OR_RETURN(const schema::ResolvedConfig config, flags.Load());
  ORRERY_ASSIGN_OR_RETURN(const Ended ended, RunTraining(config, flags.quiet));
  return ended.code;
}

StatusOr<Ended> RunTraining(const schema::ResolvedConfig& config, bool quiet) {
  ORRERY_ASSIGN_OR_RETURN(const auto training, Training::Create(config, quiet));
  return training->Run();
}

}  // namespace orrery::runners
