// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "reasoning/step.h"
#include "simulation/fit.h"
#include "store/convert.h"

namespace orrery::simulation {
namespace {

using schema::Candidate;
using schema::StepKind;
using store::Path;

constexpr size_t kShapes = 3;
constexpr size_t kDepths = 8;            // nodes deeper than that are taken together
constexpr double kBorrowed = 20;         // samples that a class takes from all, where it has few of its own
constexpr double kSites = 15;            // nodes from which on resemblance is a class's own
constexpr size_t kProblemsOfLevel = 10;  // fewer tell nothing of a level

// One candidate: samples of one text.
struct Observed {
  Kind kind = Kind::kLost;
  double samples = 1;
  double tokens = 1;   // of each
  double bytes = 0;    // of the text
  double printed = 0;  // bytes of the program's output
  bool right = false;
};

// One expansion.
struct Site {
  int depth = 0;
  bool after_output = false;
  bool resampled = false;  // none of the first samples was valid
  std::vector<Observed> candidates;
};

struct ObservedTree {
  std::string level;
  std::vector<Site> sites;
  double programs = 0, right = 0;  // that were followed by graded answers
  double chance = 0;               // of a right program, as estimated
};

Observed ObservedOf(const Candidate& candidate) {
  Observed observed;
  observed.samples = std::max<double>(1, candidate.merged());
  observed.tokens = candidate.tokens() / observed.samples;
  observed.bytes = candidate.text() == nullptr ? 0 : static_cast<double>(candidate.text()->size());
  observed.printed = candidate.output() == nullptr ? 0 : static_cast<double>(candidate.output()->size());
  if (candidate.valid()) {
    switch (candidate.kind()) {
      case StepKind::CodeStep: observed.kind = Kind::kStep; break;
      case StepKind::FinalCode: observed.kind = Kind::kFinal; break;
      case StepKind::Answer: observed.kind = Kind::kAnswer; break;
      case StepKind::Words: break;  // refused below
    }
  } else if (candidate.verdict() != schema::Verdict::NotRun) {
    observed.kind = Kind::kFailed;
  }
  observed.right = candidate.grade() == schema::Grade::Equal;
  return observed;
}

ObservedTree ObservedOf(const schema::TreeRecord& record, const search::Rules& rules) {
  ObservedTree tree;
  if (record.level() != nullptr) tree.level = record.level()->str();
  if (record.expansions() == nullptr) return tree;
  std::map<Path, const schema::Expansion*> by_path;
  for (const auto* expansion : *record.expansions()) by_path[store::PathOf(*expansion)] = expansion;
  for (const auto& [path, expansion] : by_path) {
    Site site{.depth = static_cast<int>(path.size())};
    if (!path.empty()) {
      const auto parent = by_path.find(Path(path.begin(), path.end() - 1));
      if (parent == by_path.end() || path.back() >= parent->second->candidates()->size()) continue;
      site.after_output = parent->second->candidates()->Get(path.back())->kind() == StepKind::FinalCode;
    }
    double samples = 0, graded = 0, right = 0;
    for (const Candidate* candidate : *expansion->candidates()) {
      const Observed& observed = site.candidates.emplace_back(ObservedOf(*candidate));
      samples += observed.samples;
      if (observed.kind == Kind::kAnswer) graded += observed.samples;
      if (observed.kind == Kind::kAnswer && observed.right) right += observed.samples;
    }
    site.resampled = samples > rules.candidates;
    if (site.after_output && graded > 0) {
      tree.programs += 1;
      if (right * 2 > graded) tree.right += 1;
    }
    tree.sites.push_back(std::move(site));
  }
  return tree;
}

// ln of the beta-binomial likelihood, without what does not depend on (a, b).
double LogLikelihood(const std::vector<const ObservedTree*>& trees, double a, double b) {
  double sum = 0;
  for (const ObservedTree* tree : trees) {
    const double wrong = tree->programs - tree->right;
    sum += std::lgamma(tree->right + a) + std::lgamma(wrong + b) - std::lgamma(tree->programs + a + b) +
           std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b);
  }
  return sum;
}

struct Beta {
  double a = 1, b = 1;
  double Mean() const { return a / (a + b); }
};

// The distribution of chances under which the trees' counts are likeliest, over a grid of means and spreads.
Beta LikeliestBeta(const std::vector<const ObservedTree*>& trees) {
  Beta best;
  double most = -INFINITY;
  for (int i = 1; i < 200; ++i) {
    for (double spread = 0.05; spread < 200; spread *= 1.1) {
      const Beta beta{i / 200.0 * spread, (1 - i / 200.0) * spread};
      const double likelihood = LogLikelihood(trees, beta.a, beta.b);
      if (likelihood > most) most = likelihood, best = beta;
    }
  }
  return best;
}

Quantiles QuantilesOf(const Beta& beta) {
  // The density is infinite at an end where its parameter is below 1: the mass is summed over ln p and ln (1 − p).
  constexpr int kGrid = 4000;
  const double norm = std::lgamma(beta.a + beta.b) - std::lgamma(beta.a) - std::lgamma(beta.b);
  std::vector<double> chance, mass;
  double sum = 0;
  for (int i = 0; i < kGrid; ++i) {
    const double logit = -30 + 60 * (i + 0.5) / kGrid;
    const double p = 1 / (1 + std::exp(-logit));
    const double log_p = -std::log1p(std::exp(-logit)), log_q = -std::log1p(std::exp(logit));
    sum += std::exp(norm + beta.a * log_p + beta.b * log_q) * 60 / kGrid;
    chance.push_back(p);
    mass.push_back(sum);
  }
  Quantiles quantiles;
  for (size_t i = 0; i < kQuantilePoints; ++i) {
    const double rank = (static_cast<double>(i) + 0.5) / kQuantilePoints * sum;
    const auto at = std::ranges::lower_bound(mass, rank) - mass.begin();
    quantiles.at.push_back(chance[static_cast<size_t>(std::min<ptrdiff_t>(at, kGrid - 1))]);
  }
  return quantiles;
}

// How often pairs of siblings agree, as shares of a node's pairs, and over how many nodes.
struct Agreement {
  double agreeing = 0, nodes = 0;

  void Add(double same_pairs, double samples) {
    if (samples < 2) return;
    agreeing += same_pairs / (samples * (samples - 1));
    nodes += 1;
  }
  // The chance c to follow the common one: siblings agree with c² + (1 − c²) · (chance).
  double Common(double by_chance) const {
    if (nodes == 0 || by_chance >= 1) return 0;
    return std::sqrt(std::clamp((agreeing / nodes - by_chance) / (1 - by_chance), 0.0, 1.0));
  }
};

// What is counted over the sites of one sort.
struct Tally {
  std::array<double, kKinds> samples{};
  Agreement validity, kind;                      // whether siblings are valid; of which kind the valid ones are
  std::vector<std::pair<double, double>> texts;  // of each kind at each site: samples, distinct texts
  double total() const {
    double sum = 0;
    for (const double count : samples) sum += count;
    return sum;
  }
};

// A site counts as its first samples: where more were taken because none was valid, those were all invalid.
void Count(const Site& site, double first, Tally* tally) {
  double all = 0;
  std::array<double, kKinds> of{}, distinct{};
  for (const Observed& observed : site.candidates) {
    const bool invalid = !IsValid(observed.kind);
    const auto kind = static_cast<size_t>(observed.kind);
    if (!invalid) distinct[kind] += 1;
    if (site.resampled && !invalid) continue;
    of[kind] += observed.samples;
    all += observed.samples;
  }
  if (all == 0) return;
  const double scale = std::min(first, all) / all;
  double valid = 0, same_kind = 0;
  for (size_t i = 0; i < kKinds; ++i) {
    tally->samples[i] += of[i] * scale;
    if (IsValid(static_cast<Kind>(i))) valid += of[i], same_kind += of[i] * (of[i] - 1);
    if (distinct[i] > 0 && of[i] > 1) tally->texts.emplace_back(of[i], distinct[i]);
  }
  tally->validity.Add(valid * (valid - 1) + (all - valid) * (all - valid - 1), all);
  tally->kind.Add(same_kind, valid);
}

// The chance q to write the common text: n samples have n(1 − q) texts of their own and one more with 1 − (1 − q)ⁿ.
double CommonText(const std::vector<std::pair<double, double>>& texts) {
  double distinct = 0;
  for (const auto& [samples, found] : texts) distinct += found;
  const auto expected = [&](double q) {
    double sum = 0;
    for (const auto& [samples, found] : texts) sum += samples * (1 - q) + 1 - std::pow(1 - q, samples);
    return sum;
  };
  double low = 0, high = 1;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (expected(middle) > distinct ? low : high) = middle;
  }
  return texts.empty() ? 0 : low;
}

// `all`: the same of more trees, or of all depths, of which it takes what it has too little of.
Moves MovesOf(const Tally& tally, const Moves* all) {
  Moves moves;
  const double total = tally.total() + (all == nullptr ? 0 : kBorrowed);
  double valid = 0, squares = 0;
  for (size_t i = 0; i < kKinds; ++i) {
    const double more = all == nullptr ? 0 : all->share[i] * kBorrowed;
    moves.share[i] = total == 0 ? 0 : (tally.samples[i] + more) / total;
    if (IsValid(static_cast<Kind>(i))) valid += moves.share[i], squares += moves.share[i] * moves.share[i];
  }
  if (total == 0) moves.share[static_cast<size_t>(Kind::kLost)] = 1;
  const auto known = [all](double nodes) { return all == nullptr || nodes >= kSites; };
  moves.common_validity = known(tally.validity.nodes) ? tally.validity.Common(valid * valid + (1 - valid) * (1 - valid))
                                                      : all->common_validity;
  moves.common_kind =
      known(tally.kind.nodes) ? tally.kind.Common(valid == 0 ? 1 : squares / valid / valid) : all->common_kind;
  moves.common_text = known(static_cast<double>(tally.texts.size())) ? CommonText(tally.texts) : all->common_text;
  return moves;
}

using Trees = std::vector<const ObservedTree*>;

std::array<Quantiles, kKinds> LengthsOf(const Trees& trees, bool after_output,
                                        const std::array<Quantiles, kKinds>* all) {
  constexpr size_t kEnough = 20;
  std::array<std::vector<double>, kKinds> lengths;
  for (const ObservedTree* tree : trees) {
    for (const Site& site : tree->sites) {
      if (site.after_output != after_output) continue;
      for (const Observed& observed : site.candidates) {
        for (double i = 0; i < observed.samples; ++i)
          lengths[static_cast<size_t>(observed.kind)].push_back(observed.tokens);
      }
    }
  }
  std::array<Quantiles, kKinds> quantiles;
  for (size_t i = 0; i < kKinds; ++i)
    quantiles[i] = all != nullptr && lengths[i].size() < kEnough ? (*all)[i] : simulation::QuantilesOf(lengths[i]);
  return quantiles;
}

// `all`: the shape of all trees together, of which a class takes what it has too little of.
Shape ShapeOf(const Trees& trees, const search::Rules& rules, const Shape* all) {
  std::array<Tally, kDepths> depths;
  Tally code, answers;
  for (const ObservedTree* tree : trees) {
    for (const Site& site : tree->sites) {
      Count(site, rules.candidates, site.after_output ? &answers : &code);
      if (!site.after_output)
        Count(site, rules.candidates, &depths[std::min(static_cast<size_t>(site.depth), kDepths - 1)]);
    }
  }
  Shape shape;
  const Moves together = MovesOf(code, nullptr);
  for (size_t i = 0; i < kDepths; ++i)
    shape.by_depth.push_back(MovesOf(depths[i], all == nullptr ? &together : &all->by_depth[i]));
  shape.after_output = MovesOf(answers, all == nullptr ? nullptr : &all->after_output);
  shape.tokens = LengthsOf(trees, false, all == nullptr ? nullptr : &all->tokens);
  shape.answer_tokens = LengthsOf(trees, true, all == nullptr ? nullptr : &all->answer_tokens);
  return shape;
}

// How answers follow what was printed, and how long texts are.
void FitTexts(const Trees& trees, Profile* profile) {
  double after_right = 0, faithful = 0, after_wrong = 0, lucky = 0, bytes = 0, tokens = 0, printed = 0, finals = 0;
  for (const ObservedTree* tree : trees) {
    for (const Site& site : tree->sites) {
      double graded = 0, right = 0;
      for (const Observed& observed : site.candidates) {
        if (observed.kind != Kind::kLost) bytes += observed.bytes, tokens += observed.tokens;
        if (observed.kind == Kind::kFinal) printed += observed.printed, finals += 1;
        if (observed.kind != Kind::kAnswer) continue;
        graded += observed.samples;
        if (observed.right) right += observed.samples;
      }
      (right * 2 > graded ? after_right : after_wrong) += graded;
      (right * 2 > graded ? faithful : lucky) += right;
    }
  }
  profile->faithful = after_right == 0 ? 1 : faithful / after_right;
  profile->lucky = after_wrong == 0 ? 0 : lucky / after_wrong;
  profile->bytes_per_token = tokens == 0 ? 4 : bytes / tokens;
  const auto markers = static_cast<double>(reasoning::OutputBlock("", 1).size());
  profile->output_tokens = (markers + (finals == 0 ? 0 : printed / finals)) / profile->bytes_per_token;
}

}  // namespace

Status FitPolicy(const FitInput& input, Profile* profile) {
  std::vector<ObservedTree> observed;
  size_t index = 0;
  bool in_words = false;
  ORRERY_RETURN_IF_ERROR(input.store->ForEachTree([&](std::string_view, const store::TreeChunk& record) {
    in_words = in_words || record->in_words();
    if (!input.only || input.only(index)) observed.push_back(ObservedOf(*record, input.rules));
    ++index;
    return true;
  }));
  if (in_words) return InvalidInput("expected a campaign whose steps are code; of this one they are words");
  Trees trees;
  for (const ObservedTree& tree : observed) trees.push_back(&tree);
  if (trees.empty()) return NotFound("the store holds no finished tree to fit to");

  const Beta beta = LikeliestBeta(trees);
  profile->success = QuantilesOf(beta);
  std::map<std::string, Trees> levels;
  for (ObservedTree& tree : observed) {
    tree.chance = (tree.right + beta.a) / (tree.programs + beta.a + beta.b);
    if (!tree.level.empty()) levels[tree.level].push_back(&tree);
  }
  for (const auto& [level, of_it] : levels) {
    if (of_it.size() >= kProblemsOfLevel) profile->success_by_level[level] = QuantilesOf(LikeliestBeta(of_it));
  }
  std::ranges::stable_sort(trees, {}, [](const ObservedTree* tree) { return tree->chance; });
  const Shape all = ShapeOf(trees, input.rules, nullptr);
  const size_t classes = std::min(kShapes, trees.size());
  for (size_t i = 0; i < classes; ++i) {
    const Trees part(trees.begin() + static_cast<ptrdiff_t>(trees.size() * i / classes),
                     trees.begin() + static_cast<ptrdiff_t>(trees.size() * (i + 1) / classes));
    profile->shapes.push_back(ShapeOf(part, input.rules, &all));
  }
  FitTexts(trees, profile);
  return absl::OkStatus();
}

}  // namespace orrery::simulation
