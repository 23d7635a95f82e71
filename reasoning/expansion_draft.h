// SPDX-License-Identifier: Apache-2.0
#pragma once

// An expansion while it is being made: n samples become candidates as they are parsed, merged, run and graded, in any
// order of arrival.
//
// The finished record depends only on the samples, verdicts and grades, never on the order in which they came (METHODS
// A1: candidates of the same text are merged; a step whose program fails is invalid).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "reasoning/step.h"
#include "schema/chunk.h"
#include "schema/records_generated.h"

namespace orrery::reasoning {

// The node that is expanded.
struct DraftSetting {
  std::string problem;  // key of the record
  std::vector<uint8_t> path;
  Position position = Position::kInCode;
  std::string last_step;  // text of the step that led here
  std::string printed;    // all that the path printed so far
  int samples = 0;
  int tolerated_here = 0;     // failing steps in a row up to this node
  int tolerated_limit = 0;    // as many may follow each other and still count as valid
  bool likely_first = false;  // candidates in the order of their tokens' mean log-probability, not of sampling
};

struct Sample {
  uint32_t tokens = 0;
  std::string text;
  std::string stop;
  bool ended = false;  // the model ended its turn
  double log_probability = 0;
};

class ExpansionDraft {
 public:
  // What must be found out next. Steps of the same text are run or graded once.
  struct Task {
    enum class Kind : uint8_t { kRun, kGrade } kind;
    std::string text;     // the step's, by which the result comes back
    std::string subject;  // code to run, or answer to grade
  };

  explicit ExpansionDraft(DraftSetting setting);

  // The sample of candidate `index`; every index once.
  std::optional<Task> AddSample(int index, Sample sample);
  void AddRun(const std::string& text, schema::Verdict verdict, std::string output, std::string error);
  // `error`: what a checker said.
  void AddGrade(const std::string& text, schema::Grade grade, std::string error = {});

  // All samples are here and every task is answered.
  bool Complete() const;
  bool AnyValid() const;
  // Waits for so many more samples, whose indices go on from the last ones.
  void Extend(int samples);

  // The valid candidates' texts, each once, for a preference model; and what it gave one.
  std::vector<std::string> ValidTexts() const;
  void AddScore(const std::string& text, double score);

  // The record: one candidate for each distinct text, in the order of their first sample or of its likelihood.
  schema::Chunk<schema::Expansion> Finish() const;

 private:
  struct Entry {
    std::string rejection;  // not empty: no valid step
    std::optional<Step> step;
    schema::Verdict verdict = schema::Verdict::NotRun;
    std::string output;
    std::string error;
    schema::Grade grade = schema::Grade::NotGraded;
    std::optional<double> score;
    bool waiting = false;
  };

  // What of an entry enters the record beside its fields.
  struct Judgement {
    bool valid = false;
    std::string rejection;
    int tolerated = 0;
  };
  Judgement Judge(const Entry& entry) const;
  // Samples with a text that none before them had, in the order of their candidates.
  std::vector<int> FirstSamples() const;
  flatbuffers::Offset<schema::Candidate> Build(flatbuffers::FlatBufferBuilder& builder, const std::string& text,
                                               int first) const;

  DraftSetting setting_;
  std::vector<std::optional<Sample>> samples_;
  std::vector<std::string> texts_;        // by sample: the entry it belongs to
  std::map<std::string, Entry> entries_;  // by step text, or by sampled text where it is no step
  int missing_;                           // samples
  int waiting_ = 0;                       // tasks
};

}  // namespace orrery::reasoning
