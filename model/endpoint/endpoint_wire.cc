// SPDX-License-Identifier: Apache-2.0
#include "model/endpoint/endpoint_wire.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "model/stop_matcher.h"
#include "model/tokenizer/unicode.h"

namespace orrery::model {
namespace {

using Json = nlohmann::json;

constexpr size_t kShownBytes = 160;

// Text for a message: one line, not too long, control characters left out.
std::string Shown(std::string_view text) {
  std::string line;
  for (const char c : ReplaceIllFormed(text.substr(0, kShownBytes))) {
    const bool blank = static_cast<unsigned char>(c) <= ' ' || c == 0x7F;
    if (!blank) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  return text.size() > kShownBytes ? line + "…" : line;
}

std::string ShownJson(const Json& json) { return Shown(json.dump(-1, ' ', false, Json::error_handler_t::replace)); }

// A member of an object; null where there is none.
const Json& Member(const Json& object, const char* name) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

StatusOr<Json> ReadObject(std::string_view body) {
  Json json = Json::parse(body, nullptr, false);
  if (json.is_object()) return json;
  return InvalidInput("the answer is no JSON object: '{}'", Shown(body));
}

// The prompt as text: special tokens as they are spelt. The server puts the begin-of-text token itself.
std::string PromptText(const Tokenizer& tokenizer, std::span<const TokenId> prompt) {
  if (const auto begin = tokenizer.BeginOfText(); begin && !prompt.empty() && prompt.front() == *begin)
    prompt = prompt.subspan(1);
  std::string text;
  for (const TokenId token : prompt) {
    const std::string_view bytes = tokenizer.Bytes(token);
    text += bytes.empty() ? tokenizer.SpecialText(token) : bytes;
  }
  return text;
}

bool Greedy(const GenerationRequest& request) { return request.sampling.temperature == 0; }

Json SeedOf(std::span<const GenerationRequest> requests, const EndpointDialect& dialect) {
  if (dialect.server != EndpointServer::kOrrery)
    return requests.front().random.Bits(Purpose::kSampleToken, 0) >> 1;  // 31 bits: some servers keep it in an int
  Json streams = Json::array();
  for (const GenerationRequest& request : requests)
    streams.push_back(fmt::format("{:016x}-{:016x}", request.random.key, request.random.stream));
  return streams;
}

// What `logprobs` of a choice tells.
struct Told {
  std::vector<std::string> tokens;
  std::vector<double> log_probabilities;
};

StatusOr<Told> ReadLogprobs(const Json& choice) {
  Told told;
  const Json& logprobs = Member(choice, "logprobs");
  const Json& values = Member(logprobs, "token_logprobs");
  if (!values.is_array()) return told;
  for (const Json& value : values) {
    if (!value.is_number() && !value.is_null())
      return InvalidInput("logprobs.token_logprobs: expected numbers, found {}", ShownJson(value));
    told.log_probabilities.push_back(value.is_null() ? 0 : value.get<double>());
  }
  const Json& tokens = Member(logprobs, "tokens");
  if (!tokens.is_array()) return told;
  for (const Json& token : tokens) {
    if (!token.is_string()) return InvalidInput("logprobs.tokens: expected texts, found {}", ShownJson(token));
    told.tokens.push_back(token.get<std::string>());
  }
  return told;
}

// The token ids that a server told, if it did.
StatusOr<std::optional<std::vector<TokenId>>> ReadTokenIds(const Json& choice, const Tokenizer& tokenizer) {
  const Json& ids = Member(choice, "token_ids");
  if (!ids.is_array()) return std::nullopt;
  std::vector<TokenId> tokens;
  for (const Json& id : ids) {
    if (!id.is_number_integer() || id < 0 || id >= tokenizer.vocabulary_size())
      return InvalidInput("token_ids: expected 0 to {}, found {}", tokenizer.vocabulary_size() - 1, ShownJson(id));
    tokens.push_back(id.get<TokenId>());
  }
  return tokens;
}

void SetLogProbabilities(std::vector<double> values, Generation* generation) {
  generation->log_probability = std::accumulate(values.begin(), values.end(), 0.0);
  generation->log_probabilities = std::move(values);
}

// From the tokens themselves, as an engine here would have ended them: text and stop come out to the byte.
Status Rebuild(std::vector<TokenId> tokens, const GenerationRequest& request, const Tokenizer& tokenizer, Told told,
               Generation* generation) {
  StopMatcher text(request.stops);
  size_t used = 0;
  std::optional<StopMatcher::Match> match;
  while (used < tokens.size() && !match) {
    const TokenId token = tokens[used++];
    if (tokenizer.IsEndOfText(token)) {
      generation->reason = FinishReason::kEndOfText;
      break;
    }
    match = text.Append(tokenizer.Bytes(token));
  }
  generation->text = match ? text.text().substr(0, match->begin) : text.text();
  if (match) {
    generation->stop = text.stop(match->stop);
    generation->reason = FinishReason::kStop;
  }
  if (!told.log_probabilities.empty()) {
    if (told.log_probabilities.size() < used)
      return InvalidInput("logprobs.token_logprobs: expected one for each of {} tokens, found {}", used,
                          told.log_probabilities.size());
    told.log_probabilities.resize(used);
    SetLogProbabilities(std::move(told.log_probabilities), generation);
  }
  tokens.resize(used);
  generation->tokens = std::move(tokens);
  return absl::OkStatus();
}

// How many of the told tokens it takes to come to byte `end` of the text; all where their texts do not add up to it.
size_t TokensUpTo(const std::vector<std::string>& tokens, size_t end) {
  size_t bytes = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    bytes += tokens[i].size();
    if (bytes >= end) return i + 1;
  }
  return tokens.size();
}

// From text alone. Where the server named the stop it has cut the text already; otherwise it is cut here.
Status FromText(const std::string& text, std::string_view named, const GenerationRequest& request,
                const Tokenizer& tokenizer, Told told, Generation* generation) {
  StopMatcher matcher(request.stops);
  const auto match = matcher.Append(text);
  size_t end = text.size();
  generation->text = text;
  if (match) {
    generation->text.resize(match->begin);
    generation->stop = matcher.stop(match->stop);
    generation->reason = FinishReason::kStop;
    end = match->begin + generation->stop.size();
  } else if (!named.empty()) {
    generation->stop = named;
    generation->reason = FinishReason::kStop;
  }
  size_t count = told.log_probabilities.size();
  if (match && told.tokens.size() == count) count = TokensUpTo(told.tokens, end);
  if (count == 0) count = tokenizer.EncodeContinuation(text.substr(0, end), SpecialTokens::kPlain).size();
  generation->tokens.assign(count, -1);
  told.log_probabilities.resize(std::min(count, told.log_probabilities.size()));
  SetLogProbabilities(std::move(told.log_probabilities), generation);
  return absl::OkStatus();
}

// The stop that a server names: vLLM and ours, SGLang, llama.cpp. Empty: the model's own end; nothing: it does not
// tell.
std::optional<std::string> NamedStop(const Json& choice) {
  for (const char* field : {"stop_reason", "matched_stop", "stopping_word"}) {
    const auto found = choice.find(field);
    if (found == choice.end()) continue;
    return found->is_string() ? found->get<std::string>() : std::string();
  }
  return std::nullopt;
}

StatusOr<Generation> ReadChoice(const Json& choice, const GenerationRequest& request, const EndpointDialect& dialect,
                                const Tokenizer& tokenizer) {
  const Json& text = Member(choice, "text");
  if (!text.is_string()) return InvalidInput("text: expected a text, found {}", ShownJson(text));
  const Json& reason = Member(choice, "finish_reason");
  if (reason != "stop" && reason != "length")
    return InvalidInput("finish_reason: expected \"stop\" or \"length\", found {}", ShownJson(reason));
  Generation generation;
  generation.reason = reason == "length" ? FinishReason::kLength : FinishReason::kEndOfText;
  ORRERY_ASSIGN_OR_RETURN(Told told, ReadLogprobs(choice));
  const bool exact = dialect.server == EndpointServer::kOrrery && dialect.token_prompts;
  if (exact && dialect.log_probabilities && told.log_probabilities.empty())
    return InvalidInput("logprobs: expected token_logprobs, found {}", ShownJson(Member(choice, "logprobs")));
  if (dialect.token_prompts) {
    ORRERY_ASSIGN_OR_RETURN(auto tokens, ReadTokenIds(choice, tokenizer));
    if (tokens && !tokens->empty()) {
      ORRERY_RETURN_IF_ERROR(Rebuild(*std::move(tokens), request, tokenizer, std::move(told), &generation));
      if (exact && ReplaceIllFormed(generation.text) != text)
        return InvalidInput(
            "text: the server's tokens read '{}' here and {} there: model.name is not the model that it serves",
            Shown(generation.text), ShownJson(text));
      return generation;
    }
    if (exact) return InvalidInput("token_ids: expected token ids, found {}", ShownJson(Member(choice, "token_ids")));
  }
  const auto named = NamedStop(choice);
  if (dialect.server != EndpointServer::kStandard && reason == "stop" && !named)
    return InvalidInput(
        "stop_reason: expected the stop that ended the choice, found nothing: endpoint.server=standard does without");
  const std::string_view stop = named ? std::string_view(*named) : std::string_view();
  if (!stop.empty() && std::find(request.stops.begin(), request.stops.end(), stop) == request.stops.end())
    return InvalidInput("stop_reason: expected one of the stops, found '{}'", Shown(stop));
  ORRERY_RETURN_IF_ERROR(
      FromText(text.get_ref<const std::string&>(), stop, request, tokenizer, std::move(told), &generation));
  return generation;
}

}  // namespace

Status CheckRequest(const GenerationRequest& request, const EndpointDialect& dialect) {
  if (request.sampling.top_k > 0 && dialect.server == EndpointServer::kStandard)
    return InvalidInput("search.top_k is {}, which OpenAI's completions have not: expected 0, or endpoint.server=vllm",
                        request.sampling.top_k);
  return absl::OkStatus();
}

bool SameCall(const GenerationRequest& a, const GenerationRequest& b) {
  return a.max_new_tokens == b.max_new_tokens && a.sampling.temperature == b.sampling.temperature &&
         a.sampling.top_p == b.sampling.top_p && a.sampling.top_k == b.sampling.top_k && a.stops == b.stops &&
         a.prompt == b.prompt;
}

std::string CompletionBody(std::span<const GenerationRequest> requests, const EndpointDialect& dialect,
                           const Tokenizer& tokenizer) {
  const GenerationRequest& request = requests.front();
  const auto choices = Greedy(request) ? requests.first(1) : requests;
  const bool extended = dialect.server != EndpointServer::kStandard;
  Json body = {{"model", dialect.model},
               {"max_tokens", request.max_new_tokens},
               {"temperature", request.sampling.temperature},
               {"top_p", request.sampling.top_p},
               {"seed", SeedOf(choices, dialect)}};
  if (dialect.token_prompts) {
    body["prompt"] = request.prompt;
  } else {
    body["prompt"] = PromptText(tokenizer, request.prompt);
  }
  if (choices.size() > 1) body["n"] = choices.size();
  if (dialect.log_probabilities) body["logprobs"] = 1;
  if (extended) {
    if (!request.stops.empty()) body["stop"] = request.stops;
    if (request.sampling.top_k > 0) body["top_k"] = request.sampling.top_k;
    if (dialect.token_prompts) body["return_token_ids"] = true;
  }
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

StatusOr<std::vector<Generation>> ReadCompletionAnswer(std::string_view body,
                                                       std::span<const GenerationRequest> requests,
                                                       const EndpointDialect& dialect, const Tokenizer& tokenizer) {
  ORRERY_ASSIGN_OR_RETURN(const Json answer, ReadObject(body));
  const Json& choices = Member(answer, "choices");
  const size_t asked = Greedy(requests.front()) ? 1 : requests.size();
  if (!choices.is_array() || choices.empty() || choices.size() > asked)
    return InvalidInput("choices: expected {} choices, found {}", asked, ShownJson(choices));
  std::vector<std::optional<Generation>> found(choices.size());
  for (const Json& choice : choices) {
    const Json& index = Member(choice, "index");
    const bool good = index.is_number_integer() && index >= 0 && index < found.size();
    if (!good || found[index.get<size_t>()])
      return InvalidInput("choices: expected the indices 0 to {}, each once, found {}", found.size() - 1,
                          ShownJson(index));
    auto generation = ReadChoice(choice, requests.front(), dialect, tokenizer);
    if (!generation.ok()) return Annotate(generation.status(), fmt::format("choices[{}]", index.get<size_t>()));
    found[index.get<size_t>()] = *std::move(generation);
  }
  std::vector<Generation> generations;
  generations.reserve(requests.size());
  for (auto& generation : found) generations.push_back(*std::move(generation));
  if (Greedy(requests.front())) generations.resize(requests.size(), Generation(generations.front()));
  return generations;
}

StatusOr<std::vector<ListedModel>> ReadModelList(std::string_view body) {
  ORRERY_ASSIGN_OR_RETURN(const Json answer, ReadObject(body));
  const Json& data = Member(answer, "data");
  if (!data.is_array()) return InvalidInput("data: expected a list of models, found {}", ShownJson(data));
  std::vector<ListedModel> models;
  for (const Json& entry : data) {
    const Json& id = Member(entry, "id");
    if (!id.is_string()) return InvalidInput("data[{}].id: expected a text, found {}", models.size(), ShownJson(id));
    const Json& length = Member(entry, "max_model_len");
    const bool told = length.is_number_integer() && length > 0 && length <= INT32_MAX;
    models.push_back({id.get<std::string>(), told ? length.get<int>() : 0});
  }
  return models;
}

std::string ErrorWords(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  const Json& error = Member(json, "error");
  const Json& message = error.is_object()   ? Member(error, "message")
                        : error.is_string() ? error
                                            : Member(json, "message");
  if (message.is_string()) return Shown(message.get_ref<const std::string&>());
  return body.empty() ? "(nothing)" : Shown(body);
}

}  // namespace orrery::model
