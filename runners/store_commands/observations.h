// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one looks for in a finished campaign (METHODS A4, A5): problems solved by level, source and number of rollouts;
// why others were not, and which labels are doubtful; steps that the preference model values most, and those that name
// a theorem; solutions that turn back and begin anew; steps that may be wrong although the answer is right.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/records_generated.h"
#include "search/tree.h"

namespace orrery::runners {

struct Share {
  uint64_t part = 0, whole = 0;
};

struct Mean {
  double sum = 0;
  uint64_t count = 0;
  void Add(double value) { sum += value, ++count; }
  double value() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

// A step of a visited node.
struct SeenStep {
  std::string problem, path, text;
  double value = 0;  // the preference model's score, or Q where there is none
};

// A right solution, with the step that is of interest marked.
struct SeenSolution {
  std::string problem;
  std::vector<std::string> steps;
  std::optional<size_t> marked;
};

struct Unsolved {
  std::string problem, question, answer, kind;
  std::string given;  // the answer that most rollouts gave
  Share agree;        // … and how many of those that answered
  // At least three rollouts, and more than half of those that answered, agree on another answer than the label.
  bool doubtful() const { return agree.part >= 3 && 2 * agree.part > agree.whole; }
};

// The theorems and methods that a step's text names, in a fixed list's words.
std::vector<std::string_view> TheoremsIn(std::string_view step);
// Whether a step's comments say that what came before is given up.
bool TurnsBack(std::string_view step);

class Observations {
 public:
  // Of each kind at most `shown` are kept; samples are a function of `seed` and the problems' names.
  Observations(size_t shown, uint64_t seed) : shown_(shown), seed_(seed) {}

  void Add(std::string_view problem, const schema::TreeRecord& record, const search::Tree& tree);

  uint64_t problems = 0, solved = 0, unsolved = 0, doubtful_labels = 0;
  bool scored = false;                    // a preference model's scores are there
  std::map<int, uint64_t> solved_within;  // by their first 1, 2, 4, … rollouts
  std::map<std::string, Share> by_level, by_source;
  std::map<std::string, uint64_t> unsolved_kinds;
  Mean all_steps, theorem_steps;  // their values
  std::map<std::string, Mean> theorems;
  uint64_t turned_back = 0, right_solutions = 0;

  std::vector<SeenStep> best_steps() const;      // highest first
  std::vector<SeenStep> doubtful_steps() const;  // of right solutions, lowest first
  std::vector<SeenSolution> turns() const;       // a sample
  std::vector<SeenSolution> solutions() const;   // a sample of right ones, to be read
  std::vector<Unsolved> unsolved_sample() const;

 private:
  void AddRollouts(const search::Tree& tree);
  void AddUnsolved(std::string_view problem, const schema::TreeRecord& record, const search::Tree& tree);
  void AddSteps(std::string_view problem, const search::Tree& tree);
  void AddSolutions(std::string_view problem, const search::Tree& tree);
  uint64_t Draw(std::string_view problem, std::string_view kind) const;

  size_t shown_;
  uint64_t seed_;
  // By rank: those past `shown_` are left out.
  std::multimap<double, SeenStep> best_, doubtful_;
  std::multimap<uint64_t, SeenSolution> turns_, solutions_;
  std::multimap<uint64_t, Unsolved> unsolved_sample_;
};

}  // namespace orrery::runners
