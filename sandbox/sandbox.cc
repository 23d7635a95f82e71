// SPDX-License-Identifier: Apache-2.0
#include "sandbox/sandbox.h"

#include <optional>

#include "sandbox/launch.h"
#include "sandbox/wire.h"

namespace orrery::sandbox {
namespace {

constexpr double kGraceSeconds = 30;  // beyond the steps' own deadlines, before the supervisor is taken for dead

class Client : public Sandbox {
 public:
  Client(const SandboxOptions& options, Supervised supervised)
      : options_(options), guards_(supervised.guards()), supervised_(std::move(supervised)) {}

  StepResult Run(const StepRequest& request) override {
    if (!supervised_) {
      auto started = Supervised::Start(options_);
      if (!started.ok()) return Internal("the sandbox does not start again: " + Message(started.status()));
      supervised_ = std::move(*started);
    }
    auto result = Ask(request);
    if (!result.ok()) {
      supervised_.reset();
      return Internal("the sandbox's supervisor failed: " + Message(result.status()));
    }
    if (result->verdict == Verdict::kInternal || !result->poisoned.empty()) supervised_.reset();
    return *std::move(result);
  }

  std::vector<Guard> Guards() const override { return guards_; }

 private:
  StatusOr<StepResult> Ask(const StepRequest& request) {
    ORRERY_RETURN_IF_ERROR(SendFrame(supervised_->socket(), Encode(request)));
    const double steps = kReplayPatience * static_cast<double>(request.parents.size()) + 1;
    ORRERY_ASSIGN_OR_RETURN(const auto frame,
                            ReceiveFrame(supervised_->socket(), steps * options_.wall_seconds + kGraceSeconds));
    return DecodeResult(frame);
  }

  static StepResult Internal(std::string why) {
    StepResult result;
    result.error = std::move(why);
    return result;
  }

  SandboxOptions options_;
  std::vector<Guard> guards_;
  std::optional<Supervised> supervised_;  // nothing after a failure: the next call starts a fresh one
};

}  // namespace

StatusOr<std::unique_ptr<Sandbox>> Sandbox::Start(const SandboxOptions& options) {
  if (!(options.wall_seconds > 0) || options.wall_seconds > 1e6) {
    return InvalidInput("sandbox.wall_seconds: {} is not between 0 and 1000000", options.wall_seconds);
  }
  ORRERY_ASSIGN_OR_RETURN(auto supervised, Supervised::Start(options));
  return std::unique_ptr<Sandbox>(std::make_unique<Client>(options, std::move(supervised)));
}

}  // namespace orrery::sandbox
