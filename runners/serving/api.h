// SPDX-License-Identifier: Apache-2.0
#pragma once

// OpenAI's completions and chat completions as values: a body becomes requests to the engine, generations become an
// answer.
//
// Of the fields, those that this server does not know and those whose value it cannot honour are refused by name:
// nothing is passed over silently but what cannot change a result (`user`, `metadata`, …). docs/endpoint.md lists them.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/engine.h"
#include "model/stop_matcher.h"
#include "reasoning/chat_format.h"

namespace orrery::runners {

struct ServedModel {
  std::string name;
  const model::Tokenizer* tokenizer = nullptr;
  int context_length = 0;
  std::optional<reasoning::ChatFormat> chat_format;  // empty: chats are refused
  std::string default_system;                        // of a chat without a system turn; empty: none
  int most_choices = 256;                            // of one call
};

struct ApiCall {
  std::string id;       // of the answer
  int64_t created = 0;  // seconds since 1970
  bool chat = false;
  bool stream = false;
  bool include_usage = false;      // a stream ends with a chunk that tells the usage
  bool log_probabilities = false;  // those of the sampled tokens
  bool token_ids = false;          // `return_token_ids`
  size_t prompt_tokens = 0;        // of all prompts
  // One for each choice: those of the first prompt, then those of the second. Their ids are the caller's to set.
  std::vector<model::GenerationRequest> choices;
};

// A body of POST /v1/completions or of /v1/chat/completions. InvalidInput names the field, and what was expected;
// NotFound another model.
StatusOr<ApiCall> ReadCompletion(std::string_view body, const ServedModel& model);
StatusOr<ApiCall> ReadChat(std::string_view body, const ServedModel& model);

// The answer to a call that does not stream; one generation a choice.
std::string Answer(const ApiCall& call, const ServedModel& model, std::span<const model::Generation> generations);

// {"error": {message, type, param, code}}, and the HTTP status that goes with it.
std::string ErrorBody(const Status& status);
int HttpStatus(const Status& status);

// {"object": "list", "data": […]}, and its one entry.
std::string ModelList(const ServedModel& model);
std::string ModelEntry(const ServedModel& model);

// What of a choice may be sent already: whole characters that are certain not to belong to a stop string.
class StreamedChoice {
 public:
  StreamedChoice(const ApiCall* call, const ServedModel* model, size_t index);

  // Chunks as JSON; empty where nothing may be sent yet.
  std::string Begin() const;  // a chat's first: the role
  std::string Add(model::TokenId token, double log_probability);
  std::string End(const model::Generation& generation);

 private:
  std::string Chunk(std::string_view text, std::optional<model::FinishReason> reason, std::string_view stop);

  const ApiCall* call_;
  const ServedModel* model_;
  size_t index_;
  model::StopMatcher matcher_;
  size_t sent_ = 0;                     // bytes of the text
  std::vector<model::TokenId> tokens_;  // not told yet
  std::vector<double> log_probabilities_;
  size_t offset_ = 0;  // of the next token in the text
};

// The last chunk of a stream that asked for it: the usage of all choices.
std::string UsageChunk(const ApiCall& call, const ServedModel& model, size_t completion_tokens);

}  // namespace orrery::runners
