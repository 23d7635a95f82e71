// SPDX-License-Identifier: Apache-2.0

// Any bytes as the body of a call: an error that is an error object, or requests that hold to what the server promised.

#include <nlohmann/json.hpp>
#include <string>

#include "model/tokenizer/byte_tokenizer.h"
#include "runners/serving/address.h"
#include "runners/serving/api.h"
#include "tests/model/fuzz.h"

namespace {

using namespace orrery;
using namespace orrery::runners;

void Check(bool good) {
  if (!good) std::abort();
}

void CheckCall(const StatusOr<ApiCall>& call, const ServedModel& model) {
  if (!call.ok()) {
    const auto error = nlohmann::json::parse(ErrorBody(call.status()));
    Check(error["error"]["message"].is_string());
    Check(HttpStatus(call.status()) == 400 || HttpStatus(call.status()) == 404);
    return;
  }
  Check(!call->choices.empty() && call->choices.size() <= static_cast<size_t>(model.most_choices));
  std::vector<orrery::model::Generation> generations(call->choices.size());
  for (size_t i = 0; i < generations.size(); ++i) {
    const auto& request = call->choices[i];
    Check(!request.prompt.empty() && request.max_new_tokens >= 1);
    Check(request.sampling.temperature >= 0 && request.sampling.top_p > 0 && request.sampling.top_k >= 0);
    for (const auto& stop : request.stops) Check(!stop.empty());
    // A stream of arbitrary tokens adds up to what it was cut to, and every piece is JSON.
    StreamedChoice choice(&*call, &model, i);
    orrery::model::StopMatcher matcher(request.stops);
    std::optional<orrery::model::StopMatcher::Match> match;
    std::string sent;
    const auto hear = [&](const std::string& chunk) {
      if (chunk.empty()) return;
      const auto json = nlohmann::json::parse(chunk)["choices"][0];
      sent += call->chat ? json["delta"].value("content", "") : json["text"].get<std::string>();
    };
    for (const auto token : request.prompt) {
      if (token < 0 || token > 255 || match) break;
      match = matcher.Append(model.tokenizer->Bytes(token));
      generations[i].tokens.push_back(token);
      generations[i].log_probabilities.push_back(-1);
      hear(choice.Add(token, -1));
    }
    generations[i].text = match ? matcher.text().substr(0, match->begin) : matcher.text();
    hear(choice.End(generations[i]));
    Check(sent.size() >= generations[i].text.size());
  }
  Check(nlohmann::json::parse(Answer(*call, model, generations))["choices"].size() == generations.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const orrery::model::ByteTokenizer tokenizer;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  ServedModel model{.name = "m",
                    .tokenizer = &tokenizer,
                    .context_length = 100,
                    .chat_format = reasoning::ChatFormat::kChatMl,
                    .most_choices = 8};
  CheckCall(ReadCompletion(body, model), model);
  CheckCall(ReadChat(body, model), model);
  (void)ParseListenAddress(body);
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  return orrery::fuzz::Drive(
      {R"({"model":"m","prompt":"h\u00e9llo <end> there","max_tokens":5,"n":2,"stop":["<end>","e"],"seed":3,"logprobs":1,"stream":true})",
       R"({"prompt":[[104,195,169,1],"x"],"seed":["0123456789abcdef-fedcba9876543210","0000000000000000-0000000000000001"],"return_token_ids":true})",
       R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"q"}]}],"logprobs":true,"max_completion_tokens":7,"stream_options":{"include_usage":true}})",
       R"({"prompt":"x","temperature":0.5,"top_p":0.9,"top_k":-1,"echo":false,"logit_bias":{},"user":"u"})",
       "[::1]:8080"},
      40000);
}
#endif
