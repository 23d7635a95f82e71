// SPDX-License-Identifier: Apache-2.0
#include "store/drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "store/convert.h"
#include "store/html.h"

namespace orrery::store {

namespace {

constexpr int kColumn = 216;  // of a tree's depth, in pixels
constexpr int kRow = 40;
constexpr int kBend = 36;  // width of an edge's curve
constexpr int kMargin = 20;
constexpr int kLastColumn = 190;  // what stands beside the deepest nodes
constexpr size_t kLabel = 23;     // characters that fit a column beside the circle

struct Place {
  int depth = 0;
  double row = 0;
};

// Leaves take one row each from the top; a parent stands in the middle of its children.
std::vector<Place> Layout(const search::Tree& tree, int count) {
  std::vector<Place> places(static_cast<size_t>(count));
  std::vector<std::vector<int>> children(static_cast<size_t>(count));
  for (int i = 1; i < count; ++i) {
    places[i].depth = places[tree.nodes[i].parent].depth + 1;
    children[tree.nodes[i].parent].push_back(i);
  }
  double next = 0;
  for (int i = 0; i < count; ++i) {  // depth first: leaves come in the order in which they are seen
    if (children[i].empty()) places[i].row = next++;
  }
  for (int i = count - 1; i >= 0; --i) {
    if (!children[i].empty()) places[i].row = (places[children[i].front()].row + places[children[i].back()].row) / 2;
  }
  return places;
}

std::string_view EndSign(const search::Node& node) {
  switch (node.end) {
    case search::End::kAnswered: return node.right ? "✓" : "✗";
    case search::End::kDeadEnd:
    case search::End::kDepthLimit: return "▪";
    case search::End::kNone: break;
  }
  return "";
}

std::string LabelOf(const schema::TreeRecord& record, const search::Tree& tree, int i) {
  const search::Node& node = tree.nodes[i];
  if (i == 0) return "question";
  const schema::Candidate* candidate = CandidateOf(record, i);
  if (node.end == search::End::kAnswered && candidate->answer() != nullptr)
    return fmt::format("{}: {}", EndWord(node), candidate->answer()->string_view());
  const std::string words = FirstWords(node.text);
  return node.end == search::End::kNone ? words : fmt::format("{}: {}", EndWord(node), words);
}

std::string Node(const schema::TreeRecord& record, const search::Tree& tree, int i, double x, double y, bool best) {
  const search::Node& node = tree.nodes[i];
  const double radius = 7 + std::min(6.0, 2 * std::log2(1.0 + node.visits));
  const std::string tip = fmt::format("Q {:+.2f}, {} visit{}{}{}\n{}", node.q(), node.visits,
                                      node.visits == 1 ? "" : "s", EndWord(node).empty() ? "" : ", ", EndWord(node),
                                      i == 0 ? GetStringView(record.question()) : node.text);
  std::string svg =
      fmt::format(R"(<g class="node{}"><title>{}</title><circle class="{}" cx="{:.0f}" cy="{:.1f}" r="{:.1f}"/>)",
                  best ? " best" : "", Escape(tip), ColourClass(node.q()), x, y, radius);
  if (!EndSign(node).empty())
    svg += fmt::format(R"(<text class="sign {}" x="{:.0f}" y="{:.1f}">{}</text>)", ColourClass(node.q()), x, y + 4.5,
                       EndSign(node));
  svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}">{}</text>)", x + radius + 4, y - 5,
                     Escape(Shorten(LabelOf(record, tree, i), kLabel)));
  svg += fmt::format(R"(<text class="small" x="{:.1f}" y="{:.1f}">Q {:+.2f} · N {}</text></g>)", x + radius + 4, y + 14,
                     node.q(), node.visits);
  return svg + "\n";
}

}  // namespace

std::string ColourClass(double q) {
  return fmt::format("q{}", std::clamp(static_cast<int>(std::lround((q + 1) * 3)), 0, 6));
}

std::string_view EndWord(const search::Node& node) {
  switch (node.end) {
    case search::End::kAnswered: return node.right ? "right" : "wrong";
    case search::End::kDeadEnd: return "dead end";
    case search::End::kDepthLimit: return "too deep";
    case search::End::kNone: break;
  }
  return "";
}

std::string FirstWords(std::string_view step) {
  std::string_view fallback;
  while (!step.empty()) {
    const size_t end = std::min(step.find('\n'), step.size());
    std::string_view line = step.substr(0, end);
    step.remove_prefix(std::min(end + 1, step.size()));
    const size_t first = line.find_first_not_of(" \t#");
    if (first == std::string_view::npos || line.starts_with("<")) continue;
    if (line[line.find_first_not_of(" \t")] == '#') return std::string(line.substr(first));
    if (fallback.empty()) fallback = line;
  }
  return std::string(fallback);
}

std::string DrawBars(const std::vector<Bar>& bars) {
  constexpr int kLabelWidth = 190, kBarWidth = 470, kBarRow = 32;
  const int height = kBarRow * static_cast<int>(bars.size());
  std::string svg =
      fmt::format(R"(<svg class="bars" viewBox="0 0 820 {}" role="img" aria-label="Solved problems by group">)",
                  height) +
      "\n";
  for (size_t i = 0; i < bars.size(); ++i) {
    const Bar& bar = bars[i];
    const int y = kBarRow * static_cast<int>(i);
    const double share = bar.all == 0 ? 0 : static_cast<double>(bar.solved) / static_cast<double>(bar.all);
    svg += fmt::format(R"(<text class="label" x="{}" y="{}">{}</text>)", kLabelWidth - 12, y + 20,
                       Escape(Shorten(bar.label, 24)));
    svg += fmt::format(R"(<rect class="rest" x="{}" y="{}" width="{}" height="18" rx="4"/>)", kLabelWidth, y + 6,
                       kBarWidth);
    if (bar.solved > 0)
      svg += fmt::format(R"(<rect class="part" x="{}" y="{}" width="{:.1f}" height="18" rx="4"/>)", kLabelWidth, y + 6,
                         std::max(4.0, share * kBarWidth));
    svg += fmt::format(R"(<text x="{}" y="{}">{} of {} ({})</text>)", kLabelWidth + kBarWidth + 12, y + 20,
                       Grouped(bar.solved), Grouped(bar.all), Percent(bar.solved, bar.all));
    svg += "\n";
  }
  return svg + "</svg>\n";
}

std::string DrawTree(const schema::TreeRecord& record, const search::Tree& tree, int best, int limit) {
  const int count = std::min(static_cast<int>(tree.nodes.size()), limit);
  const std::vector<Place> places = Layout(tree, count);
  std::vector<bool> on_best(tree.nodes.size(), false);
  for (int i = best; i >= 0; i = tree.nodes[i].parent) on_best[i] = true;
  int depth = 0;
  double rows = 0;
  for (const Place& place : places) {
    depth = std::max(depth, place.depth);
    rows = std::max(rows, place.row);
  }
  const int width = kColumn * depth + kLastColumn + kMargin, height = static_cast<int>(rows * kRow) + 2 * kMargin + 8;
  const auto x = [&](int i) { return static_cast<double>(kMargin + places[i].depth * kColumn); };
  const auto y = [&](int i) { return kMargin + 4 + places[i].row * kRow; };
  std::string svg =
      fmt::format(
          R"(<svg class="tree" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" aria-label="Search tree, from left to right">)",
          width, height) +
      "\n";
  const auto edge = [&](int i) {
    // Level between the two lines of the parent's label, then a curve to the child.
    const int parent = tree.nodes[i].parent;
    const double bend = x(i) - kBend, middle = x(i) - kBend / 2.0;
    return fmt::format(
        R"(<path class="edge{}" d="M{:.0f} {:.1f} H{:.0f} C{:.0f} {:.1f} {:.0f} {:.1f} {:.0f} {:.1f}"/>)",
        on_best[i] ? " best" : "", x(parent), y(parent), bend, middle, y(parent), middle, y(i), x(i), y(i));
  };
  for (const bool thick : {false, true}) {  // the thick ones above the others
    for (int i = 1; i < count; ++i) {
      if (on_best[i] == thick) svg += edge(i) + "\n";
    }
  }
  for (int i = 0; i < count; ++i) svg += Node(record, tree, i, x(i), y(i), on_best[i]);
  return svg + "</svg>\n";
}

}  // namespace orrery::store
