// SPDX-License-Identifier: Apache-2.0
#include "reasoning/problem.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "base/paths.h"
#include "reasoning/text.h"

namespace orrery::reasoning {
namespace {

class ProblemFile : public testing::Test {
 protected:
  std::filesystem::path Write(std::string_view content) {
    const auto path = std::filesystem::path(testing::TempDir()) / "problems.jsonl";
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  ProblemSet Load(std::string_view content, const ProblemFileOptions& options = {}) {
    auto set = LoadProblems(Write(content), options);
    EXPECT_TRUE(set.ok()) << Message(set.status());
    return set.ok() ? *std::move(set) : ProblemSet{};
  }
  Status Error(std::string_view content, const ProblemFileOptions& options = {}) {
    const auto set = LoadProblems(Write(content), options);
    EXPECT_FALSE(set.ok());
    return set.status();
  }
};

Problem Parsed(std::string_view line) {
  auto problem = ParseProblem(line);
  EXPECT_TRUE(problem.ok()) << line << ": " << Message(problem.status());
  return problem.ok() ? *std::move(problem) : Problem{};
}

std::string Refusal(std::string_view line) {
  const auto problem = ParseProblem(line);
  EXPECT_FALSE(problem.ok()) << line;
  return Message(problem.status());
}

TEST(ParseProblem, Gsm8k) {
  const Problem problem = Parsed(R"({"question": "How many?", "answer": "48/2 = <<48/2=24>>24\n#### 1,072"})");
  EXPECT_EQ(problem.question, "How many?");
  EXPECT_EQ(problem.answer, "1,072");
  EXPECT_EQ(problem.source, "gsm8k");
  EXPECT_EQ(problem.id, "");
}

TEST(ParseProblem, Math) {
  const Problem problem = Parsed(
      R"({"problem": "Halve 1.", "solution": "First $\\boxed{2}$, no: $\\boxed{\\frac{1}{2}}$.", "level": "Level 2", "type": "Algebra"})");
  EXPECT_EQ(problem.answer, "\\frac{1}{2}");
  EXPECT_EQ(problem.source, "math");
  EXPECT_EQ(problem.level, "Level 2");
  const Problem five_hundred = Parsed(
      R"({"problem": "p", "solution": "\\boxed{9}", "answer": "8", "subject": "Algebra", "level": 3, "unique_id": "test/algebra/1.json"})");
  EXPECT_EQ(five_hundred.answer, "8");
  EXPECT_EQ(five_hundred.level, "3");
  EXPECT_EQ(five_hundred.id, "test/algebra/1.json");
  EXPECT_EQ(five_hundred.source, "math");
}

TEST(ParseProblem, Svamp) {
  const Problem problem = Parsed(
      R"line({"Answer": 145.0, "Question": "How big is each group?", "Equation": "( 290.0 / 2.0 )", "Body": "There are 290 bananas in 2 groups", "Type": "Common-Division", "ID": "chal-777", "idx": 0})line");
  EXPECT_EQ(problem.question, "There are 290 bananas in 2 groups. How big is each group?");
  EXPECT_EQ(problem.answer, "145");
  EXPECT_EQ(problem.id, "chal-777");
  EXPECT_EQ(problem.source, "svamp");
  EXPECT_EQ(Parsed(R"({"Body": "He has 3.", "Question": "How many?", "Answer": 0.5})").question, "He has 3. How many?");
  EXPECT_EQ(Parsed(R"({"Body": "He has 3.", "Question": "How many?", "Answer": 0.5})").answer, "0.5");
  EXPECT_NE(Refusal(R"({"Body": null, "Question": "How many?", "Answer": 3})").find("\"Body\""), std::string::npos);
}

TEST(ParseProblem, Plain) {
  const Problem problem =
      Parsed(R"({"id": 7, "question": " q ", "answer": 12, "source": "mine", "difficulty": "hard", "license": "MIT"})");
  EXPECT_EQ(problem.id, "7");
  EXPECT_EQ(problem.question, "q");
  EXPECT_EQ(problem.answer, "12");
  EXPECT_EQ(problem.source, "mine");
  EXPECT_EQ(problem.level, "hard");
  EXPECT_EQ(problem.licence, "MIT");
  EXPECT_EQ(Parsed(R"({"question": "q", "answer": "x"})").licence, "");
  EXPECT_EQ(Parsed(R"({"problem": "q", "answer": "x"})").source, "plain");
  EXPECT_EQ(Parsed(R"({"question": "q", "answer": 0.5})").answer, "0.5");
  EXPECT_EQ(Parsed(R"({"question": "q", "answer": "a", "id": null})").id, "");
}

TEST(ParseProblem, AnswerPrecedence) {
  EXPECT_EQ(Parsed(R"({"question": "q", "answer": "1", "solution": "\\boxed{2} #### 3"})").answer, "1");
  EXPECT_EQ(Parsed(R"({"question": "q", "solution": "\\boxed{2}\n#### 3\nThe answer is: 4"})").answer, "2");
  EXPECT_EQ(Parsed(R"({"question": "q", "solution": "so\n#### 3\nThe answer is: 4"})").answer, "3");
  EXPECT_EQ(Parsed(R"({"query": "q", "response": "so. The answer is: 4."})").answer, "4");
  EXPECT_EQ(Parsed(R"({"question": "q", "answer": "\\boxed{5}"})").answer, "5");
  EXPECT_EQ(Parsed(R"({"question": "q", "answer": "\\boxed{5}\n#### 6"})").answer, "6");
}

TEST(ParseProblem, ACheckerStandsInPlaceOfAnAnswer) {
  const Problem problem = Parsed(R"({"question": "q", "checker": "x = int(answer)\nassert x % 7 == 0"})");
  EXPECT_EQ(problem.checker, "x = int(answer)\nassert x % 7 == 0");
  EXPECT_EQ(problem.answer, "");
  EXPECT_EQ(Parsed(R"({"question": "q", "answer": "14", "checker": "assert True"})").answer, "14");
  EXPECT_EQ(Parsed(R"({"question": "q", "answer": "14", "checker": null})").checker, "");
  for (const char* bad : {R"({"question": "q", "checker": ["a"]})", R"({"question": "q", "checker": " "})"})
    EXPECT_NE(Refusal(bad).find("field \"checker\" was expected to be a text"), std::string::npos) << bad;
}

TEST(ParseProblem, IntegersAreNormalised) {
  for (const auto& [written, expected] :
       {std::pair{"025", "25"}, {"-007", "-7"}, {"000", "0"}, {"-", "-"}, {"0.50", "0.50"}, {"0x1", "0x1"}}) {
    EXPECT_EQ(Parsed(fmt::format(R"({{"question": "q", "answer": "{}"}})", written)).answer, expected);
  }
}

TEST(ParseProblem, BadLinesSayWhatWasExpected) {
  EXPECT_NE(Refusal("{\"question\": ").find("not JSON at byte"), std::string::npos);
  EXPECT_NE(Refusal("[1, 2]").find("array, one JSON object"), std::string::npos);
  EXPECT_NE(Refusal("{}").find("no question"), std::string::npos);
  EXPECT_NE(Refusal(R"({"question": " ", "answer": "1"})").find("question is empty"), std::string::npos);
  EXPECT_NE(Refusal(R"({"question": "q"})").find("no answer"), std::string::npos);
  EXPECT_NE(Refusal(R"({"question": "q", "answer": ""})").find("answer is empty"), std::string::npos);
  EXPECT_NE(Refusal(R"({"question": "q", "answer": "work\n#### "})").find("answer is empty"), std::string::npos);
  EXPECT_NE(Refusal(R"({"question": "q", "solution": "no box"})").find("no answer"), std::string::npos);
  EXPECT_NE(Refusal(R"({"question": "q", "answer": [1]})").find("\"answer\" is array"), std::string::npos);
  EXPECT_NE(Refusal(R"({"question": true, "answer": "1"})").find("\"question\" is boolean"), std::string::npos);
  EXPECT_NE(Refusal(R"({"question": "q", "answer": 123456789012345678901234567890})").find("15 digits"),
            std::string::npos);
  EXPECT_NE(Refusal("{\"question\": \"\xE4\", \"answer\": \"1\"}").find("not UTF-8 at byte 15"), std::string::npos);
  EXPECT_NE(Refusal(R"({"question": "\ud800", "answer": "1"})").find("not JSON"), std::string::npos);
}

TEST_F(ProblemFile, MarkCarriageReturnsAndBlankLinesAreHandled) {
  const auto set =
      Load("\xEF\xBB\xBF{\"question\": \"a\", \"answer\": \"1\"}\r\n\r\n  \n{\"question\": \"b\", \"answer\": \"2\"}");
  ASSERT_EQ(set.problems.size(), 2u);
  EXPECT_TRUE(set.complaints.empty());
  EXPECT_EQ(set.problems[1].answer, "2");
  EXPECT_TRUE(set.problems[1].id.starts_with("plain-4-")) << set.problems[1].id;
}

TEST_F(ProblemFile, BadLinesAreSkippedAndNamedOrFatal) {
  const std::string content =
      "{\"question\": \"a\", \"answer\": \"1\"}\nnonsense\n{\"question\": \"b\", \"answer\": \"2\"}\n";
  const auto set = Load(content);
  EXPECT_EQ(set.problems.size(), 2u);
  ASSERT_EQ(set.complaints.size(), 1u);
  EXPECT_NE(set.complaints[0].find("problems.jsonl:2: not JSON"), std::string::npos) << set.complaints[0];
  ProblemFileOptions fatal;
  fatal.bad_line = BadLine::kFatal;
  const Status status = Error(content, fatal);
  EXPECT_EQ(ExitCode(status), 2);
  EXPECT_NE(Message(status).find("problems.jsonl:2:"), std::string::npos);
}

TEST_F(ProblemFile, DuplicatesAreToldApartAndNoneIsLost) {
  const auto set = Load(R"({"id": "a", "question": "x", "answer": "1"}
{"id": "a", "question": "x", "answer": "1"}
{"id": "a#2", "question": "y", "answer": "2"}
{"id": "a", "question": "z", "answer": "3"}
)");
  ASSERT_EQ(set.problems.size(), 4u);
  std::set<std::string> ids;
  for (const auto& problem : set.problems) ids.insert(problem.id);
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ(set.problems[0].id, "a");
  EXPECT_EQ(set.problems[1].id, "a#2");
  EXPECT_EQ(set.complaints.size(), 3u);
}

TEST_F(ProblemFile, LimitAndOffsetCountGoodProblemsAndKeepIds) {
  std::string content;
  for (int i = 0; i < 10; ++i)
    content += fmt::format("{{\"question\": \"q{}\", \"answer\": \"{}\"}}\n{}", i, i, i == 3 ? "bad\n" : "");
  const auto all = Load(content);
  ASSERT_EQ(all.problems.size(), 10u);
  ProblemFileOptions some;
  some.offset = 3;
  some.limit = 4;
  const auto part = Load(content, some);
  ASSERT_EQ(part.problems.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(part.problems[i].id, all.problems[i + 3].id);
  some.offset = 10;
  EXPECT_NE(Message(Error(content, some)).find("offset 10"), std::string::npos);
}

TEST_F(ProblemFile, FilesWithoutProblemsAreErrors) {
  EXPECT_NE(Message(Error("")).find("holds no problem"), std::string::npos);
  EXPECT_NE(Message(Error("\n\n \n")).find("holds no problem"), std::string::npos);
  EXPECT_NE(Message(Error("bad\nworse\n")).find("first of 2 bad lines"), std::string::npos);
  EXPECT_EQ(ExitCode(LoadProblems("/no/such/file.jsonl", {}).status()), 2);
  EXPECT_EQ(ExitCode(LoadProblems(testing::TempDir(), {}).status()), 2);
}

TEST_F(ProblemFile, AHugeLineIsSkippedAndTheNextOneRead) {
  std::string content = "{\"question\": \"" + std::string(size_t{17} << 20, 'x') + "\", \"answer\": \"1\"}\n";
  content += "{\"question\": \"" + std::string(size_t{3} << 20, 'y') +
             "\", \"answer\": \"2\"}\n{\"question\": \"z\", \"answer\": \"3\"}";
  const auto set = Load(content);
  ASSERT_EQ(set.problems.size(), 2u);
  EXPECT_EQ(set.problems[1].answer, "3");
  ASSERT_EQ(set.complaints.size(), 1u);
  EXPECT_NE(set.complaints[0].find(":1: a line of more than 16 MiB"), std::string::npos);
}

TEST_F(ProblemFile, DeepNestingDoesNotOverflowTheStack) {
  const std::string deep(size_t{1} << 20, '[');
  EXPECT_NE(Message(Error("{\"question\": " + deep + "\n")).find("not JSON"), std::string::npos);
  const auto set =
      Load("{\"question\": \"q\", \"answer\": \"1\", \"extra\": " + deep + std::string(deep.size(), ']') + "}\n");
  EXPECT_EQ(set.problems.size(), 1u);
}

TEST(QuickStart, HasFortyTwoProblemsInThreeLevels) {
  const auto path = DataFile("configs/problems/quickstart.jsonl");
  ASSERT_TRUE(path.ok()) << Message(path.status());
  const auto set = LoadProblems(*path, {});
  ASSERT_TRUE(set.ok()) << Message(set.status());
  EXPECT_EQ(set->problems.size(), 42u);
  EXPECT_TRUE(set->complaints.empty());
  std::map<std::string, int> levels;
  for (const auto& problem : set->problems) ++levels[problem.level];
  EXPECT_EQ(levels, (std::map<std::string, int>{{"1-2", 14}, {"3-4", 14}, {"5+", 14}}));
}

// The published files, where the developer has them: $ORRERY_SHARED_DATA/benchmarks.
TEST(PublishedFiles, AreReadWholly) {
  const char* shared = std::getenv("ORRERY_SHARED_DATA");
  if (shared == nullptr) GTEST_SKIP() << "ORRERY_SHARED_DATA is not set: the published problem files are not read here";
  // Two problems of MATH's training set have an empty answer.
  for (const auto& [file, count, bad, source] : {std::tuple{"gsm8k_train.jsonl", 7473u, 0u, "gsm8k"},
                                                 {"gsm8k_test.jsonl", 1319u, 0u, "gsm8k"},
                                                 {"math_train.jsonl", 7498u, 2u, "math"},
                                                 {"math500.jsonl", 500u, 0u, "MATH500"},
                                                 {"svamp.jsonl", 1000u, 0u, "svamp"}}) {
    const auto set = LoadProblems(std::filesystem::path(shared) / "benchmarks" / file, {});
    ASSERT_TRUE(set.ok()) << Message(set.status());
    EXPECT_EQ(set->problems.size(), count) << file;
    EXPECT_EQ(set->problems.front().source, source) << file;
    EXPECT_EQ(set->complaints.size(), bad) << file;
    for (const auto& complaint : set->complaints)
      EXPECT_NE(complaint.find("answer is empty"), std::string::npos) << complaint;
  }
}

}  // namespace
}  // namespace orrery::reasoning
