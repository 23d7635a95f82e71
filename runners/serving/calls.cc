// SPDX-License-Identifier: Apache-2.0

// The reading half of serve_api.h: bodies of calls, field by field.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "model/tokenizer/prompt_tokens.h"
#include "reasoning/prompt.h"
#include "runners/serving/api.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostStops = 64;
constexpr int kChatTokens = 1024;  // of an answer whose length the call leaves open
constexpr int kPlainTokens = 16;   // the same of a completion: OpenAI's default

// Fields that cannot change what is sampled.
constexpr std::string_view kHarmless[] = {"user",         "metadata",          "store",
                                          "service_tier", "safety_identifier", "prompt_cache_key"};
// Fields that are honoured only as far as their neutral value goes.
struct Neutral {
  const char* field;
  const char* value;
};
constexpr Neutral kNeutral[] = {{"presence_penalty", "0"},
                                {"frequency_penalty", "0"},
                                {"repetition_penalty", "1"},
                                {"min_p", "0"},
                                {"echo", "false"},
                                {"suffix", "\"\""},
                                {"logit_bias", "{}"},
                                {"tools", "[]"},
                                {"functions", "[]"},
                                {"tool_choice", "\"none\""},
                                {"top_logprobs", "0"},
                                {"response_format", R"({"type":"text"})"},
                                {"ignore_eos", "false"},
                                {"min_tokens", "0"},
                                {"parallel_tool_calls", "true"}};

std::string Found(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// The members of a call's object; remembers which were asked for. null stands for absent, as OpenAI has it.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}

  const Json* Get(const char* name) {
    seen_.insert(name);
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  StatusOr<double> Real(const char* name, double otherwise, double least, double most) {
    const Json* value = Get(name);
    if (value == nullptr) return otherwise;
    const double number = value->is_number() ? value->get<double>() : NAN;
    if (number >= least && number <= most) return number;
    return InvalidInput("{}: expected a number from {} to {}, found {}", name, least, most, Found(*value));
  }

  StatusOr<int> Whole(const char* name, int otherwise, int least, int most) {
    const Json* value = Get(name);
    if (value == nullptr) return otherwise;
    if (value->is_number_integer() && *value >= least && *value <= most) return value->get<int>();
    return InvalidInput("{}: expected a whole number from {} to {}, found {}", name, least, most, Found(*value));
  }

  StatusOr<bool> Flag(const char* name) {
    const Json* value = Get(name);
    if (value == nullptr) return false;
    if (value->is_boolean()) return value->get<bool>();
    return InvalidInput("{}: expected true or false, found {}", name, Found(*value));
  }

  // Complains of fields that nobody asked for.
  Status Rest() const {
    for (const auto& [name, value] : object_.items()) {
      if (seen_.contains(name) || value.is_null()) continue;
      if (std::find(std::begin(kHarmless), std::end(kHarmless), name) != std::end(kHarmless)) continue;
      const auto* neutral =
          std::find_if(std::begin(kNeutral), std::end(kNeutral), [&](const Neutral& n) { return name == n.field; });
      if (neutral == std::end(kNeutral))
        return InvalidInput("{}: not known to this server", Json(name).get<std::string>());
      if (value != Json::parse(neutral->value))
        return InvalidInput("{}: not supported by this server; expected {} or nothing, found {}", name, neutral->value,
                            Found(value));
    }
    return absl::OkStatus();
  }

 private:
  const Json& object_;
  std::set<std::string, std::less<>> seen_;
};

StatusOr<Json> ReadObject(std::string_view body) {
  Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded()) return InvalidInput("the body is no JSON");
  if (!json.is_object()) return InvalidInput("the body: expected an object in braces, found {}", Found(json));
  return json;
}

StatusOr<std::vector<std::string>> StopsOf(Fields& fields) {
  std::vector<std::string> stops;
  const Json* value = fields.Get("stop");
  if (value == nullptr) return stops;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& stop : list) {
    if (!stop.is_string() || stop.get_ref<const std::string&>().empty())
      return InvalidInput("stop: expected a text or a list of texts, none of them empty, found {}", Found(stop));
    stops.push_back(stop.get<std::string>());
  }
  if (stops.size() > kMostStops) return InvalidInput("stop: expected {} at most, found {}", kMostStops, stops.size());
  return stops;
}

// "0123456789abcdef-0123456789abcdef": a stream as our own endpoint policy names it.
std::optional<RandomStream> StreamOf(const Json& text) {
  if (!text.is_string()) return std::nullopt;
  const auto& digits = text.get_ref<const std::string&>();
  RandomStream stream;
  if (digits.size() != 33 || digits[16] != '-') return std::nullopt;
  const char* begin = digits.data();
  const auto key = std::from_chars(begin, begin + 16, stream.key, 16);
  const auto name = std::from_chars(begin + 17, begin + 33, stream.stream, 16);
  if (key.ptr != begin + 16 || name.ptr != begin + 33) return std::nullopt;
  return stream;
}

uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

// The streams of all choices. A whole number seeds them all, each choice with a stream of its own.
StatusOr<std::vector<RandomStream>> StreamsOf(Fields& fields, size_t choices) {
  std::vector<RandomStream> streams;
  const Json* seed = fields.Get("seed");
  if (seed == nullptr || seed->is_number_integer()) {
    const uint64_t key = seed == nullptr ? RandomSeed() : seed->get<uint64_t>();
    for (size_t i = 0; i < choices; ++i) streams.push_back({key, i});
    return streams;
  }
  for (const Json& one : seed->is_array() ? *seed : Json::array({*seed})) {
    const auto stream = StreamOf(one);
    if (!stream)
      return InvalidInput("seed: expected a whole number, or texts like 0123456789abcdef-0123456789abcdef, found {}",
                          Found(one));
    streams.push_back(*stream);
  }
  if (streams.size() != choices)
    return InvalidInput("seed: expected {} streams, one for each choice, found {}", choices, streams.size());
  return streams;
}

// What both kinds of call have in common, put on every choice of every prompt.
Status Complete(Fields& fields, const ServedModel& model, const std::vector<std::vector<model::TokenId>>& prompts,
                int max_tokens, ApiCall* call) {
  if (const Json* name = fields.Get("model"); name != nullptr && *name != model.name)
    return NotFound("model: this server serves {}, not {}", model.name, Found(*name));
  model::GenerationRequest request;
  ORRERY_ASSIGN_OR_RETURN(const double temperature, fields.Real("temperature", 1, 0, 10));
  ORRERY_ASSIGN_OR_RETURN(const double top_p, fields.Real("top_p", 1, 1e-9, 1));
  ORRERY_ASSIGN_OR_RETURN(const int top_k, fields.Whole("top_k", 0, -1, INT32_MAX));
  request.sampling = {static_cast<float>(temperature), static_cast<float>(top_p), std::max(0, top_k)};
  request.max_new_tokens = max_tokens;
  ORRERY_ASSIGN_OR_RETURN(request.stops, StopsOf(fields));
  ORRERY_ASSIGN_OR_RETURN(const int n, fields.Whole("n", 1, 1, model.most_choices));
  ORRERY_ASSIGN_OR_RETURN(const int best_of, fields.Whole("best_of", n, 1, INT32_MAX));
  if (best_of != n) return InvalidInput("best_of: not supported by this server; expected the value of n ({})", n);
  const size_t choices = prompts.size() * static_cast<size_t>(n);
  if (choices > static_cast<size_t>(model.most_choices))
    return InvalidInput("n: {} prompts of {} choices are more than the {} that this server takes", prompts.size(), n,
                        model.most_choices);
  ORRERY_ASSIGN_OR_RETURN(const auto streams, StreamsOf(fields, choices));
  ORRERY_ASSIGN_OR_RETURN(call->stream, fields.Flag("stream"));
  if (const Json* options = fields.Get("stream_options"); options != nullptr && options->is_object())
    call->include_usage = options->value("include_usage", Json(false)) == true;
  ORRERY_ASSIGN_OR_RETURN(call->token_ids, fields.Flag("return_token_ids"));
  ORRERY_RETURN_IF_ERROR(fields.Rest());
  for (const auto& prompt : prompts) {
    call->prompt_tokens += prompt.size();
    request.prompt = prompt;
    for (int i = 0; i < n; ++i) {
      request.random = streams[call->choices.size()];
      call->choices.push_back(request);
    }
  }
  call->created = std::time(nullptr);
  call->id = fmt::format("{}-{:016x}", call->chat ? "chatcmpl" : "cmpl", RandomSeed());
  return absl::OkStatus();
}

StatusOr<std::vector<model::TokenId>> TokensOf(const Json& list) {
  std::vector<model::TokenId> tokens;
  for (const Json& token : list) {
    if (!token.is_number_integer() || token < 0 || token > INT32_MAX)
      return InvalidInput("prompt: expected token ids, found {}", Found(token));
    tokens.push_back(token.get<model::TokenId>());
  }
  return tokens;
}

StatusOr<std::vector<std::vector<model::TokenId>>> PromptsOf(Fields& fields, const ServedModel& model) {
  const Json* prompt = fields.Get("prompt");
  if (prompt == nullptr) return InvalidInput("prompt: expected a text, token ids, or a list of either, found nothing");
  const bool several = prompt->is_array() && !prompt->empty() && !prompt->front().is_number();
  std::vector<std::vector<model::TokenId>> prompts;
  for (const Json& one : several ? *prompt : Json::array({*prompt})) {
    if (one.is_string()) {
      const reasoning::PromptPiece piece{one.get<std::string>(), true};
      prompts.push_back(model::EncodePrompt(*model.tokenizer, std::span(&piece, 1)));
    } else if (one.is_array()) {
      ORRERY_ASSIGN_OR_RETURN(prompts.emplace_back(), TokensOf(one));
    } else {
      return InvalidInput("prompt: expected a text, token ids, or a list of either, found {}", Found(one));
    }
    if (prompts.back().empty()) return InvalidInput("prompt: expected at least one token");
  }
  return prompts;
}

// A message's words: a text, or a list of parts that are texts.
StatusOr<std::string> ContentOf(const Json& message, size_t number) {
  const Json content = message.value("content", Json());
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  bool good = content.is_array();
  for (const Json& part : good ? content : Json::array()) {
    if (!part.is_object() || part.value("type", Json()) != "text" || !part.value("text", Json()).is_string()) {
      good = false;
      break;
    }
    text += part["text"].get<std::string>();
  }
  if (good) return text;
  return InvalidInput("messages[{}].content: expected a text, found {}", number, Found(content));
}

struct Message {
  reasoning::Role role;
  std::string content;
};

// The conversation: a system message or none, then user and assistant in turn, the user's last.
StatusOr<std::vector<Message>> MessagesOf(Fields& fields) {
  const Json* list = fields.Get("messages");
  if (list == nullptr || !list->is_array() || list->empty())
    return InvalidInput("messages: expected a list of messages, found {}", list == nullptr ? "nothing" : Found(*list));
  std::vector<Message> messages;
  for (const Json& message : *list) {
    const size_t number = messages.size();
    if (!message.is_object()) return InvalidInput("messages[{}]: expected an object, found {}", number, Found(message));
    const Json role = message.value("role", Json());
    ORRERY_ASSIGN_OR_RETURN(std::string content, ContentOf(message, number));
    const bool system = role == "system" || role == "developer";
    const bool answers = !messages.empty() && messages.back().role == reasoning::Role::kUser;
    if (system ? number != 0 : role != (answers ? "assistant" : "user"))
      return InvalidInput("messages[{}].role: expected {}, found {}", number,
                          answers       ? "assistant"
                          : number == 0 ? "system or user"
                                        : "user",
                          Found(role));
    messages.push_back({system    ? reasoning::Role::kSystem
                        : answers ? reasoning::Role::kAssistant
                                  : reasoning::Role::kUser,
                        std::move(content)});
  }
  if (messages.back().role != reasoning::Role::kUser)
    return InvalidInput("messages[{}].role: expected the last message to be the user's", messages.size() - 1);
  return messages;
}

}  // namespace

StatusOr<ApiCall> ReadCompletion(std::string_view body, const ServedModel& model) {
  ORRERY_ASSIGN_OR_RETURN(const Json object, ReadObject(body));
  Fields fields(object);
  ApiCall call;
  ORRERY_ASSIGN_OR_RETURN(const auto prompts, PromptsOf(fields, model));
  ORRERY_ASSIGN_OR_RETURN(const int max_tokens, fields.Whole("max_tokens", kPlainTokens, 1, INT32_MAX));
  if (const Json* logprobs = fields.Get("logprobs"); logprobs != nullptr) {
    if (*logprobs != 0 && *logprobs != 1)
      return InvalidInput("logprobs: expected 0 or 1 (the sampled token's; alternatives are not told), found {}",
                          Found(*logprobs));
    call.log_probabilities = true;
  }
  ORRERY_RETURN_IF_ERROR(Complete(fields, model, prompts, max_tokens, &call));
  return call;
}

StatusOr<ApiCall> ReadChat(std::string_view body, const ServedModel& model) {
  ORRERY_ASSIGN_OR_RETURN(const Json object, ReadObject(body));
  Fields fields(object);
  ApiCall call;
  call.chat = true;
  if (!model.chat_format)
    return InvalidInput(
        "the model {} has no chat format that this server knows: use /v1/completions, or start it with "
        "search.chat_format",
        model.name);
  ORRERY_ASSIGN_OR_RETURN(const auto messages, MessagesOf(fields));
  std::vector<reasoning::Turn> turns;
  if (!model.default_system.empty() && (messages.empty() || messages.front().role != reasoning::Role::kSystem))
    turns.push_back({reasoning::Role::kSystem, model.default_system});
  for (const Message& message : messages) turns.push_back({message.role, message.content});
  const auto pieces = reasoning::ChatPieces(*model.chat_format, turns);
  const auto prompt = model::EncodePrompt(*model.tokenizer, pieces);
  const int room = std::max(1, model.context_length - static_cast<int>(prompt.size()));
  ORRERY_ASSIGN_OR_RETURN(const int older, fields.Whole("max_tokens", std::min(room, kChatTokens), 1, INT32_MAX));
  ORRERY_ASSIGN_OR_RETURN(const int max_tokens, fields.Whole("max_completion_tokens", older, 1, INT32_MAX));
  ORRERY_ASSIGN_OR_RETURN(call.log_probabilities, fields.Flag("logprobs"));
  ORRERY_RETURN_IF_ERROR(Complete(fields, model, {prompt}, max_tokens, &call));
  return call;
}

}  // namespace orrery::runners
