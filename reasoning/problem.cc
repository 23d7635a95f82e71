// SPDX-License-Identifier: Apache-2.0
#include "reasoning/problem.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/digest.h"
#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

using Json = nlohmann::json;

constexpr size_t kLongestLine = size_t{16} << 20;
constexpr size_t kReadSize = size_t{1} << 20;
constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kHashes = "####";
constexpr std::string_view kAnswerIs = "The answer is:";

// Fields in order of precedence.
constexpr std::array kQuestionFields = {"question", "problem", "query"};
constexpr std::array kAnswerFields = {"answer", "final_answer", "Answer"};
constexpr std::array kSolutionFields = {"solution", "response"};
constexpr std::array kIdFields = {"id", "unique_id", "index", "ID"};
constexpr std::array kLevelFields = {"level", "difficulty"};
constexpr std::array kLicenceFields = {"license", "licence"};

// A string, or a number as text. Empty where none of the fields is there or not null; an error where it is of another
// type.
template <size_t N>
StatusOr<std::optional<std::string>> TextField(const Json& object, const std::array<const char*, N>& names) {
  for (const char* name : names) {
    const auto field = object.find(name);
    if (field == object.end() || field->is_null()) continue;
    if (field->is_string()) return std::optional(field->template get_ref<const std::string&>());
    if (field->is_number_integer()) return std::optional(field->dump());
    if (!field->is_number_float())
      return InvalidInput("field \"{}\" is {}, text or a number was expected", name, field->type_name());
    // A double holds no more: a larger number would be another one than was written.
    if (std::abs(field->template get<double>()) > kLargestExactInteger) {
      return InvalidInput("field \"{}\" is a number of more than 15 digits, which is to be written as text", name);
    }
    const double number = field->template get<double>();
    if (number == std::floor(number)) return std::optional(std::to_string(static_cast<int64_t>(number)));  // 19.0
    return std::optional(field->dump());
  }
  return std::optional<std::string>();
}

// SVAMP parts what is known from what is asked, at times without a full stop between them.
bool IsSvamp(const Json& object) { return object.contains("Body") && object.contains("Question"); }

StatusOr<std::optional<std::string>> QuestionOf(const Json& object) {
  if (!IsSvamp(object)) return TextField(object, kQuestionFields);
  ORRERY_ASSIGN_OR_RETURN(const auto body, TextField(object, std::array{"Body"}));
  ORRERY_ASSIGN_OR_RETURN(const auto asked, TextField(object, std::array{"Question"}));
  if (!body || !asked) return InvalidInput("no question: fields \"Body\" and \"Question\" were expected to be text");
  std::string question(Trim(*body));
  if (!question.empty() && std::string_view(".?!,").find(question.back()) == std::string_view::npos) question += '.';
  return std::optional(question + " " + std::string(Trim(*asked)));
}

// What follows the last "####" that begins a line, to the end of that line.
std::optional<std::string> AfterHashes(std::string_view text) {
  size_t end = text.size();
  for (;;) {
    const size_t newline = end == 0 ? std::string_view::npos : text.rfind('\n', end - 1);
    const size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    const auto line = text.substr(begin, end - begin);
    if (line.starts_with(kHashes) && !line.substr(kHashes.size()).starts_with('#'))
      return std::string(Trim(line.substr(kHashes.size())));
    if (newline == std::string_view::npos) return std::nullopt;
    end = newline;
  }
}

std::optional<std::string> AfterAnswerIs(std::string_view text) {
  const size_t at = text.rfind(kAnswerIs);
  if (at == std::string_view::npos) return std::nullopt;
  const size_t begin = at + kAnswerIs.size();
  auto answer = Trim(text.substr(begin, text.find('\n', begin) - begin));
  if (answer.ends_with('.')) answer.remove_suffix(1);
  return std::string(Trim(answer));
}

// 025 → 25, -007 → -7, 000 → 0; everything else as it is.
std::string NormaliseInteger(std::string answer) {
  const size_t begin = answer.starts_with('-') ? 1 : 0;
  if (begin == answer.size() || answer.find_first_not_of("0123456789", begin) != std::string::npos) return answer;
  const size_t digit = std::min(answer.find_first_not_of('0', begin), answer.size() - 1);
  return answer.erase(begin, digit - begin);
}

StatusOr<std::string> ReferenceAnswer(const Json& object) {
  ORRERY_ASSIGN_OR_RETURN(const auto field, TextField(object, kAnswerFields));
  if (field) {
    // GSM8K's answer field is a worked solution; others put \boxed{} around the answer.
    auto answer = AfterHashes(*field);
    if (!answer) answer = FinalAnswer(*field);
    if (!answer) answer = std::string(Trim(*field));
    if (answer->empty()) return InvalidInput("the answer is empty");
    return NormaliseInteger(*std::move(answer));
  }
  ORRERY_ASSIGN_OR_RETURN(const auto solution, TextField(object, kSolutionFields));
  if (!solution) return InvalidInput("no answer: a field \"answer\" or \"solution\" was expected");
  auto answer = FinalAnswer(*solution);
  if (!answer) return InvalidInput("no answer: the solution has no \\boxed{{}}, no \"####\" and no \"The answer is:\"");
  if (answer->empty()) return InvalidInput("the answer is empty");
  return NormaliseInteger(*std::move(answer));
}

StatusOr<std::string> Checker(const Json& object) {
  const auto field = object.find("checker");
  if (field == object.end() || field->is_null()) return std::string();
  if (!field->is_string() || Trim(field->get_ref<const std::string&>()).empty())
    return InvalidInput("field \"checker\" was expected to be a text: Python that raises where an answer is wrong");
  return field->get<std::string>();
}

std::string Shape(const Json& object) {
  if (const auto answer = object.find("answer"); answer != object.end() && answer->is_string()) {
    if (AfterHashes(answer->get_ref<const std::string&>())) return "gsm8k";
  }
  if (IsSvamp(object)) return "svamp";
  const bool subject = object.contains("type") || object.contains("subject");
  if (object.contains("problem") && (object.contains("solution") || (object.contains("level") && subject)))
    return "math";
  return "plain";
}

StatusOr<Json> ParseJson(std::string_view line) {
  if (const size_t valid = ValidUtf8Prefix(line); valid != line.size())
    return InvalidInput("not UTF-8 at byte {} of the line", valid + 1);
  try {
    return Json::parse(line.begin(), line.end());
  } catch (const Json::parse_error& error) {
    return InvalidInput("not JSON at byte {} of the line; one JSON object a line was expected", error.byte);
  } catch (const Json::exception&) {
    return InvalidInput("not JSON (a number out of range); one JSON object a line was expected");
  }
}

// Lines of a file, one at a time: only the longest is ever held.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path) : file_(path, std::ios::binary), buffer_(kReadSize, '\0') {}

  bool opened() const { return file_.is_open(); }
  bool bad() const { return file_.bad(); }
  uint64_t line_number() const { return number_; }
  bool too_long() const { return too_long_; }  // the line just read, of which nothing is kept

  bool Next(std::string& line) {
    line.clear();
    too_long_ = false;
    bool any = false;
    for (;;) {
      if (begin_ == end_ && !Fill()) break;
      any = true;
      const char* from = buffer_.data() + begin_;
      const auto* newline = static_cast<const char*>(std::memchr(from, '\n', end_ - begin_));
      const size_t count = newline == nullptr ? end_ - begin_ : static_cast<size_t>(newline - from);
      too_long_ = too_long_ || line.size() + count > kLongestLine;
      too_long_ ? line.clear() : (void)line.append(from, count);
      begin_ += count + (newline == nullptr ? 0 : 1);
      if (newline != nullptr) break;
    }
    if (any && ++number_ == 1 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
    return any;
  }

 private:
  bool Fill() {
    file_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    begin_ = 0;
    end_ = static_cast<size_t>(file_.gcount());
    return end_ > 0;
  }

  std::ifstream file_;
  std::string buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t number_ = 0;
  bool too_long_ = false;
};

// Tells ids apart, over the whole file.
class Ids {
 public:
  // Makes `id` unique; true if it had to be changed.
  bool Claim(std::string& id) {
    auto [first, fresh] = count_.emplace(id, 1);
    if (fresh) return false;
    uint64_t& count = first->second;  // references stay valid when the table grows
    std::string other;
    do {
      other = fmt::format("{}#{}", id, ++count);
    } while (!count_.emplace(other, 1).second);
    id = std::move(other);
    return true;
  }

 private:
  std::unordered_map<std::string, uint64_t> count_;
};

StatusOr<Problem> ParseLine(const LineReader& reader, std::string_view line) {
  if (reader.too_long()) return InvalidInput("a line of more than {} MiB", kLongestLine >> 20);
  ORRERY_ASSIGN_OR_RETURN(auto problem, ParseProblem(line));
  if (problem.id.empty()) {
    problem.id =
        fmt::format("{}-{}-{}", problem.source, reader.line_number(), Sha256Hex(problem.question).substr(0, 8));
  }
  return problem;
}

}  // namespace

std::optional<std::string> FinalAnswer(std::string_view text) {
  if (auto answer = LastBoxed(text)) return answer;
  if (auto answer = AfterHashes(text)) return answer;
  return AfterAnswerIs(text);
}

StatusOr<Problem> ParseProblem(std::string_view line) {
  ORRERY_ASSIGN_OR_RETURN(const Json object, ParseJson(line));
  if (!object.is_object()) return InvalidInput("{}, one JSON object a line was expected", object.type_name());
  Problem problem;
  ORRERY_ASSIGN_OR_RETURN(auto question, QuestionOf(object));
  if (!question) return InvalidInput("no question: a field \"question\" or \"problem\" was expected");
  problem.question = Trim(*question);
  if (problem.question.empty()) return InvalidInput("the question is empty");
  ORRERY_ASSIGN_OR_RETURN(problem.checker, Checker(object));
  // A checker decides; an answer beside it is shown to readers alone.
  auto answer = ReferenceAnswer(object);
  if (!answer.ok() && problem.checker.empty()) return answer.status();
  problem.answer = answer.value_or("");
  ORRERY_ASSIGN_OR_RETURN(auto id, TextField(object, kIdFields));
  problem.id = id.value_or("");
  ORRERY_ASSIGN_OR_RETURN(auto level, TextField(object, kLevelFields));
  problem.level = level.value_or("");
  ORRERY_ASSIGN_OR_RETURN(auto licence, TextField(object, kLicenceFields));
  problem.licence = licence.value_or("");
  ORRERY_ASSIGN_OR_RETURN(auto source, TextField(object, std::array{"source"}));
  problem.source = source && !source->empty() ? *std::move(source) : Shape(object);
  return problem;
}

StatusOr<ProblemSet> LoadProblems(const std::filesystem::path& path, const ProblemFileOptions& options) {
  std::error_code error;
  const auto name = path.string();
  if (!std::filesystem::exists(path, error))
    return NotFound("{}: no such file; a JSON-lines file of problems was expected", name);
  if (std::filesystem::is_directory(path, error))
    return InvalidInput("{}: is a folder, a JSON-lines file of problems was expected", name);
  LineReader reader(path);
  if (!reader.opened()) return NotFound("{}: cannot be opened ({})", name, std::strerror(errno));

  ProblemSet set;
  Ids ids;
  uint64_t good = 0, bad = 0;
  const uint64_t wanted = options.limit == 0 ? std::numeric_limits<uint64_t>::max() : options.limit;
  std::string line;
  while (set.problems.size() < wanted && reader.Next(line)) {
    if (!reader.too_long() && Trim(line).empty()) continue;
    auto problem = ParseLine(reader, Trim(line));
    if (!problem.ok()) {
      const auto complaint = Annotate(problem.status(), fmt::format("{}:{}", name, reader.line_number()));
      if (options.bad_line == BadLine::kFatal) return complaint;
      set.complaints.push_back(Message(complaint));
      ++bad;
      continue;
    }
    const std::string given = problem->id;
    if (ids.Claim(problem->id)) {
      set.complaints.push_back(fmt::format("{}:{}: id \"{}\" came before; this one is \"{}\"", name,
                                           reader.line_number(), given, problem->id));
    }
    if (good++ >= options.offset) set.problems.push_back(*std::move(problem));
  }
  if (reader.bad()) return Failed("{}: reading failed after line {}", name, reader.line_number());
  if (good == 0 && bad > 0)
    return InvalidInput("{}: not one good problem; first of {} bad lines: {}", name, bad, set.complaints.front());
  if (good == 0)
    return InvalidInput("{}: holds no problem; lines like {{\"question\": …, \"answer\": …}} were expected", name);
  if (set.problems.empty())
    return InvalidInput("{}: offset {} leaves none of its {} problems", name, options.offset, good);
  return set;
}

}  // namespace orrery::reasoning
