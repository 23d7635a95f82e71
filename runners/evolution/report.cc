// SPDX-License-Identifier: Apache-2.0
#include "runners/evolution/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/paths.h"
#include "runners/common/plots.h"
#include "runners/evaluation/published.h"
#include "store/html.h"

namespace orrery::runners {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kStages[] = {"test", "other", "search"};

// One measure of one round's policy.
struct Measured {
  int round;
  std::string stage, method, measure;
  double mean, low, high;  // in percent
};

std::vector<Measured> MeasuresOf(const Json& rounds) {
  std::vector<Measured> all;
  for (const Json& round : rounds) {
    for (const char* stage : kStages) {
      if (!round.contains(stage) || !round[stage].is_object()) continue;
      for (const Json& measure : round[stage].value("measures", Json::array())) {
        all.push_back({round.value("round", 0), stage, measure.value("method", ""), measure.value("measure", ""),
                       100 * measure.value("mean", 0.0), 100 * measure.value("low", 0.0),
                       100 * measure.value("high", 0.0)});
      }
    }
  }
  return all;
}

using Row = std::vector<std::string>;

// The first row is the head.
std::vector<Row> Searches(const Json& rounds) {
  std::vector<Row> rows = {
      {"round", "problems solved", "easy, medium, hard", "new tokens", "campaign seconds", "policy trained on"}};
  for (const Json& round : rounds) {
    const Json& campaign = round["campaign"];
    if (!campaign.is_object()) continue;
    const Json difficulty = campaign.value("difficulty", Json::object());
    const double seconds = campaign.value("measured", Json::object()).value("seconds", 0.0);
    const int learnt = round["policy"].is_object() ? round["policy"].value("learnt", 0) : 0;
    rows.push_back({std::to_string(round.value("round", 0)),
                    fmt::format("{} of {}", campaign.value("solved", 0), campaign.value("problems", 0)),
                    fmt::format("{}, {}, {}", difficulty.value("easy", 0), difficulty.value("medium", 0),
                                difficulty.value("hard", 0)),
                    std::to_string(campaign.value("tokens_generated", 0)), fmt::format("{:.0f}", seconds),
                    std::to_string(learnt)});
  }
  return rows;
}

std::vector<Row> Measures(const std::vector<Measured>& measures) {
  std::vector<Row> rows = {{"round", "on", "method", "measure", "percent", "95% interval"}};
  for (const Measured& one : measures) {
    rows.push_back({std::to_string(one.round), one.stage, one.method, one.measure, fmt::format("{:.1f}", one.mean),
                    fmt::format("{:.1f} to {:.1f}", one.low, one.high)});
  }
  return rows;
}

// What each part of a round brought, in points on the test questions: training, by greedy answers against those of the
// round before; the preference model, by its choice among the same samples against their majority; the search, against
// greedy answers.
std::vector<Row> Gains(const std::vector<Measured>& measures) {
  const auto find = [&](int round, const char* stage, const char* method, std::string_view measure) {
    const auto found = std::ranges::find_if(measures, [&](const Measured& one) {
      return one.round == round && one.stage == stage && one.method == method && one.measure.starts_with(measure);
    });
    return found == measures.end() ? std::optional<double>() : found->mean;
  };
  const auto gain = [](std::optional<double> now, std::optional<double> before) {
    return now && before ? fmt::format("{:+.1f}", *now - *before) : std::string();
  };
  std::vector<Row> rows = {{"round", "training: greedy, against the round before",
                            "preference model: its best of the samples, against their majority",
                            "search: its best by score, against greedy"}};
  std::vector<int> rounds;
  for (const Measured& one : measures) {
    if (rounds.empty() || rounds.back() != one.round) rounds.push_back(one.round);
  }
  for (const int round : rounds) {
    const auto greedy = find(round, "test", "greedy", "pass@1");
    Row row = {std::to_string(round), gain(greedy, find(round - 1, "test", "greedy", "pass@1")),
               gain(find(round, "test", "sample", "best by score"), find(round, "test", "sample", "majority")),
               gain(find(round, "search", "search", "best by score"), greedy)};
    if (std::any_of(row.begin() + 1, row.end(), [](const std::string& cell) { return !cell.empty(); }))
      rows.push_back(std::move(row));
  }
  return rows;
}

std::string AsMarkdown(const std::vector<Row>& rows) {
  std::string text;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const std::string& cell : rows[i]) text += fmt::format("| {} ", cell);
    text += "|\n";
    if (i > 0) continue;
    for (size_t cell = 0; cell < rows[i].size(); ++cell) text += "|---";
    text += "|\n";
  }
  return text;
}

std::string AsHtml(const std::vector<Row>& rows) {
  std::string html = "<div class=\"scroll\"><table>";
  for (size_t i = 0; i < rows.size(); ++i) {
    html += i == 0 ? "<thead><tr>" : "<tr>";
    for (const std::string& cell : rows[i])
      html += fmt::format("<{0}>{1}</{0}>", i == 0 ? "th" : "td", store::Escape(cell));
    html += i == 0 ? "</tr></thead><tbody>\n" : "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

// The measures that every reader looks for first, by round.
std::string Plot(const std::vector<Measured>& measures, std::string_view stage, const std::string& title) {
  std::vector<PlotSeries> series;
  for (const Measured& one : measures) {
    if (one.stage != stage) continue;
    const std::string label = fmt::format("{}, {}", one.method, one.measure);
    auto found = std::ranges::find(series, label, &PlotSeries::label);
    if (found == series.end()) {
      if (series.size() == kMostSeries) continue;  // more could not be told apart; the table has them
      found = series.insert(series.end(), {label, {}});
    }
    found->points.push_back(
        {.x = static_cast<double>(one.round),
         .y = one.mean,
         .low = one.low,
         .high = one.high,
         .tip = fmt::format("round {}, {}: {:.1f}%, {:.1f} to {:.1f}", one.round, label, one.mean, one.low, one.high)});
  }
  if (series.empty()) return "";
  return fmt::format("<section><h2>{}</h2>\n{}</section>\n", store::Escape(title),
                     DrawSeries(series, {.x_label = "round", .title = title, .joined = true}));
}

std::string SolvedPlot(const Json& rounds) {
  PlotSeries solved{"solved", {}};
  for (const Json& round : rounds) {
    if (!round["campaign"].is_object()) continue;
    const double problems = round["campaign"].value("problems", 0.0), count = round["campaign"].value("solved", 0.0);
    if (problems <= 0) continue;
    solved.points.push_back(
        {.x = round.value("round", 0.0),
         .y = 100 * count / problems,
         .tip = fmt::format("round {}: {:.0f} of {:.0f}", round.value("round", 0), count, problems)});
  }
  return "<section><h2>Training problems that the search solved</h2>\n" +
         DrawSeries({solved},
                    {.x_label = "round", .title = "Percent of the training problems solved", .joined = true}) +
         fmt::format("<p class=\"quiet small\">{}</p></section>\n", kPublishedShares);
}

std::string Page(const Json& rounds) {
  const std::vector<Measured> measures = MeasuresOf(rounds);
  std::string html = PageHead("Evolution") + "<h1>Evolution</h1>\n";
  html += SolvedPlot(rounds);
  html += Plot(measures, "test", "The policies on the test questions");
  html += Plot(measures, "other", "The policies on questions of another source");
  html += "<section><h2>Searches</h2>\n" + AsHtml(Searches(rounds)) + "</section>\n";
  if (const auto gains = Gains(measures); gains.size() > 1)
    html += "<section><h2>What each part brought, in points</h2>\n" + AsHtml(gains) + "</section>\n";
  if (!measures.empty()) {
    html +=
        "<section><h2>Measures</h2>\n" + AsHtml(Measures(measures)) +
        "<p class=\"quiet small\">Each round's observations.md tells what to look at in its search.</p></section>\n";
  }
  return html + "</main></body></html>\n";
}

}  // namespace

Status WriteEvolution(const std::filesystem::path& folder, const Json& rounds) {
  const std::vector<Measured> measures = MeasuresOf(rounds);
  std::string text = fmt::format("{}\n{}\n\n", AsMarkdown(Searches(rounds)), kPublishedShares);
  if (const auto gains = Gains(measures); gains.size() > 1) text += AsMarkdown(gains) + "\n";
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(folder / "evolution.md", text + AsMarkdown(Measures(measures))));
  ORRERY_RETURN_IF_ERROR(WriteFileAtomically(folder / "report.html", Page(rounds)));
  return WriteFileAtomically(folder / "evolution.json", Json{{"rounds", rounds}}.dump(1) + "\n");
}

}  // namespace orrery::runners
