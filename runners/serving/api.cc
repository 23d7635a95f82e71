// SPDX-License-Identifier: Apache-2.0
#include "runners/serving/api.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/stop_matcher.h"
#include "model/tokenizer/unicode.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string_view FinishName(model::FinishReason reason) {
  return reason == model::FinishReason::kLength ? "length" : "stop";
}

// A token as text: a special one as its publisher spells it; a part of a character as U+FFFD.
std::string TokenText(const model::Tokenizer& tokenizer, model::TokenId token) {
  const std::string_view bytes = tokenizer.Bytes(token);
  return bytes.empty() ? std::string(tokenizer.SpecialText(token)) : model::ReplaceIllFormed(bytes);
}

size_t Characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// The log-probabilities of tokens in the shape of completions; `offset` is moved to where the next token begins.
Json CompletionLogprobs(const model::Tokenizer& tokenizer, std::span<const model::TokenId> tokens,
                        std::span<const double> log_probabilities, size_t* offset) {
  Json texts = Json::array(), offsets = Json::array();
  for (const model::TokenId token : tokens) {
    texts.push_back(TokenText(tokenizer, token));
    offsets.push_back(*offset);
    *offset += Characters(model::ReplaceIllFormed(tokenizer.Bytes(token)));
  }
  Json values = Json::array();
  for (const double value : log_probabilities) values.push_back(value);
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", nullptr},
          {"text_offset", std::move(offsets)}};
}

Json ChatLogprobs(const model::Tokenizer& tokenizer, std::span<const model::TokenId> tokens,
                  std::span<const double> log_probabilities) {
  Json content = Json::array();
  for (size_t i = 0; i < tokens.size(); ++i) {
    Json bytes = Json::array();
    for (const char c : tokenizer.Bytes(tokens[i])) bytes.push_back(static_cast<unsigned char>(c));
    content.push_back({{"token", TokenText(tokenizer, tokens[i])},
                       {"logprob", log_probabilities[i]},
                       {"bytes", std::move(bytes)},
                       {"top_logprobs", Json::array()}});
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json Logprobs(const ApiCall& call, const ServedModel& model, std::span<const model::TokenId> tokens,
              std::span<const double> log_probabilities, size_t* offset) {
  if (!call.log_probabilities) return nullptr;
  if (call.chat) return ChatLogprobs(*model.tokenizer, tokens, log_probabilities);
  return CompletionLogprobs(*model.tokenizer, tokens, log_probabilities, offset);
}

Json Usage(const ApiCall& call, size_t completion_tokens) {
  return {{"prompt_tokens", call.prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", call.prompt_tokens + completion_tokens}};
}

Json Head(const ApiCall& call, const ServedModel& model) {
  const char* object = !call.chat ? "text_completion" : call.stream ? "chat.completion.chunk" : "chat.completion";
  return {{"id", call.id}, {"object", object}, {"created", call.created}, {"model", model.name}};
}

// Which stop string ended a choice; the model's own end of turn has none.
Json StopReason(std::string_view stop) { return stop.empty() ? Json(nullptr) : Json(std::string(stop)); }

// The bytes at the end of `text` that begin a character and do not complete it.
size_t UnfinishedCharacter(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

// The longest end of `text` that is the beginning of a stop string.
size_t BegunStop(std::string_view text, const std::vector<std::string>& stops) {
  size_t longest = 0;
  for (const std::string& stop : stops) {
    for (size_t length = std::min(stop.size() - 1, text.size()); length > longest; --length) {
      if (text.ends_with(std::string_view(stop).substr(0, length))) longest = length;
    }
  }
  return longest;
}

}  // namespace

std::string Answer(const ApiCall& call, const ServedModel& model, std::span<const model::Generation> generations) {
  Json choices = Json::array();
  size_t completion_tokens = 0;
  for (size_t i = 0; i < generations.size(); ++i) {
    const model::Generation& generation = generations[i];
    completion_tokens += generation.tokens.size();
    Json choice = {{"index", i}};
    const std::string text = model::ReplaceIllFormed(generation.text);
    if (call.chat) {
      choice["message"] = {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}};
    } else {
      choice["text"] = text;
    }
    size_t offset = 0;
    choice["logprobs"] = Logprobs(call, model, generation.tokens, generation.log_probabilities, &offset);
    choice["finish_reason"] = FinishName(generation.reason);
    choice["stop_reason"] = StopReason(generation.stop);
    if (call.token_ids) choice["token_ids"] = generation.tokens;
    choices.push_back(std::move(choice));
  }
  Json answer = Head(call, model);
  answer["choices"] = std::move(choices);
  answer["usage"] = Usage(call, completion_tokens);
  return Dump(answer);
}

StreamedChoice::StreamedChoice(const ApiCall* call, const ServedModel* model, size_t index)
    : call_(call), model_(model), index_(index), matcher_(call->choices[index].stops) {}

std::string StreamedChoice::Begin() const {
  Json chunk = Head(*call_, *model_);
  chunk["choices"] = Json::array({{{"index", index_},
                                   {"delta", {{"role", "assistant"}, {"content", ""}}},
                                   {"logprobs", nullptr},
                                   {"finish_reason", nullptr}}});
  return Dump(chunk);
}

std::string StreamedChoice::Chunk(std::string_view text, std::optional<model::FinishReason> reason,
                                  std::string_view stop) {
  Json choice = {{"index", index_}};
  const std::string well_formed = model::ReplaceIllFormed(text);
  if (call_->chat) {
    choice["delta"] = well_formed.empty() ? Json::object() : Json{{"content", well_formed}};
  } else {
    choice["text"] = well_formed;
  }
  choice["logprobs"] = Logprobs(*call_, *model_, tokens_, log_probabilities_, &offset_);
  choice["finish_reason"] = reason ? Json(FinishName(*reason)) : Json(nullptr);
  if (reason) choice["stop_reason"] = StopReason(stop);
  if (call_->token_ids) choice["token_ids"] = tokens_;
  tokens_.clear();
  log_probabilities_.clear();
  Json chunk = Head(*call_, *model_);
  chunk["choices"] = Json::array({std::move(choice)});
  return Dump(chunk);
}

std::string StreamedChoice::Add(model::TokenId token, double log_probability) {
  tokens_.push_back(token);
  log_probabilities_.push_back(log_probability);
  // The token that ends the choice is told by End.
  if (model_->tokenizer->IsEndOfText(token) || matcher_.Append(model_->tokenizer->Bytes(token))) return {};
  const std::string_view text = matcher_.text();
  const size_t safe = text.size() - std::max(UnfinishedCharacter(text), BegunStop(text, call_->choices[index_].stops));
  if (safe <= sent_) return {};
  const std::string_view news = text.substr(sent_, safe - sent_);
  sent_ = safe;
  return Chunk(news, std::nullopt, "");
}

std::string StreamedChoice::End(const model::Generation& generation) {
  return Chunk(std::string_view(generation.text).substr(std::min(sent_, generation.text.size())), generation.reason,
               generation.stop);
}

std::string UsageChunk(const ApiCall& call, const ServedModel& model, size_t completion_tokens) {
  Json chunk = Head(call, model);
  chunk["choices"] = Json::array();
  chunk["usage"] = Usage(call, completion_tokens);
  return Dump(chunk);
}

int HttpStatus(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument: return 400;
    case absl::StatusCode::kUnauthenticated: return 401;
    case absl::StatusCode::kNotFound: return 404;
    case absl::StatusCode::kUnimplemented: return 405;
    case absl::StatusCode::kOutOfRange: return 413;
    case absl::StatusCode::kResourceExhausted: return 429;
    case absl::StatusCode::kUnavailable: return 503;
    default: return 500;
  }
}

std::string ErrorBody(const Status& status) {
  const int code = HttpStatus(status);
  const std::string message = Message(status);
  // A message that begins with a field's name and a colon is about that field.
  const size_t colon = message.find(": ");
  const std::string_view field = std::string_view(message).substr(0, colon == std::string::npos ? 0 : colon);
  const bool named = code == 400 && !field.empty() &&
                     field.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789[].") == std::string_view::npos;
  const char* type = code >= 500   ? "server_error"
                     : code == 429 ? "rate_limit_error"
                     : code == 401 ? "authentication_error"
                                   : "invalid_request_error";
  Json error = {{"message", message}, {"type", type}, {"param", named ? Json(std::string(field)) : Json(nullptr)}};
  const bool overflow = message.find("do not fit the") != std::string::npos;
  error["code"] = code == 401               ? Json("invalid_api_key")
                  : code == 429             ? Json("rate_limit_exceeded")
                  : code == 400 && overflow ? Json("context_length_exceeded")
                                            : Json(nullptr);
  return Dump({{"error", std::move(error)}});
}

namespace {

Json EntryOf(const ServedModel& model) {
  return {{"id", model.name},
          {"object", "model"},
          {"created", 0},
          {"owned_by", "orrery"},
          {"max_model_len", model.context_length}};
}

}  // namespace

std::string ModelEntry(const ServedModel& model) { return Dump(EntryOf(model)); }

std::string ModelList(const ServedModel& model) {
  return Dump({{"object", "list"}, {"data", Json::array({EntryOf(model)})}});
}

}  // namespace orrery::runners
