// SPDX-License-Identifier: Apache-2.0
#include "store/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/paths.h"
#include "store/convert.h"
#include "store/drawing.h"
#include "store/html.h"
#include "store/report_page.h"

namespace orrery::store {

namespace {

// A line of the table of problems.
struct Row {
  std::string id, level, question, answer;
  bool solved = false;
  search::Difficulty difficulty = search::Difficulty::kHard;
  uint64_t rollouts = 0, right = 0, wrong = 0, tokens = 0;
};

// All that the page shows of the records, gathered in one pass.
struct Gathered {
  std::vector<Row> rows;
  std::array<uint64_t, 8> verdicts = {};  // by schema::Verdict, of executed steps
  std::array<uint64_t, 6> grades = {};    // by schema::Grade, of answers
  uint64_t candidates = 0, valid = 0, texts = 0;
  std::string shown_id;  // the problem whose tree is drawn
  TreeChunk shown;
  int shown_score = -1;
};

// Which tree teaches most: solved with wrong answers too, then solved, then any; the largest that can be drawn whole
// before larger ones.
int Instructiveness(const search::Tree& tree, bool solved, int limit) {
  const int nodes = static_cast<int>(tree.nodes.size());
  const int size = nodes <= limit ? nodes : std::max(0, limit - nodes / limit);
  const bool mixed = search::DifficultyOf(tree) == search::Difficulty::kMedium;
  return (solved ? 2 * limit : 0) + (mixed ? limit / 2 : 0) + size;
}

void Count(const schema::TreeRecord& record, Gathered* all, Row* row) {
  if (record.expansions() == nullptr) return;
  for (const schema::Expansion* expansion : *record.expansions()) {
    row->tokens += expansion->tokens_generated();
    if (expansion->candidates() == nullptr) continue;
    for (const schema::Candidate* candidate : *expansion->candidates()) {
      ++all->texts;
      all->candidates += candidate->merged();
      if (candidate->valid()) ++all->valid;
      const auto verdict = static_cast<size_t>(candidate->verdict()), grade = static_cast<size_t>(candidate->grade());
      if (verdict < all->verdicts.size()) ++all->verdicts[verdict];
      if (grade < all->grades.size()) ++all->grades[grade];
    }
  }
}

Status Add(const ProblemName& problem, const TreeChunk& record, int limit, Gathered* all) {
  ORRERY_ASSIGN_OR_RETURN(const search::Tree tree, ToSearchTree(*record));
  Row row;
  row.id = problem.id;
  row.level = GetStringView(record->level());
  row.question = GetStringView(record->question());
  row.answer = GetStringView(record->answer());
  row.solved = record->solved();
  row.difficulty = search::DifficultyOf(tree);
  row.rollouts = tree.rollouts.size();
  for (const search::Trajectory& trajectory : search::Trajectories(tree)) ++(trajectory.right ? row.right : row.wrong);
  Count(*record, all, &row);
  if (const int score = Instructiveness(tree, row.solved, limit); !tree.nodes.empty() && score > all->shown_score) {
    all->shown_score = score;
    all->shown_id = problem.id;
    all->shown = record;
  }
  all->rows.push_back(std::move(row));
  return absl::OkStatus();
}

std::string Tile(std::string_view value, std::string_view label) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", Escape(value), Escape(label));
}

std::string Tiles(const Summary& summary) {
  std::string html = "<div class=\"tiles\">\n";
  html += Tile(fmt::format("{} of {}", Grouped(summary.solved), Grouped(summary.finished)),
               fmt::format("problems solved ({})", Percent(summary.solved, summary.finished)));
  html += Tile(Grouped(summary.rollouts), "rollouts");
  html += Tile(Grouped(summary.candidates), "steps sampled");
  html += Tile(Grouped(summary.tokens_generated), "tokens generated");
  if (summary.measured.tokens_per_second > 0)
    html += Tile(fmt::format("{:.0f}", summary.measured.tokens_per_second), "tokens a second");
  if (summary.measured.seconds > 0) html += Tile(Duration(summary.measured.seconds), "time");
  return html + "</div>\n";
}

std::string BarSection(const Gathered& all) {
  std::map<std::string, Bar> levels;
  for (const Row& row : all.rows) {
    Bar& bar = levels[row.level.empty() ? "no level given" : row.level];
    ++bar.all;
    if (row.solved) ++bar.solved;
  }
  std::vector<Bar> bars;
  for (auto& [label, bar] : levels) bars.push_back({label, bar.solved, bar.all});
  constexpr size_t kBars = 16;
  if (bars.size() > kBars) {
    Bar rest{"other levels", 0, 0};
    for (size_t i = kBars; i < bars.size(); ++i) {
      rest.solved += bars[i].solved;
      rest.all += bars[i].all;
    }
    bars.resize(kBars);
    bars.push_back(rest);
  }
  std::array<uint64_t, 3> difficulties = {};
  for (const Row& row : all.rows) ++difficulties[static_cast<size_t>(row.difficulty)];
  std::string html = "<section><h2>Solved by level</h2>\n" + DrawBars(bars);
  html += fmt::format(
      "<p class=\"quiet small\">By the answers found: {} easy (every answer right), {} medium (right and wrong ones), "
      "{} hard (none right).</p></section>\n",
      difficulties[0], difficulties[1], difficulties[2]);
  return html;
}

std::string NumberRow(std::string_view label, std::string_view value) {
  return fmt::format("<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td></tr>\n", Escape(label), Escape(value));
}

std::string TotalsSection(const ReportInput& input) {
  const Summary& summary = input.summary;
  const Measured& measured = summary.measured;
  std::string html = "<section><h2>Totals</h2><table><tbody>\n";
  html += NumberRow("Problems", Grouped(summary.problems));
  if (summary.finished != summary.problems) html += NumberRow("of them finished", Grouped(summary.finished));
  html += NumberRow("Expansions", Grouped(summary.expansions));
  html += NumberRow("Programs run, step by step", Grouped(summary.steps_executed));
  html += NumberRow("Trajectories kept", Grouped(input.exported.trajectories));
  html += NumberRow("Preference pairs kept", Grouped(input.exported.preferences));
  html += "</tbody></table><h2 style=\"margin-top:18px\">Measured on this machine</h2><table><tbody>\n";
  html += NumberRow("Time", Duration(measured.seconds));
  html += NumberRow("Tokens a second", fmt::format("{:.1f}", measured.tokens_per_second));
  html += NumberRow("Mean batch rows", fmt::format("{:.1f}", measured.mean_batch_rows));
  html += NumberRow("Peak memory", Bytes(measured.peak_rss_bytes));
  html += NumberRow("Threads", std::to_string(measured.threads));
  html += NumberRow("Processor", measured.cpu);
  return html + "</tbody></table></section>\n";
}

std::string VerdictSection(const Gathered& all) {
  constexpr std::string_view kVerdicts[] = {"not run",      "ran without error", "Python error",     "time-out",
                                            "memory limit", "output limit",      "died of a signal", "sandbox failed"};
  constexpr std::string_view kGrades[] = {"not graded",        "equals the reference",   "differs",
                                          "could not be read", "grader ran out of time", "grader failed"};
  std::string html = "<section><h2>How the steps went</h2>\n";
  html += fmt::format(
      "<p class=\"quiet small\">{} steps were sampled; {} texts were left after equal ones were merged, and {} of "
      "these ({}) could be built on.</p>\n",
      Grouped(all.candidates), Grouped(all.texts), Grouped(all.valid), Percent(all.valid, all.texts));
  html +=
      "<table><thead><tr><th scope=\"col\">Steps by verdict</th><th scope=\"col\" "
      "class=\"number\">texts</th></tr></thead><tbody>\n";
  for (size_t i = 1; i < all.verdicts.size(); ++i) html += NumberRow(kVerdicts[i], Grouped(all.verdicts[i]));
  html += NumberRow("answers, and texts that were no step", Grouped(all.verdicts[0]));
  html +=
      "</tbody></table><table style=\"margin-top:14px\"><thead><tr><th scope=\"col\">Answers by grade</th><th "
      "scope=\"col\" class=\"number\">texts</th></tr></thead><tbody>\n";
  for (size_t i = 1; i < all.grades.size(); ++i) html += NumberRow(kGrades[i], Grouped(all.grades[i]));
  return html + "</tbody></table></section>\n";
}

std::string Legend() {
  std::string html = "<p class=\"legend\"><span>Q of a step: −1 ";
  html += "<svg width=\"112\" height=\"14\" aria-hidden=\"true\">";
  for (int i = 0; i < 7; ++i)
    html += fmt::format("<rect class=\"q{}\" x=\"{}\" y=\"1\" width=\"15\" height=\"12\" rx=\"2\"/>", i, 16 * i);
  return html +
         "</svg> +1</span><span>✓ right answer</span><span>✗ wrong answer</span><span>▪ dead end or depth "
         "limit</span><span>larger: more visits (N)</span>"
         "<span>thick line: the best trajectory</span></p>\n";
}

std::string TrajectoryText(const schema::TreeRecord& record, const search::Tree& tree,
                           const search::Trajectory& trajectory) {
  std::string html;
  int number = 0;
  for (int i : trajectory.nodes) {
    const search::Node& node = tree.nodes[i];
    const schema::Candidate& candidate = *CandidateOf(record, i);
    const bool answer = candidate.kind() == schema::StepKind::Answer;
    html += fmt::format("<div class=\"step {}\"><p class=\"small\">{} · Q {:+.2f} · {} visit{}{}</p><pre>{}</pre>",
                        ColourClass(node.q()), answer ? std::string("Answer") : fmt::format("Step {}", ++number),
                        node.q(), node.visits, node.visits == 1 ? "" : "s",
                        node.tolerated ? " · failed, and was let through" : "", Escape(node.text));
    const std::string_view output = GetStringView(candidate.output());
    if (!output.empty())
      html += fmt::format("<div class=\"output\"><span class=\"small quiet\">printed</span><pre>{}</pre></div>",
                          Escape(output));
    html += "</div>\n";
  }
  return html;
}

StatusOr<std::string> TreeSections(const Gathered& all, const ReportInput& input) {
  if (!all.shown) return std::string("<section><h2>No tree to draw yet</h2><p>No problem is finished.</p></section>\n");
  const schema::TreeRecord& record = *all.shown;
  ORRERY_ASSIGN_OR_RETURN(const search::Tree tree, ToSearchTree(record));
  const std::vector<search::Trajectory> best = search::BestTrajectories(tree, 1);
  std::string html =
      fmt::format("<section><h2>One search: problem {}</h2><p>{}</p><p class=\"quiet small\">{}.", Escape(all.shown_id),
                  Escape(GetStringView(record.question())),
                  record.checker() != nullptr ? "Answers were judged by the problem's own checker"
                                              : "Reference answer: " + Escape(GetStringView(record.answer())));
  if (static_cast<int>(tree.nodes.size()) > input.tree_nodes)
    html += fmt::format(" The first {} of {} nodes are drawn.", input.tree_nodes, tree.nodes.size());
  html += "</p>\n" + Legend() + "<div class=\"scroll\" tabindex=\"0\">\n" +
          DrawTree(record, tree, best.empty() ? -1 : best[0].nodes.back(), input.tree_nodes) + "</div></section>\n";
  if (best.empty()) return html;
  html += fmt::format(
      "<section><h2>Its best trajectory</h2><p class=\"quiet small\">Mean Q {:+.2f}, lowest Q {:+.2f}: the first "
      "choice as training data.</p>\n",
      best[0].mean_q, best[0].min_q);
  return html + TrajectoryText(record, tree, best[0]) + "</section>\n";
}

std::string ProblemTable(const Gathered& all, size_t limit) {
  std::string html =
      "<section><h2>Problems</h2><p class=\"filter small\"><label><input type=\"checkbox\" id=\"only\"> unsolved "
      "only</label></p><div class=\"scroll\"><table><thead><tr>"
      "<th scope=\"col\">Problem</th><th scope=\"col\">Level</th><th scope=\"col\">Solved</th><th "
      "scope=\"col\">Difficulty</th>"
      "<th scope=\"col\" class=\"number\">Answers right / wrong</th><th scope=\"col\" "
      "class=\"number\">Rollouts</th><th scope=\"col\" class=\"number\">Tokens</th></tr></thead><tbody>\n";
  for (size_t i = 0; i < std::min(limit, all.rows.size()); ++i) {
    const Row& row = all.rows[i];
    html += fmt::format(
        "<tr class=\"{}\"><td><details><summary>{}</summary><p class=\"small\">{}</p><p class=\"small "
        "quiet\">Reference answer: {}</p></details></td><td>{}</td>",
        row.solved ? "solved" : "open", Escape(row.id), Escape(row.question), Escape(row.answer), Escape(row.level));
    html += fmt::format(
        "<td class=\"{}\">{}</td><td>{}</td><td class=\"number\">{} / {}</td><td class=\"number\">{}</td><td "
        "class=\"number\">{}</td></tr>\n",
        row.solved ? "yes" : "no", row.solved ? "✓ solved" : "✗ no", search::Name(row.difficulty), row.right, row.wrong,
        row.rollouts, Grouped(row.tokens));
  }
  html += "</tbody></table></div>\n";
  if (all.rows.size() > limit)
    html += fmt::format("<p class=\"quiet small\">And {} more.</p>\n", Grouped(all.rows.size() - limit));
  return html + "</section>\n";
}

std::string SettingsSection(const ReportInput& input) {
  std::string html = "<section><h2>Settings</h2><table><tbody>\n";
  html += fmt::format("<tr><th scope=\"row\">model</th><td><code>{}</code></td></tr>\n", Escape(input.summary.model));
  for (const auto& [key, value] : input.settings)
    html += fmt::format("<tr><th scope=\"row\">{}</th><td><code>{}</code></td></tr>\n", Escape(key), Escape(value));
  html += fmt::format("<tr><th scope=\"row\">fingerprint</th><td><code>{}</code></td></tr>\n",
                      Escape(input.summary.fingerprint));
  html += fmt::format("<tr><th scope=\"row\">digest of the results</th><td><code>{}</code></td></tr>\n",
                      Escape(input.summary.digest));
  html += "</tbody></table></section>\n<section><h2>Isolation of the models' code</h2>\n";
  html += fmt::format(
      "<p>{}</p>\n",
      input.isolation == "none"
          ? std::string("<strong>none</strong>: the models' programs could read and write this user's files.")
          : Escape(input.isolation));
  if (!input.summary.guards.empty()) {
    html += "<ul class=\"small\">\n";
    for (const auto& guard : input.summary.guards)
      html += fmt::format("<li>{}</li>\n", Escape(sandbox::Describe(guard)));
    html += "</ul>\n";
  }
  return html + "</section>\n";
}

}  // namespace

StatusOr<std::string> MakeReport(const Store& store, const std::vector<ProblemName>& problems,
                                 const ReportInput& input) {
  Gathered all;
  for (const ProblemName& problem : problems) {
    ORRERY_ASSIGN_OR_RETURN(const auto record, store.Tree(problem.key));
    if (record) ORRERY_RETURN_IF_ERROR(Add(problem, *record, input.tree_nodes, &all));
  }
  ORRERY_ASSIGN_OR_RETURN(const std::string tree, TreeSections(all, input));
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>{}</style></head>\n<body><main>\n",
      Escape(input.title), kStyle);
  html +=
      fmt::format("<h1>{}</h1><p class=\"quiet\">Search campaign of Orrery {} · model {} · seed {}</p>\n",
                  Escape(input.title), Escape(input.summary.version), Escape(input.summary.model), input.summary.seed);
  if (input.isolation == "none")
    html +=
        "<p class=\"alarm\" role=\"alert\">⚠ sandbox.isolation=none: the models' code ran without walls on this "
        "machine.</p>\n";
  if (input.summary.finished < input.summary.problems) {
    html += fmt::format(
        "<p class=\"quiet\">Not finished yet: {} of {} problems have their result; the same command goes on.</p>\n",
        Grouped(input.summary.finished), Grouped(input.summary.problems));
  }
  html += Tiles(input.summary) + BarSection(all) + tree;
  html += "<div class=\"columns\">\n" + TotalsSection(input) + VerdictSection(all) + "</div>\n";
  html += ProblemTable(all, input.table_rows) + SettingsSection(input);
  html += fmt::format(
      "<footer>Written by Orrery {}; needs nothing from the "
      "network.</footer>\n</main><script>{}</script></body></html>\n",
      Escape(input.summary.version), kScript);
  return html;
}

Status WriteReport(const Store& store, const std::vector<ProblemName>& problems, const ReportInput& input,
                   const std::filesystem::path& path) {
  ORRERY_ASSIGN_OR_RETURN(const std::string html, MakeReport(store, problems, input));
  return WriteFileAtomically(path, html);
}

}  // namespace orrery::store
