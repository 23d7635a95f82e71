// SPDX-License-Identifier: Apache-2.0

// Any bytes as a server's answer: an error in one line, or as many generations as were asked for at most, each of which
// holds no stop string.

#include <string>
#include <vector>

#include "model/endpoint/endpoint_wire.h"
#include "model/endpoint/http_client.h"
#include "model/tokenizer/byte_tokenizer.h"
#include "tests/model/fuzz.h"

namespace {

using namespace orrery::model;

void Check(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ByteTokenizer tokenizer;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  std::vector<GenerationRequest> requests(2);
  for (auto& request : requests) {
    request.prompt = {65};
    request.stops = {"<end>"};
    request.sampling.temperature = 1;
  }
  for (const auto server : {EndpointServer::kStandard, EndpointServer::kVllm, EndpointServer::kOrrery}) {
    const EndpointDialect dialect{.server = server, .model = "m", .token_prompts = server != EndpointServer::kStandard};
    const auto read = ReadCompletionAnswer(body, requests, dialect, tokenizer);
    if (!read.ok()) {
      Check(orrery::Message(read.status()).find('\n') == std::string::npos);
      continue;
    }
    Check(!read->empty() && read->size() <= 2);
    for (const Generation& generation : *read) {
      Check(generation.text.find("<end>") == std::string::npos);
      Check(generation.stop.empty() == (generation.reason != FinishReason::kStop));
      Check(generation.log_probabilities.size() <= generation.tokens.size());
    }
  }
  Check(ErrorWords(body).find('\n') == std::string::npos);
  (void)ReadModelList(body);
  (void)ParseHttpAddress(body);
  Check(RetryAfterSeconds(body, 0) >= 0);
  return 0;
}

#ifndef ORRERY_LIBFUZZER
int main() {
  return orrery::fuzz::Drive(
      {R"({"choices":[{"index":0,"text":"ab<end>","finish_reason":"stop","stop_reason":"<end>","token_ids":[97,98,60,101,110,100,62],"logprobs":{"tokens":["a","b","<end>"],"token_logprobs":[-1,-2.5,-3e-9]}}]})",
       R"({"choices":[{"index":1,"text":"x","finish_reason":"length","logprobs":null},{"index":0,"text":"\ud83d\ude00","finish_reason":"stop","matched_stop":null}],"usage":{}})",
       R"({"data":[{"id":"m","max_model_len":4096}]})", R"({"error":{"message":"no"}})", "<html>502</html>",
       "https://[::1]:8080/v1/", "Sun, 06 Nov 1994 08:49:37 GMT", "120"},
      60000);
}
#endif
