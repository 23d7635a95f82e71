// SPDX-License-Identifier: Apache-2.0
#pragma once

// A finished search for tests, worked out by hand: ten nodes, two right answers, two wrong ones, a dead end, a
// tolerated error.

#include "tests/store/records.h"

namespace orrery::store {

// 0 root                                    expansion 0
// ├ 1 code step, candidate 0                expansion 1
// │  ├ 2 final code, candidate 0, prints 16  expansion 2
// │  │   ├ 3 right answer, candidate 0
// │  │   └ 4 wrong answer, candidate 1
// │  └ 5 final code, candidate 2 (1 was invalid), prints 16.0   expansion 3
// │      └ 6 right answer
// └ 7 code step, candidate 2               expansion 4
//    └ 8 final code, prints 7               expansion 5
//       └ 9 wrong answer
// The root's candidate 1 timed out. Rollouts end at 3 (+1), 9 (−1), 6 (+1), 4 (−1).
inline TreeChunk MadeTree(const std::string& problem, const std::string& question = "How many?",
                          const std::string& level = "easy level") {
  using schema::Grade, schema::StepKind, schema::Terminal, schema::Verdict;
  flatbuffers::FlatBufferBuilder builder;
  const CandidateText first{.text = "# Think about pairs of boxes and count all of them\nx = 4\n<end_of_step>\n",
                            .merged = 3};
  const CandidateText slow{.text = "while True: pass\n<end_of_step>\n", .verdict = Verdict::TimeOut, .valid = false};
  const CandidateText other{.text = "# Add instead, which is not what was asked\ny = 3 + 4\n<end_of_step>\n"};
  const CandidateText square{.text = "# Square the number of boxes in one row\nprint(x * x)\n<end_of_code>\n",
                             .kind = StepKind::FinalCode,
                             .output = "16\n"};
  const CandidateText broken{.text = "print(z)\n<end_of_code>\n",
                             .kind = StepKind::FinalCode,
                             .verdict = Verdict::RuntimeError,
                             .valid = false};
  const CandidateText power{
      .text = "# By the power operator, as a floating-point number\nprint(float(x) ** 2)\n<end_of_code>\n",
      .kind = StepKind::FinalCode,
      .output = "16.0\n"};
  const CandidateText sum{.text = "print(y)\n<end_of_code>\n", .kind = StepKind::FinalCode, .output = "7\n"};
  const auto answer = [](const std::string& value, bool right) {
    return CandidateText{.text = "From the result, \\boxed{" + value + "}\n<end_of_answer>\n",
                         .kind = StepKind::Answer,
                         .verdict = Verdict::NotRun,
                         .grade = right ? Grade::Equal : Grade::Different,
                         .answer = value};
  };
  CandidateText late = answer("7", false);
  const std::vector<flatbuffers::Offset<schema::Expansion>> expansions = {
      AddExpansion(builder, problem, {}, {first, slow, other}, 100),
      AddExpansion(builder, problem, {0}, {square, broken, power}, 50),
      AddExpansion(builder, problem, {0, 0}, {answer("16", true), answer("4", false)}, 20),
      AddExpansion(builder, problem, {0, 2}, {answer("16", true)}, 10),
      AddExpansion(builder, problem, {2}, {sum}, 30),
      AddExpansion(builder, problem, {2, 0}, {late}, 5),
  };
  struct Made {
    int parent, candidate, expansion;
    Terminal terminal;
    uint32_t visits;
    double value_sum;
  };
  const Made made[] = {
      {-1, 0, 0, Terminal::None, 4, 0},      {0, 0, 1, Terminal::None, 3, 1},       {1, 0, 2, Terminal::None, 2, 0},
      {2, 0, -1, Terminal::Answered, 1, 1},  {2, 1, -1, Terminal::Answered, 1, -1}, {1, 2, 3, Terminal::None, 1, 1},
      {5, 0, -1, Terminal::Answered, 1, 1},  {0, 2, 4, Terminal::None, 1, -1},      {7, 0, 5, Terminal::None, 1, -1},
      {8, 0, -1, Terminal::Answered, 1, -1},
  };
  std::vector<flatbuffers::Offset<schema::TreeNode>> nodes;
  for (const Made& one : made) {
    nodes.push_back(schema::CreateTreeNode(builder, one.parent, static_cast<uint8_t>(one.candidate), one.expansion,
                                           one.terminal, one.visits, one.value_sum));
  }
  std::vector<flatbuffers::Offset<schema::Rollout>> rollouts;
  for (const auto& [node, value] : {std::pair{3, 1.0}, {9, -1.0}, {6, 1.0}, {4, -1.0}})
    rollouts.push_back(schema::CreateRollout(builder, node, value));
  builder.Finish(schema::CreateTreeRecordDirect(builder, problem.c_str(), question.c_str(), "16", "plain",
                                                level.c_str(), &nodes, &expansions, &rollouts, true));
  return TreeChunk(std::move(builder));
}

// Nothing was right: one rollout, a wrong answer at once.
inline TreeChunk MadeUnsolvedTree(const std::string& problem) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<flatbuffers::Offset<schema::Expansion>> expansions = {
      AddExpansion(builder, problem, {},
                   {{.text = "print(1)\n<end_of_code>\n", .kind = schema::StepKind::FinalCode, .output = "1\n"}}, 8),
      AddExpansion(builder, problem, {0},
                   {{.text = "\\boxed{1}\n<end_of_answer>\n",
                     .kind = schema::StepKind::Answer,
                     .verdict = schema::Verdict::NotRun,
                     .grade = schema::Grade::TimeOut,
                     .answer = "1"}},
                   2)};
  const std::vector<flatbuffers::Offset<schema::TreeNode>> nodes = {
      schema::CreateTreeNode(builder, -1, 0, 0, schema::Terminal::None, 1, -1),
      schema::CreateTreeNode(builder, 0, 0, 1, schema::Terminal::None, 1, -1),
      schema::CreateTreeNode(builder, 1, 0, -1, schema::Terminal::Answered, 1, -1)};
  const std::vector<flatbuffers::Offset<schema::Rollout>> rollouts = {schema::CreateRollout(builder, 2, -1)};
  builder.Finish(schema::CreateTreeRecordDirect(builder, problem.c_str(), "What & <why>?", "2", "plain", "", &nodes,
                                                &expansions, &rollouts, false));
  return TreeChunk(std::move(builder));
}

}  // namespace orrery::store
