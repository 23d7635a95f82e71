// SPDX-License-Identifier: Apache-2.0
#pragma once

// OpenAI's completions from the caller's side, as values: requests become a body, an answer becomes generations.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/engine.h"

namespace orrery::model {

// What a server understands beyond OpenAI's own fields.
enum class EndpointServer : uint8_t {
  kStandard,  // nothing: no stop strings are sent, since the answer does not say which one it was; texts are cut here
  kVllm,      // top_k, return_token_ids, and stop_reason, which names the stop
  kOrrery,    // as kVllm; `seed` names a random stream for each choice, and ids are those of our tokenizer
};

struct EndpointDialect {
  EndpointServer server = EndpointServer::kStandard;
  std::string model;              // the server's name of it
  bool token_prompts = false;     // the server's tokenizer is ours: prompts go as ids, and ids come back where they can
  bool log_probabilities = true;  // asked for
};

// InvalidInput if the server cannot do what the request asks for.
Status CheckRequest(const GenerationRequest& request, const EndpointDialect& dialect);

// Whether one call may ask for both: everything but the random stream is equal.
bool SameCall(const GenerationRequest& a, const GenerationRequest& b);

// One call for all of `requests`, which SameCall holds for. A greedy one asks for a single choice, which answers them
// all.
std::string CompletionBody(std::span<const GenerationRequest> requests, const EndpointDialect& dialect,
                           const Tokenizer& tokenizer);

// The answer's choices in their order, at least one and at most as many as there are requests. Their ids are not set;
// `tokens` are -1 where the server does not tell them. The error names the field and what was expected.
StatusOr<std::vector<Generation>> ReadCompletionAnswer(std::string_view body,
                                                       std::span<const GenerationRequest> requests,
                                                       const EndpointDialect& dialect, const Tokenizer& tokenizer);

struct ListedModel {
  std::string id;
  int context_length = 0;  // 0: not told
};
StatusOr<std::vector<ListedModel>> ReadModelList(std::string_view body);

// What an answer that reports a failure says: its error object's message, else how the text begins. One line.
std::string ErrorWords(std::string_view body);

}  // namespace orrery::model
