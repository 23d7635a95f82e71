// SPDX-License-Identifier: Apache-2.0
#pragma once

// The grammar of a step (rStar-Math's text protocol, METHODS A1): what a policy wrote up to a stop string becomes a
// Step or a reason why not. Steps are Python that is run, or, for comparison, sentences that nobody runs.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace orrery::reasoning {

inline constexpr std::string_view kCode = "<code>";
inline constexpr std::string_view kReasoning = "<reasoning>";
inline constexpr std::string_view kEndOfStep = "<end_of_step>";
inline constexpr std::string_view kEndOfCode = "<end_of_code>";
inline constexpr std::string_view kOutput = "<output>";
inline constexpr std::string_view kEndOfOutput = "<end_of_output>";
inline constexpr std::string_view kAnswer = "<answer>";
inline constexpr std::string_view kEndOfAnswer = "<end_of_answer>";
inline constexpr std::array kMarkers = {kCode,   kReasoning,   kEndOfStep, kEndOfCode,
                                        kOutput, kEndOfOutput, kAnswer,    kEndOfAnswer};

// What a solution's steps are.
enum class StepForm : uint8_t {
  kCode,   // code-augmented: comments and the Python that they announce
  kWords,  // natural language alone
};

// The line that opens a solution of this form: "<code>\n", "<reasoning>\n". A prompt ends with it.
std::string_view Opening(StepForm form);
// The form whose opening `solution` begins with.
std::optional<StepForm> FormOf(std::string_view solution);

// What ends a sample: the three markers that end a step, and what no step may hold (a Markdown fence, an output block
// of the model's own), so that a lost sample costs no further tokens.
std::vector<std::string> StopStrings();

enum class StepKind : uint8_t {
  kCodeStep,   // ended by <end_of_step>: more code follows
  kFinalCode,  // ended by <end_of_code>: the program is complete, its output is inserted, an answer follows
  kAnswer,     // ended by <end_of_answer>: terminal
  kWords,      // ended by <end_of_step>, in words: nothing is run
};

std::string_view Name(StepKind kind);

struct Step {
  StepKind kind = StepKind::kCodeStep;
  std::string text;           // as it enters the trajectory: normalised text with its marker and the newline after it
  std::string code;           // the Python of a code step, empty for an answer
  std::string answer;         // of an answer: the content of the last \boxed{}
  bool comment_only = false;  // of a code step: nothing in it executes; allowed, but it says nothing that was checked
};

// Where the partial solution stands, which decides what may come next.
enum class Position : uint8_t { kInCode, kAfterOutput, kInWords };

// `text` is what was sampled, `stop` the stop string that ended it ("" if none did).
// The error says in words why the candidate is no step: no marker, empty, a Markdown fence, prose that is no Python
// comment, an answer without \boxed, a new question begun … Whether the text is Python is the sandbox's to say; here
// only what surely is not is refused. Tolerated: a leading <code>, <reasoning> or <answer> where it opens what comes
// next, blank lines at either end, trailing blanks, CRLF.
StatusOr<Step> ParseStep(std::string_view text, std::string_view stop, Position position);

// Whether `step` says word for word what one of `parents` said: a small model may go on so for ever.
bool RepeatsStep(std::span<const Step> parents, const Step& step);

// The error says why a path that printed `output` may not go on to an answer: the answer would rest on nothing the
// program computed.
Status CheckOutput(std::string_view output);

// What the engine inserts after a final code step: "<output>…<end_of_output>\n<answer>". `output` is all that the path
// printed, without trailing blanks, cut at `limit` bytes (never inside a character; "…" says so). A marker inside it is
// defused: its "<" becomes "&lt;".
std::string OutputBlock(std::string_view output, size_t limit);

// The steps as text, with OutputBlock(output, limit) after the final code: what follows the opening that ends a prompt.
std::string PartialSolution(std::span<const Step> steps, std::string_view output, size_t limit);

// A partial solution in the pieces in which a search encodes it, a step (with the output after it) each: what was
// encoded so is what the policy read. Any text is its pieces one after the other.
std::vector<std::string_view> SolutionPieces(std::string_view solution);

// The opening and the partial solution: a trajectory as it is written to disk and trained on.
std::string FullTrajectory(StepForm form, std::span<const Step> steps, std::string_view output, size_t limit);

}  // namespace orrery::reasoning
