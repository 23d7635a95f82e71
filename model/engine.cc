// SPDX-License-Identifier: Apache-2.0
#include "model/engine.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "base/clock.h"
#include "base/memory.h"
#include "kernels/device.h"
#include "kernels/kernels.h"
#include "kernels/thread_pool.h"
#include "model/kv_cache.h"
#include "model/same_network.h"
#include "model/sampler.h"
#include "model/scheduler.h"
#include "model/transformer.h"
#include "model/weights.h"

namespace orrery::model {
namespace {

template <class T>
void AppendBytes(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Requests with equal keys have equal results.
std::string ResultKey(const GenerationRequest& request) {
  std::string key;
  AppendBytes(key, request.max_new_tokens);
  AppendBytes(key, request.sampling.temperature);
  if (request.sampling.temperature > 0) {
    AppendBytes(key, request.sampling.top_p);
    AppendBytes(key, request.sampling.top_k);
    AppendBytes(key, request.random.key);
    AppendBytes(key, request.random.stream);
  }
  if (request.on_token) AppendBytes(key, request.id);
  AppendBytes(key, request.stops.size());
  for (const std::string& stop : request.stops) {
    AppendBytes(key, stop.size());
    key += stop;
  }
  key.append(reinterpret_cast<const char*>(request.prompt.data()), request.prompt.size() * sizeof(TokenId));
  return key;
}

kernels::Type TypeOf(Precision precision) {
  return precision == Precision::kFloat32 ? kernels::Type::kFloat32 : kernels::Type::kBfloat16;
}

kernels::WeightType WeightTypeOf(Precision precision) {
  return precision == Precision::kInt8 ? kernels::WeightType::kInt8 : kernels::WeightType::kSame;
}

class TransformerEngine : public Engine {
 public:
  TransformerEngine(std::unique_ptr<ModelSource> source, std::unique_ptr<Tokenizer> tokenizer,
                    const EngineOptions& options)
      : source_(std::move(source)),
        tokenizer_(std::move(tokenizer)),
        max_rows_(options.max_batch_rows),
        precision_(options.precision),
        on_another_device_(options.device != nullptr),
        backend_(
            kernels::Backend::Create(kernels::HostIsa(), TypeOf(options.precision), WeightTypeOf(options.precision))),
        pool_(options.threads),
        device_(kernels::NewHostDevice(*backend_, pool_)) {}

  Status MakeDevice(const EngineOptions& options) {
    if (!options.device) return absl::OkStatus();
    if (options.precision == Precision::kInt8)
      return InvalidInput("precision int8 is computed on the processor only; another device takes bfloat16 or float32");
    ORRERY_ASSIGN_OR_RETURN(device_, options.device(TypeOf(options.precision)));
    return absl::OkStatus();
  }

  // `pages` of the KV cache fit into the memory that was found to be there.
  Status Start(const ModelShape& shape, int pages) {
    ORRERY_ASSIGN_OR_RETURN(Weights weights, LoadWeights(*source_, shape, *device_, pool_));
    transformer_ = std::make_unique<Transformer>(std::move(weights), *device_, pages, max_rows_);
    ORRERY_RETURN_IF_ERROR(device_->status());
    score_scale_ = shape.score_scale;
    cache_ = std::make_unique<KvCache>(
        pages, [this](int32_t page) { transformer_->ClearPage(page); },
        [this](int32_t from, int32_t to, int slots) { transformer_->CopyPage(from, to, slots); });
    scheduler_ = std::make_unique<Scheduler>(*cache_, max_rows_);
    sampled_from_ = std::min(shape.vocabulary, tokenizer_->vocabulary_size());
    return absl::OkStatus();
  }

  const kernels::Device& device() const { return *device_; }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  int context_length() const override { return transformer_->shape().context_length; }
  bool scores() const override { return transformer_->shape().scores(); }

  StatusOr<bool> TakeScoresOf(const std::filesystem::path& reward_model, const EngineOptions& options) override {
    if (scores() || options.precision != precision_ || options.device || on_another_device_) return false;
    ORRERY_ASSIGN_OR_RETURN(const std::unique_ptr<ModelSource> source, ModelSource::Open(reward_model));
    ORRERY_ASSIGN_OR_RETURN(ModelShape shape, source->Shape());
    if (options.context_length > 0) shape.context_length = options.context_length;
    if (!shape.scores() || !SameNetwork(*source_, transformer_->shape(), *source, shape)) return false;
    ORRERY_ASSIGN_OR_RETURN(auto row, LoadScoreRow(*source, shape, *device_, pool_));
    transformer_->SetScoreRow(std::move(row));
    score_scale_ = shape.score_scale;
    return true;
  }

  Status Submit(GenerationRequest request) override {
    ORRERY_RETURN_IF_ERROR(Check(request));
    ++counters_.requests;
    std::string key = ResultKey(request);
    const auto found = in_flight_.find(key);
    if (found != in_flight_.end()) {
      ++counters_.requests_coalesced;
      found->second->ids.push_back(request.id);
      return absl::OkStatus();
    }
    auto sequence = std::make_unique<Sequence>(std::move(request), key);
    in_flight_.emplace(std::move(key), sequence.get());
    scheduler_->Add(std::move(sequence));
    return absl::OkStatus();
  }

  void Cancel(uint64_t id) override {
    for (const auto& [key, sequence] : in_flight_) {
      if (std::erase(sequence->ids, id) == 0) continue;
      if (sequence->ids.empty()) in_flight_.erase(scheduler_->Remove(sequence)->key);
      return;
    }
  }

  StatusOr<std::vector<Generation>> Step() override {
    const auto start = Clock::now();
    const std::vector<BatchPiece> batch = scheduler_->NextBatch();
    std::vector<Generation> finished;
    if (batch.empty()) return finished;
    ORRERY_RETURN_IF_ERROR(Run(batch));
    for (const BatchPiece& piece : batch) {
      if (piece.sequence->score) {
        HandOver(piece.sequence, FinishReason::kScored, std::nullopt, finished);
      } else if (piece.sequence->generated() > 0) {
        Finish(piece.sequence, finished);
      }
    }
    counters_.busy_seconds += SecondsSince(start);
    return finished;
  }

  bool Idle() const override { return scheduler_->Idle(); }

  EngineCounters Counters() const override {
    EngineCounters counters = counters_;
    counters.prefix_tokens_reused = scheduler_->prefix_tokens_reused();
    counters.pages_used = static_cast<uint64_t>(cache_->pages_used());
    counters.pages_total = static_cast<uint64_t>(cache_->pages_total());
    counters.pages_evicted = cache_->pages_evicted();
    return counters;
  }

  StatusOr<std::vector<float>> Logits(const std::vector<TokenId>& prompt) override {
    ORRERY_RETURN_IF_ERROR(CheckPrompt(prompt, 0));
    const int outputs = transformer_->shape().outputs();
    std::vector<float> all(prompt.size() * outputs);
    KvCache::Path path;
    if (!cache_->Open({}, static_cast<int>(prompt.size()), path))
      return Unavailable("no room in the KV cache while requests are in flight");
    for (int first = 0, count; first < static_cast<int>(prompt.size()); first += count) {
      count = std::min<int>(std::min(Transformer::kLogitRows, max_rows_), static_cast<int>(prompt.size()) - first);
      cache_->Grow(path, first + count);
      std::vector<BatchRow> rows;
      for (int i = first; i < first + count; ++i)
        rows.push_back({prompt[i], i, path.pages.data(), !scores(), scores()});
      const auto copy = [&](int begin, int number, const float* values, ptrdiff_t stride) {
        for (int i = 0; i < number; ++i) {
          std::copy_n(values + i * stride, outputs, all.begin() + static_cast<ptrdiff_t>(first + begin + i) * outputs);
        }
      };
      transformer_->Forward(rows, copy, copy);
      cache_->Commit(path, std::span(prompt).subspan(first, count));
    }
    cache_->Close(path);
    return all;
  }

 private:
  Status CheckPrompt(const std::vector<TokenId>& prompt, int max_new_tokens) const {
    if (prompt.empty()) return InvalidInput("a request without a prompt: expected at least one token");
    const int64_t needed = static_cast<int64_t>(prompt.size()) + max_new_tokens;
    if (needed > context_length()) {
      return InvalidInput("a prompt of {} tokens and {} new ones do not fit the context of {} tokens", prompt.size(),
                          max_new_tokens, context_length());
    }
    if (KvCache::PagesFor(static_cast<int>(needed)) > cache_->pages_total()) {
      return InvalidInput("a prompt of {} tokens and {} new ones do not fit the KV cache of {} tokens", prompt.size(),
                          max_new_tokens, cache_->pages_total() * kernels::kPageTokens);
    }
    for (const TokenId token : prompt) {
      if (token < 0 || token >= transformer_->shape().vocabulary) {
        return InvalidInput("the prompt holds the token {}; expected 0 to {}", token,
                            transformer_->shape().vocabulary - 1);
      }
    }
    return absl::OkStatus();
  }

  Status Check(const GenerationRequest& request) const {
    if (scores() && request.max_new_tokens != 0)
      return InvalidInput("{} is a reward model: it scores texts and writes none", source_->path().string());
    const int least = score_scale_ > 0 ? 0 : 1;
    if (!scores() && request.max_new_tokens < least)
      return InvalidInput("max_new_tokens is {}; expected at least {}", request.max_new_tokens, least);
    const Sampling& sampling = request.sampling;
    if (!(sampling.temperature >= 0) || std::isinf(sampling.temperature)) {
      return InvalidInput("temperature is {}; expected a number from 0 on", sampling.temperature);
    }
    if (!(sampling.top_p > 0 && sampling.top_p <= 1))
      return InvalidInput("top_p is {}; expected above 0 and at most 1", sampling.top_p);
    if (sampling.top_k < 0) return InvalidInput("top_k is {}; expected 0 (all) or more", sampling.top_k);
    for (const std::string& stop : request.stops) {
      if (stop.empty()) return InvalidInput("an empty stop string");
    }
    return CheckPrompt(request.prompt, request.max_new_tokens);
  }

  static bool AsksForScore(const Sequence& sequence) { return sequence.request.max_new_tokens == 0; }

  // One batch through the model; sequences whose last token was in it get their next one, or their score.
  Status Run(const std::vector<BatchPiece>& batch) {
    std::vector<BatchRow> rows;
    std::vector<Sequence*> predicting, scored;
    for (const BatchPiece& piece : batch) {
      const Sequence& sequence = *piece.sequence;
      const bool score = AsksForScore(sequence);
      const int end = piece.first + piece.count;
      for (int i = piece.first; i < end; ++i) {
        const bool last = i + 1 == static_cast<int>(sequence.tokens.size());
        rows.push_back({sequence.tokens[i], i, sequence.path.pages.data(), last && !score, last && score});
        if (last) (score ? scored : predicting).push_back(piece.sequence);
      }
      counters_.prompt_rows +=
          std::max(0, std::min<int>(end, static_cast<int>(sequence.request.prompt.size())) - piece.first);
    }
    std::vector<SampledToken> sampled(predicting.size());
    std::vector<float> outputs(scored.size());
    const auto sample = [&](int first, int count, const float* values, ptrdiff_t stride) {
      pool_.ParallelFor(count, [&](int i, int) {
        const Sequence& sequence = *predicting[first + i];
        const float uniform =
            sequence.request.random.Uniform(Purpose::kSampleToken, static_cast<uint32_t>(sequence.generated()));
        sampled[first + i] = Sample(*backend_, values + i * stride, sampled_from_, sequence.request.sampling, uniform);
      });
    };
    const auto score = [&](int first, int count, const float* values, ptrdiff_t stride) {
      for (int i = 0; i < count; ++i) outputs[first + i] = values[i * stride];
    };
    transformer_->Forward(rows, sample, score);
    ORRERY_RETURN_IF_ERROR(device_->status());
    for (const BatchPiece& piece : batch) {
      cache_->Commit(piece.sequence->path, std::span(piece.sequence->tokens).subspan(piece.first, piece.count));
    }
    for (size_t i = 0; i < scored.size(); ++i) {
      if (!std::isfinite(outputs[i])) return NotANumber();
      scored[i]->score = std::tanh(outputs[i] / score_scale_);
    }
    for (size_t i = 0; i < predicting.size(); ++i) {
      if (!std::isfinite(sampled[i].log_probability)) return NotANumber();
      predicting[i]->tokens.push_back(sampled[i].token);
      predicting[i]->log_probabilities.push_back(sampled[i].log_probability);
      const auto& on_token = predicting[i]->request.on_token;
      if (on_token) on_token(sampled[i].token, sampled[i].log_probability);
    }
    ++counters_.batches;
    counters_.rows += rows.size();
    counters_.scored += scored.size();
    counters_.tokens_generated += predicting.size();
    return absl::OkStatus();
  }

  Status NotANumber() const { return Failed("{}: the model's output is not a number", source_->path().string()); }

  // Hands over the sequence's result if its newest token ends it.
  void Finish(Sequence* sequence, std::vector<Generation>& finished) {
    if (sequence->pending() != 1) return;
    const TokenId token = sequence->tokens.back();
    std::optional<FinishReason> reason;
    std::optional<StopMatcher::Match> match;
    if (tokenizer_->IsEndOfText(token)) {
      reason = FinishReason::kEndOfText;
    } else if ((match = sequence->text.Append(tokenizer_->Bytes(token)))) {
      reason = FinishReason::kStop;
    } else if (sequence->generated() == sequence->request.max_new_tokens) {
      reason = FinishReason::kLength;
    }
    if (reason) HandOver(sequence, *reason, match, finished);
  }

  void HandOver(Sequence* sequence, FinishReason reason, const std::optional<StopMatcher::Match>& match,
                std::vector<Generation>& finished) {
    const std::unique_ptr<Sequence> done = scheduler_->Remove(sequence);
    in_flight_.erase(done->key);
    Generation generation;
    generation.tokens.assign(done->tokens.begin() + static_cast<ptrdiff_t>(done->request.prompt.size()),
                             done->tokens.end());
    generation.text = match ? done->text.text().substr(0, match->begin) : done->text.text();
    if (match) generation.stop = done->text.stop(match->stop);
    generation.reason = reason;
    generation.score = done->score.value_or(0);
    generation.log_probability = std::accumulate(done->log_probabilities.begin(), done->log_probabilities.end(), 0.0);
    generation.log_probabilities = std::move(done->log_probabilities);
    for (const uint64_t id : done->ids) {
      generation.id = id;
      finished.push_back(generation);
    }
  }

  std::unique_ptr<ModelSource> source_;
  std::unique_ptr<Tokenizer> tokenizer_;
  int max_rows_;
  Precision precision_;
  bool on_another_device_;
  std::unique_ptr<kernels::Backend> backend_;
  kernels::ThreadPool pool_;
  std::unique_ptr<kernels::Device> device_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unordered_map<std::string, Sequence*> in_flight_;
  int sampled_from_ = 0;    // logits beyond belong to no token of the tokenizer
  double score_scale_ = 0;  // 0: it scores nothing
  EngineCounters counters_;
};

Status CheckOptions(const EngineOptions& options, const ModelShape& shape, const std::string& path) {
  if (options.threads < 1 || options.threads > 1024)
    return InvalidInput("threads is {}; expected 1 to 1024", options.threads);
  if (options.max_batch_rows < 1 || options.max_batch_rows > 65536) {
    return InvalidInput("max_batch_rows is {}; expected 1 to 65536", options.max_batch_rows);
  }
  if (options.context_length < 0 || options.context_length > shape.context_length) {
    return InvalidInput("a context of {} tokens; {} allows 1 to {}", options.context_length, path,
                        shape.context_length);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<Engine>> Engine::Load(const std::filesystem::path& path, const EngineOptions& options) {
  ORRERY_ASSIGN_OR_RETURN(std::unique_ptr<ModelSource> source, ModelSource::Open(path));
  ORRERY_ASSIGN_OR_RETURN(ModelShape shape, source->Shape());
  ORRERY_RETURN_IF_ERROR(CheckOptions(options, shape, path.string()));
  if (options.context_length > 0) shape.context_length = options.context_length;
  ORRERY_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, source->ReadTokenizer());

  auto engine = std::make_unique<TransformerEngine>(std::move(source), std::move(tokenizer), options);
  ORRERY_RETURN_IF_ERROR(engine->MakeDevice(options));
  const size_t page_bytes = Transformer::PageBytes(shape, engine->device());
  const uint64_t pages = std::min<uint64_t>(options.kv_bytes / page_bytes, INT32_MAX / kernels::kPageTokens);
  if (pages == 0) {
    return InvalidInput("{}: a KV cache of {} bytes holds no page: {} tokens take {} bytes", path.string(),
                        options.kv_bytes, kernels::kPageTokens, page_bytes);
  }
  const uint64_t weights = WeightBytes(shape, engine->device());
  const uint64_t needed = weights + pages * page_bytes + Transformer::WorkBytes(shape, options.max_batch_rows);
  // Another device has memory of its own, and says itself when it is short.
  if (const uint64_t available = options.device ? UINT64_MAX : AvailableMemory(); needed > available) {
    return Unavailable(
        "{} needs {:.2f} GiB of memory (weights {:.2f}, KV cache {:.2f}), and {:.2f} GiB are available: lower "
        "kv_bytes, or free memory",
        path.string(), needed / kGiB, weights / kGiB, pages * page_bytes / kGiB, available / kGiB);
  }
  ORRERY_RETURN_IF_ERROR(engine->Start(shape, static_cast<int>(pages)));
  return engine;
}

}  // namespace orrery::model
