// SPDX-License-Identifier: Apache-2.0
#pragma once

// Records for tests: small, and different for each number they are made from.

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "store/store.h"

namespace orrery::store {

struct CandidateText {
  std::string text;
  schema::StepKind kind = schema::StepKind::CodeStep;
  std::string output = {};
  schema::Verdict verdict = schema::Verdict::Ok;
  schema::Grade grade = schema::Grade::NotGraded;
  bool valid = true;
  std::string answer = {};
  int tolerated_errors = 0;
  int merged = 1;
  int tokens = 0;  // sampled for it, the merged ones included
  std::optional<double> score = {};
};

inline flatbuffers::Offset<schema::Expansion> AddExpansion(flatbuffers::FlatBufferBuilder& builder,
                                                           const std::string& problem, const Path& path,
                                                           const std::vector<CandidateText>& texts,
                                                           uint32_t tokens = 0) {
  std::vector<flatbuffers::Offset<schema::Candidate>> candidates;
  for (const CandidateText& one : texts) {
    const auto text = builder.CreateString(one.text), output = builder.CreateString(one.output),
               answer = builder.CreateString(one.answer);
    schema::CandidateBuilder candidate(builder);
    candidate.add_text(text);
    candidate.add_kind(one.kind);
    candidate.add_valid(one.valid);
    candidate.add_output(output);
    candidate.add_verdict(one.verdict);
    candidate.add_grade(one.grade);
    candidate.add_answer(answer);
    candidate.add_tolerated_errors(static_cast<uint8_t>(one.tolerated_errors));
    candidate.add_merged(static_cast<uint16_t>(one.merged));
    candidate.add_tokens(static_cast<uint32_t>(one.tokens));
    if (one.score) candidate.add_score(*one.score);
    candidates.push_back(candidate.Finish());
  }
  return schema::CreateExpansionDirect(builder, problem.c_str(), &path, &candidates, tokens,
                                       static_cast<uint32_t>(texts.size()));
}

inline ExpansionChunk MakeExpansion(const std::string& problem, const Path& path,
                                    const std::vector<CandidateText>& texts, uint32_t tokens = 0) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(AddExpansion(builder, problem, path, texts, tokens));
  return ExpansionChunk(std::move(builder));
}

inline ExpansionChunk MakeExpansion(const std::string& problem, const Path& path, int number) {
  return MakeExpansion(problem, path, {{.text = "step " + std::to_string(number) + "\n"}},
                       static_cast<uint32_t>(number));
}

// A record that holds `expansions` and says nothing else.
inline TreeChunk MakeTree(const std::string& problem, const std::vector<ExpansionChunk>& expansions) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<schema::Expansion>> inside;
  for (const ExpansionChunk& one : expansions) {
    std::vector<CandidateText> texts;
    for (const schema::Candidate* candidate : *one->candidates()) texts.push_back({.text = candidate->text()->str()});
    inside.push_back(AddExpansion(builder, problem, PathOf(*one), texts, one->tokens_generated()));
  }
  builder.Finish(
      schema::CreateTreeRecordDirect(builder, problem.c_str(), "question?", "1", "plain", "", nullptr, &inside));
  return TreeChunk(std::move(builder));
}

// A new folder under the test's own temporary folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* base = std::getenv("TEST_TMPDIR");
    std::string name =
        std::string(base != nullptr ? base : std::filesystem::temp_directory_path().c_str()) + "/store.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace orrery::store
