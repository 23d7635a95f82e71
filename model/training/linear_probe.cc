// SPDX-License-Identifier: Apache-2.0
#include "model/training/linear_probe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace orrery::model {
namespace {

using Vector = std::vector<double>;

// Times the width: a difference of two siblings, each dimension of the spread one, has that much for its square. The
// largest lets a pair move its own margin by less than its share of all pairs.
constexpr double kPenalties[] = {1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1};

double Dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void AddTimes(double factor, std::span<const double> from, std::span<double> to) {
  for (size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
}

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// What the mean square of the outputs costs, in units of the scale: tanh has a slope left for nearly all texts.
constexpr double kSquare = 0.1;

// Products read inputs and weights in bfloat16: a dimension that is the same in all texts but for one part in 256 is
// noise there, however well it tells siblings apart.
constexpr double kRounding = 1.0 / 256;

// The mean of all inputs, and each dimension's spread among siblings, its rounding counted in.
struct Scaling {
  explicit Scaling(const ProbeData& data) : mean(data.width), spread(data.width) {
    const size_t count = data.inputs.size() / data.width;
    const auto texts = static_cast<double>(count);
    for (size_t i = 0; i < data.inputs.size(); ++i) {
      const double noise = kRounding * data.inputs[i];
      spread[i % data.width] += noise * noise / texts;
    }
    for (const ProbeData::Group& group : data.groups) {
      Vector center(data.width);
      const auto over = [&](auto&& add) {
        for (size_t i = 0; i < group.count * data.width; ++i)
          add(i % data.width, double{data.inputs[group.first * data.width + i]});
      };
      over([&](size_t k, double x) { center[k] += x / static_cast<double>(group.count); });
      over([&](size_t k, double x) { spread[k] += (x - center[k]) * (x - center[k]) / texts; });
      AddTimes(static_cast<double>(group.count) / texts, center, mean);
    }
    for (double& each : spread) each = std::sqrt(each) + 1e-6;
  }
  Vector mean, spread;
};

// The differences of pairs, and what each counts; and all texts, whose outputs are to stay small.
struct Pairs {
  Pairs(const ProbeData& data, const Scaling& scaling) : width(data.width), texts(data.inputs.size()) {
    for (size_t i = 0; i < texts.size(); ++i)
      texts[i] = (data.inputs[i] - scaling.mean[i % width]) / scaling.spread[i % width];
    // Weights across the mean give outputs of zero on average: a constant tells no sibling from another. Texts and
    // differences alike are without it, or weights would take it up to make the outputs of some texts smaller.
    Vector constant(width);
    for (size_t k = 0; k < width; ++k) constant[k] = scaling.mean[k] / scaling.spread[k];
    const double square = std::max(Dot(constant, constant), 1e-30);
    for (size_t first = 0; first < texts.size(); first += width) {
      const std::span each = std::span(texts).subspan(first, width);
      AddTimes(-Dot(each, constant) / square, constant, each);
    }
    for (size_t g = 0; g < data.groups.size(); ++g) {
      const ProbeData::Group& group = data.groups[g];
      for (const auto& [better, worse] : group.pairs) {
        const auto a = text(group.first + static_cast<size_t>(better)),
                   b = text(group.first + static_cast<size_t>(worse));
        for (size_t k = 0; k < width; ++k) differences.push_back(a[k] - b[k]);
        counts.push_back(1 / static_cast<double>(group.pairs.size()));
        groups.push_back(g);
      }
    }
  }

  size_t text_count() const { return texts.size() / width; }
  std::span<const double> text(size_t number) const { return std::span(texts).subspan(number * width, width); }
  std::span<const double> difference(size_t pair) const { return std::span(differences).subspan(pair * width, width); }

  size_t width;
  Vector texts, differences, counts;
  std::vector<size_t> groups;  // which one each pair is of
};

// Some of the pairs, by number.
using Chosen = std::vector<size_t>;

struct Measured {
  double loss = 0, right = 0, counted = 0;  // sums
};

Measured Measure(const Pairs& pairs, const Chosen& chosen, const Vector& weights) {
  Measured measured;
  for (const size_t pair : chosen) {
    const double margin = Dot(pairs.difference(pair), weights);
    measured.loss += pairs.counts[pair] * (std::log1p(std::exp(-std::abs(margin))) + std::max(-margin, 0.0));
    measured.right += margin > 0 ? 1 : 0;
    measured.counted += pairs.counts[pair];
  }
  return measured;
}

// Newton's method, its steps by conjugate gradients (Lin, Weng and Keerthi 2008 without their region of trust: a step
// that does not lower the loss is halved).
class Fit {
 public:
  Fit(const Pairs& pairs, const Chosen& chosen, double penalty, double scale)
      : pairs_(pairs),
        chosen_(chosen),
        penalty_(penalty * static_cast<double>(pairs.width)),
        square_(kSquare / (scale * scale * static_cast<double>(pairs.text_count()))),
        weights_(pairs.width) {
    for (const size_t pair : chosen) counted_ += pairs.counts[pair];
  }

  Vector Run() {
    constexpr int kSteps = 50;
    constexpr double kSettled = 1e-5;  // of the first gradient
    double first = 0, loss = Loss(weights_);
    for (int step = 0; step < kSteps; ++step) {
      const Vector gradient = Gradient();
      const double norm = std::sqrt(Dot(gradient, gradient));
      if (step == 0) first = norm;
      if (norm <= kSettled * first) break;
      const Vector direction = Direction(gradient, norm);
      double length = 1, next = 0;
      Vector moved;
      do {
        moved = weights_;
        AddTimes(length, direction, moved);
        next = Loss(moved);
        length /= 2;
      } while (next > loss && length > 1e-6);
      if (next >= loss) break;
      weights_ = moved;
      loss = next;
    }
    return weights_;
  }

 private:
  double Loss(const Vector& weights) const {
    double squares = 0;
    for (size_t text = 0; text < pairs_.text_count(); ++text) squares += std::pow(Dot(pairs_.text(text), weights), 2);
    return Measure(pairs_, chosen_, weights).loss / counted_ + penalty_ / 2 * Dot(weights, weights) +
           square_ / 2 * squares;
  }

  Vector Gradient() {
    Vector gradient(weights_.size());
    AddPenalties(weights_, gradient);
    curvatures_.clear();
    for (const size_t pair : chosen_) {
      const double share = pairs_.counts[pair] / counted_, wrong = Sigmoid(-Dot(pairs_.difference(pair), weights_));
      AddTimes(-share * wrong, pairs_.difference(pair), gradient);
      curvatures_.push_back(share * wrong * (1 - wrong));
    }
    return gradient;
  }

  // Both are squares: their gradient at v, and their Hessian times v.
  void AddPenalties(const Vector& v, Vector& sum) const {
    AddTimes(penalty_, v, sum);
    for (size_t text = 0; text < pairs_.text_count(); ++text)
      AddTimes(square_ * Dot(pairs_.text(text), v), pairs_.text(text), sum);
  }

  Vector TimesHessian(const Vector& v) const {
    Vector product(v.size());
    AddPenalties(v, product);
    for (size_t i = 0; i < chosen_.size(); ++i)
      AddTimes(curvatures_[i] * Dot(pairs_.difference(chosen_[i]), v), pairs_.difference(chosen_[i]), product);
    return product;
  }

  // −H⁻¹·gradient, nearly.
  Vector Direction(const Vector& gradient, double norm) const {
    constexpr int kRounds = 100;
    Vector direction(gradient.size()), rest(gradient.size());
    AddTimes(-1, gradient, rest);
    Vector along = rest;
    double square = Dot(rest, rest);
    for (int round = 0; round < kRounds && std::sqrt(square) > 1e-3 * norm; ++round) {
      const Vector curved = TimesHessian(along);
      const double length = square / Dot(along, curved);
      AddTimes(length, along, direction);
      AddTimes(-length, curved, rest);
      const double next = Dot(rest, rest);
      for (size_t i = 0; i < along.size(); ++i) along[i] = rest[i] + next / square * along[i];
      square = next;
    }
    return direction;
  }

  const Pairs& pairs_;
  const Chosen& chosen_;
  double penalty_, square_, counted_ = 0;
  Vector weights_, curvatures_;
};

// Loss and accuracy of a penalty on what each fit has not seen.
Measured CrossValidate(const Pairs& pairs, size_t groups, size_t folds, double penalty, double scale) {
  Measured sum;
  for (size_t fold = 0; fold < folds; ++fold) {
    Chosen seen, unseen;
    for (size_t pair = 0; pair < pairs.groups.size(); ++pair)
      (pairs.groups[pair] * folds / groups == fold ? unseen : seen).push_back(pair);
    const Measured measured = Measure(pairs, unseen, Fit(pairs, seen, penalty, scale).Run());
    sum.loss += measured.loss;
    sum.right += measured.right;
    sum.counted += measured.counted;
  }
  return sum;
}

}  // namespace

Probe FitProbe(const ProbeData& data, double scale, int folds) {
  const Scaling scaling(data);
  const Pairs pairs(data, scaling);
  Probe probe{.loss = std::numeric_limits<double>::infinity()};
  const size_t groups = data.groups.size(), parts = std::clamp<size_t>(static_cast<size_t>(folds), 2, groups);
  for (const double penalty : kPenalties) {
    const Measured measured = CrossValidate(pairs, groups, parts, penalty, scale);
    const double loss = measured.loss / measured.counted;
    if (loss >= probe.loss) continue;
    probe.penalty = penalty;
    probe.loss = loss;
    probe.accuracy = measured.right / static_cast<double>(pairs.groups.size());
  }
  Chosen all(pairs.groups.size());
  std::iota(all.begin(), all.end(), size_t{0});
  const Vector weights = Fit(pairs, all, probe.penalty, scale).Run();
  for (size_t k = 0; k < data.width; ++k) probe.weights.push_back(static_cast<float>(weights[k] / scaling.spread[k]));
  return probe;
}

}  // namespace orrery::model
