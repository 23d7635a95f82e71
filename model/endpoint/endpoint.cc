// SPDX-License-Identifier: Apache-2.0
#include "model/endpoint/endpoint.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

namespace orrery::model {
namespace {

// How long a step waits for an answer: requests that come meanwhile wait as long before they are sent.
constexpr std::chrono::milliseconds kWait{10};

// The requests of one call, and what came of it.
struct Asked {
  std::vector<GenerationRequest> requests;
  StatusOr<std::vector<Generation>> generations = std::vector<Generation>();
};

class RemoteEngine final : public EndpointEngine {
 public:
  RemoteEngine(const EndpointOptions& options, std::unique_ptr<Tokenizer> tokenizer)
      : dialect_(options.dialect),
        choices_(options.choices),
        context_length_(options.context_length),
        tokenizer_(std::move(tokenizer)) {}

  Status Open(const EndpointOptions& options) {
    ORRERY_ASSIGN_OR_RETURN(client_, HttpClient::Create(options.http));
    const auto body = client_->Get("/models");
    if (!body.ok()) return body.status();
    const auto models = ReadModelList(*body);
    if (!models.ok()) return Annotate(models.status(), options.http.url + "/models");
    std::vector<std::string> names;
    for (const ListedModel& model : *models) names.push_back(model.id);
    if (dialect_.model.empty()) {
      if (names.size() != 1)
        return InvalidInput("endpoint.model: expected the name of one of {} models at {}: {}", names.size(),
                            options.http.url, fmt::join(names, ", "));
      dialect_.model = names.front();
    }
    const auto listed = std::find(names.begin(), names.end(), dialect_.model);
    if (listed == names.end())
      return InvalidInput("endpoint.model: {} has no model '{}'; it has {}", options.http.url, dialect_.model,
                          fmt::join(names, ", "));
    const int told = (*models)[static_cast<size_t>(listed - names.begin())].context_length;
    if (context_length_ == 0) context_length_ = told == 0 ? options.context_otherwise : told;
    if (context_length_ == 0)
      return InvalidInput("model.context_length: {} does not tell how long its context is; expected it here",
                          options.http.url);
    if (told != 0 && dialect_.token_prompts) context_length_ = std::min(context_length_, told);
    return absl::OkStatus();
  }

  const std::string& model() const override { return dialect_.model; }
  HttpCounters Calls() const override { return client_->Counters(); }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  int context_length() const override { return context_length_; }

  Status Submit(GenerationRequest request) override {
    ORRERY_RETURN_IF_ERROR(CheckRequest(request, dialect_));
    if (request.prompt.empty()) return InvalidInput("a request without a prompt: expected at least one token");
    if (request.prompt.size() + static_cast<size_t>(request.max_new_tokens) > static_cast<size_t>(context_length_)) {
      return InvalidInput("a prompt of {} tokens and {} new ones do not fit the context of {} tokens",
                          request.prompt.size(), request.max_new_tokens, context_length_);
    }
    ++counters_.requests;
    live_.insert(request.id);
    waiting_.push_back(std::move(request));
    return absl::OkStatus();
  }

  void Cancel(uint64_t id) override {
    live_.erase(id);
    std::erase_if(waiting_, [id](const GenerationRequest& request) { return request.id == id; });
  }

  StatusOr<std::vector<Generation>> Step() override {
    Send();
    std::vector<std::shared_ptr<Asked>> answered;
    {
      std::unique_lock lock(mutex_);
      answer_came_.wait_for(lock, kWait, [this] { return !answered_.empty(); });
      answered.swap(answered_);
    }
    std::vector<Generation> finished;
    Status failure;
    for (const auto& asked : answered) {
      --calls_in_flight_;
      if (const Status status = Take(*asked, finished); !status.ok()) failure = status;
    }
    ORRERY_RETURN_IF_ERROR(failure);
    return finished;
  }

  bool Idle() const override { return waiting_.empty() && calls_in_flight_ == 0; }
  EngineCounters Counters() const override { return counters_; }

  StatusOr<std::vector<float>> Logits(const std::vector<TokenId>&) override {
    return Unavailable("a server tells no logits");
  }

 private:
  // One call for each group of waiting requests that can share it.
  void Send() {
    while (!waiting_.empty()) {
      std::vector<GenerationRequest> group;
      std::vector<GenerationRequest> rest;
      const size_t most = waiting_.front().sampling.temperature == 0 ? waiting_.size() : static_cast<size_t>(choices_);
      for (GenerationRequest& request : waiting_) {
        const bool joins = group.empty() || (group.size() < most && SameCall(group.front(), request));
        (joins ? group : rest).push_back(std::move(request));
      }
      waiting_ = std::move(rest);
      Call(std::move(group));
    }
  }

  void Call(std::vector<GenerationRequest> group) {
    ++counters_.batches;
    ++calls_in_flight_;
    if (group.front().sampling.temperature == 0) counters_.requests_coalesced += group.size() - 1;
    std::string body = CompletionBody(group, dialect_, *tokenizer_);
    const auto asked = std::make_shared<Asked>();
    asked->requests = std::move(group);
    client_->Post(
        "/completions", std::move(body),
        [this, asked](std::string_view answer) {
          asked->generations = ReadCompletionAnswer(answer, asked->requests, dialect_, *tokenizer_);
          return asked->generations.status();
        },
        [this, asked](const StatusOr<std::string>& answer) {
          if (!answer.ok()) asked->generations = answer.status();
          {
            const std::lock_guard lock(mutex_);
            answered_.push_back(asked);
          }
          answer_came_.notify_one();
        });
  }

  Status Take(Asked& asked, std::vector<Generation>& finished) {
    ORRERY_RETURN_IF_ERROR(asked.generations.status());
    std::vector<Generation>& generations = *asked.generations;
    for (size_t i = 0; i < asked.requests.size(); ++i) {
      GenerationRequest& request = asked.requests[i];
      if (!live_.contains(request.id)) continue;
      if (i >= generations.size()) {
        // A server that gives fewer choices than were asked for is asked for one at a time from now on.
        choices_ = 1;
        waiting_.push_back(std::move(request));
        continue;
      }
      counters_.tokens_generated += generations[i].tokens.size();
      counters_.rows += generations[i].tokens.size();
      generations[i].id = request.id;
      live_.erase(request.id);
      finished.push_back(std::move(generations[i]));
    }
    return absl::OkStatus();
  }

  EndpointDialect dialect_;
  int choices_;
  int context_length_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<GenerationRequest> waiting_;  // not sent yet
  std::set<uint64_t> live_;                 // neither answered nor cancelled
  size_t calls_in_flight_ = 0;
  EngineCounters counters_;

  std::mutex mutex_;
  std::condition_variable answer_came_;
  std::vector<std::shared_ptr<Asked>> answered_;

  std::unique_ptr<HttpClient> client_;  // last: its thread uses the above
};

}  // namespace

StatusOr<std::unique_ptr<EndpointEngine>> EndpointEngine::Connect(const EndpointOptions& options,
                                                                  std::unique_ptr<Tokenizer> tokenizer) {
  auto engine = std::make_unique<RemoteEngine>(options, std::move(tokenizer));
  ORRERY_RETURN_IF_ERROR(engine->Open(options));
  return engine;
}

}  // namespace orrery::model
