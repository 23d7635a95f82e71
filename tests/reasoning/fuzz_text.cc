// SPDX-License-Identifier: Apache-2.0
// Fuzz target of every reader of outside text in reasoning/: problem lines, sampled steps, answers. The driver below
// mutates seeds with a fixed random stream; `LLVMFuzzerTestOneInput` also serves a libFuzzer build. Checked: no crash,
// and what is accepted keeps its promises.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "reasoning/grader.h"
#include "reasoning/number.h"
#include "reasoning/problem.h"
#include "reasoning/step.h"
#include "reasoning/text.h"
#include "tests/model/fuzz.h"

namespace orrery::reasoning {
namespace {

void Require(bool holds, const char* what, std::string_view input) {
  if (holds) return;
  std::fprintf(stderr, "fuzz_text: %s fails for %zu bytes: %.*s\n", what, input.size(), static_cast<int>(input.size()),
               input.data());
  std::abort();
}

void CheckProblem(std::string_view input) {
  const auto problem = ParseProblem(input);
  if (!problem.ok()) return;
  Require(!problem->question.empty() && !problem->answer.empty(), "a problem has a question and an answer", input);
  Require(ValidUtf8Prefix(problem->question) == problem->question.size(), "a question is UTF-8", input);
  Require(ValidUtf8Prefix(problem->answer) == problem->answer.size(), "an answer is UTF-8", input);
}

void CheckStep(std::string_view input) {
  for (const auto& stop : StopStrings()) {
    for (const auto position : {Position::kInCode, Position::kAfterOutput}) {
      const auto step = ParseStep(input, stop, position);
      if (!step.ok()) continue;
      Require(step->text.ends_with(stop + "\n"), "a step ends with its marker", input);
      const std::string_view body(step->text.data(), step->text.size() - stop.size() - 1);
      const auto again = ParseStep(body, stop, position);
      Require(again.ok() && again->text == step->text, "a parsed step parses to itself", input);
      Require((step->kind == StepKind::kAnswer) == !step->answer.empty(), "an answer step has an answer, no other has",
              input);
      Require((step->kind != StepKind::kAnswer) == !step->code.empty(), "a code step has code", input);
    }
  }
  const auto block = OutputBlock(input, 50);
  Require(block.find(kEndOfOutput) == block.size() - kEndOfOutput.size() - kAnswer.size() - 1, "one end of output",
          input);
}

void CheckAnswer(std::string_view input) {
  const std::string undressed = Undress(input);
  Require(undressed.size() <= 2 * input.size() + 8, "undressing does not grow a text", input);
  (void)LastBoxed(input);
  const auto grade = GradeNumbers(input, input);
  Require(!grade || *grade == Grade::kEqual, "a number equals itself", input);
  const size_t half = input.size() / 2;
  const auto forth = GradeNumbers(input.substr(0, half), input.substr(half)),
             back = GradeNumbers(input.substr(half), input.substr(0, half));
  Require(forth == back, "comparison of numbers is symmetric", input);
  (void)GradeTexts(input.substr(0, half), input.substr(half));
}

}  // namespace
}  // namespace orrery::reasoning

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  orrery::reasoning::CheckProblem(input);
  orrery::reasoning::CheckStep(input);
  orrery::reasoning::CheckAnswer(input);
  return 0;
}

namespace {

const std::vector<std::string> kSeeds = {
    R"({"question": "How many?", "answer": "48/2 = <<48/2=24>>24\n#### 72", "id": 3})",
    R"({"problem": "p", "solution": "so $\\boxed{\\frac{1}{2}}$", "level": "Level 5", "type": "Algebra"})",
    "<code>\n# Step 1: add\ntotal = 2 + 3\n\nprint(total)",
    "<answer>It is \\boxed{\\left\\{ 5 \\right\\}} \\boxed 6",
    "-\\frac{12}{5}1 1/2",
    "\\$1,234.50 dollars1.5e-3 \\times 10^{5}",
    "50\\%0.30000000000000004",
    "$\\boxed{\\text{ 5 cm}^2}$\u2212\u00a07",
    "\xEF\xBB\xBF\r\n```\nQuestion: #### The answer is: <end_of_output>",
};
const std::vector<std::string> kPieces = {
    "{",  "}",  "\\", "\\boxed", "\\frac", "\\text{", "$", "\"", "####", "\n", "<code>", "<end_of_output>", "0",
    "9",  ".",  ",",  "-",       "/",      " ",       "%", "e",  "e-",   "^",  "\xC3",   "\xE2\x80\x89",    "\xF4\x90",
    "\0", "cm", "and"};

}  // namespace

int main() {
  const orrery::RandomStream random{1, 2};
  uint32_t draw = 0;
  const auto below = [&](size_t n) { return n == 0 ? 0 : random.Bits(orrery::Purpose::kShuffle, draw++) % n; };
  const orrery::fuzz::Budget budget(60000);
  uint64_t inputs = 0;
  for (; budget.Allows(inputs); ++inputs) {
    std::string input = kSeeds[below(kSeeds.size())];
    for (size_t edits = below(8); edits > 0; --edits) {
      const size_t at = below(input.size() + 1);
      switch (below(5)) {
        case 0: input.insert(at, kPieces[below(kPieces.size())]); break;
        case 1: input.erase(at, below(10)); break;
        case 2: input.insert(at, 1, static_cast<char>(below(256))); break;
        case 3: input.insert(at, input.substr(below(input.size() + 1), below(30))); break;
        default: input.append(kSeeds[below(kSeeds.size())].substr(0, below(40))); break;
      }
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
  std::printf("%llu inputs\n", static_cast<unsigned long long>(inputs));
  return 0;
}
