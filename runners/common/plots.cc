// SPDX-License-Identifier: Apache-2.0
#include "runners/common/plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "store/html.h"
#include "store/report_page.h"

namespace orrery::runners {

namespace {

using store::Escape;
using store::Shorten;

// A range of values on a range of pixels.
struct Scale {
  double low = 0, high = 1, from = 0, to = 1;
  double operator()(double value) const {
    return from + (std::clamp(value, low, high) - low) / (high - low) * (to - from);
  }
};

// A little wider than the values, and never narrower than `least`.
Scale Around(double low, double high, double least, double from, double to) {
  const double room = std::max((high - low) * 0.05, (least - (high - low)) / 2);
  return {.low = low - room, .high = high + room, .from = from, .to = to};
}

// Room beyond 0 and 100 percent has no number.
bool IsShare(double tick) { return tick > -1e-9 && tick < 100 + 1e-9; }

constexpr double kLeastPercent = 10;  // shown at least, so that rounding does not look like a difference

// A tick's number without an exponent, "12.5" or "2,000".
std::string TickText(double value) {
  if (std::abs(value) >= 1000) {
    const std::string digits = store::Grouped(static_cast<uint64_t>(std::llround(std::abs(value))));
    return value < 0 ? "−" + digits : digits;
  }
  const std::string text = fmt::format("{:g}", std::abs(value) < 1e-12 ? 0.0 : value);
  return text.starts_with('-') ? "−" + text.substr(1) : text;
}

std::string Row(const Whisker& row, const Scale& x, double y) {
  std::string svg = fmt::format(R"(<text class="label{}" x="292" y="{:.0f}">{}</text>)", row.strong ? " strong" : "",
                                y + 5, Escape(Shorten(row.label, 44)));
  if (!row.value) return svg + fmt::format(R"(<text class="small" x="304" y="{:.0f}">no cell finished</text>)", y + 5);
  svg +=
      fmt::format("<g><title>{}: {:.1f}%, {:.1f} to {:.1f}</title>", Escape(row.label), *row.value, row.low, row.high);
  for (const double dot : row.dots)
    svg += fmt::format(R"(<circle class="dot" cx="{:.1f}" cy="{:.0f}" r="3.5"/>)", x(dot), y);
  if (row.high > row.low)
    svg += fmt::format(
        R"(<path class="whisker" d="M{0:.1f} {2:.0f} H{1:.1f} M{0:.1f} {3:.0f} V{4:.0f} M{1:.1f} {3:.0f} V{4:.0f}"/>)",
        x(row.low), x(row.high), y, y - 5, y + 5);
  return svg + fmt::format(R"(<rect class="value" x="{:.1f}" y="{:.0f}" width="9" height="9"/></g>)",
                           x(*row.value) - 4.5, y - 4.5);
}

std::string Legend(const std::vector<PlotSeries>& series, bool joined) {
  if (series.size() < 2) return "";
  std::string html = "<p class=\"legend\">";
  for (size_t i = 0; i < series.size(); ++i) {
    html += fmt::format(
        R"(<span><svg class="plot" width="34" height="12">{}<circle class="mark s{}" cx="17" cy="6" r="4.5"/></svg> {}</span>)",
        joined ? fmt::format(R"(<path class="line s{}" d="M0 6 H34"/>)", i % kMostSeries) : "", i % kMostSeries,
        Escape(series[i].label));
  }
  return html + "</p>\n";
}

std::string Series(const PlotSeries& series, size_t number, const SeriesPlot& plot, const Scale& x, const Scale& y) {
  std::string svg, path;
  for (const PlotPoint& point : series.points)
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x(point.x), y(point.y));
  if (plot.joined && series.points.size() > 1)
    svg += fmt::format(R"(<path class="line s{}" d="{}"/>)", number % kMostSeries, path);
  for (const PlotPoint& point : series.points) {
    if (!plot.marks) break;
    svg += fmt::format("<g><title>{}</title>", Escape(point.tip));
    if (point.high > point.low)
      svg += fmt::format(R"(<path class="whisker s{}" d="M{:.1f} {:.1f} V{:.1f}"/>)", number % kMostSeries, x(point.x),
                         y(point.low), y(point.high));
    svg += fmt::format(R"(<circle class="mark s{}" cx="{:.1f}" cy="{:.1f}" r="4.5"/></g>)", number % kMostSeries,
                       x(point.x), y(point.y));
  }
  return svg + "\n";
}

}  // namespace

const std::string_view kPlotStyle = R"css(
svg.plot { width: 100%; height: auto; max-width: 900px; } .legend svg.plot { width: 34px; height: 12px; }
svg.plot .label { text-anchor: end; font-size: 13px; } svg.plot .strong { font-weight: 700; }
svg.plot .small { fill: var(--quiet); } svg.plot .grid { stroke: var(--line); stroke-width: 1; } svg.plot .zero { stroke: var(--quiet); stroke-width: 2; }
svg.plot .tick { fill: var(--quiet); text-anchor: middle; } svg.plot .side { fill: var(--quiet); text-anchor: end; }
svg.plot .whisker { fill: none; stroke: var(--blue); stroke-width: 2; } svg.plot .value { fill: var(--blue); }
svg.plot .dot { fill: none; stroke: var(--quiet); stroke-width: 1.2; }
svg.plot .line { fill: none; stroke-width: 2; } svg.plot .mark { stroke: var(--card); stroke-width: 1.5; }
svg.plot .line.s0, svg.plot .whisker.s0 { stroke: #0072b2; } svg.plot .mark.s0 { fill: #0072b2; }
svg.plot .line.s1, svg.plot .whisker.s1 { stroke: #d55e00; } svg.plot .line.s1 { stroke-dasharray: 7 4; } svg.plot .mark.s1 { fill: #d55e00; }
svg.plot .line.s2, svg.plot .whisker.s2 { stroke: #009e73; } svg.plot .line.s2 { stroke-dasharray: 2 3; } svg.plot .mark.s2 { fill: #009e73; }
svg.plot .line.s3, svg.plot .whisker.s3 { stroke: #cc79a7; } svg.plot .line.s3 { stroke-dasharray: 9 3 2 3; } svg.plot .mark.s3 { fill: #cc79a7; }
svg.plot .line.s4, svg.plot .whisker.s4 { stroke: #e69f00; } svg.plot .line.s4 { stroke-dasharray: 12 4; } svg.plot .mark.s4 { fill: #e69f00; }
svg.plot .line.s5, svg.plot .whisker.s5 { stroke: #56b4e9; } svg.plot .line.s5 { stroke-dasharray: 4 4; } svg.plot .mark.s5 { fill: #56b4e9; }
)css";

std::vector<double> Ticks(double low, double high, int count) {
  const double rough = (high - low) / std::max(1, count);
  if (!(rough > 0)) return {low};
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough) step = factor * power;
  }
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string DrawWhiskers(const std::vector<Whisker>& rows, bool zero, std::string_view title) {
  constexpr double kTop = 8, kRow = 30, kLeft = 310, kRight = 880;
  double low = zero ? 0 : 100, high = 0;
  for (const Whisker& row : rows) {
    if (!row.value) continue;
    low = std::min({low, row.low, *row.value});
    high = std::max({high, row.high, *row.value});
    for (const double dot : row.dots) low = std::min(low, dot), high = std::max(high, dot);
  }
  if (low > high) low = 0, high = 100;
  const Scale x = Around(low, high, kLeastPercent, kLeft, kRight);
  const double bottom = kTop + kRow * static_cast<double>(rows.size());
  std::string svg = fmt::format(R"(<svg class="plot" viewBox="0 0 900 {:.0f}" role="img" aria-label="{}">)",
                                bottom + 26, Escape(title)) +
                    "\n";
  for (const double tick : Ticks(x.low, x.high, 7)) {
    if (!zero && !IsShare(tick)) continue;
    const bool middle = std::abs(tick) < 1e-9;
    svg += fmt::format(
        R"(<path class="{}" d="M{:.1f} {:.0f} V{:.0f}"/><text class="tick" x="{:.1f}" y="{:.0f}">{}{}</text>)",
        zero && middle ? "zero" : "grid", x(tick), kTop, bottom, x(tick), bottom + 18,
        zero && !middle && tick > 0 ? "+" : "", TickText(tick) + (zero ? "" : "%"));
  }
  svg += "\n";
  for (size_t i = 0; i < rows.size(); ++i) svg += Row(rows[i], x, kTop + kRow * (static_cast<double>(i) + 0.5)) + "\n";
  return svg + "</svg>\n";
}

std::string DrawSeries(const std::vector<PlotSeries>& series, const SeriesPlot& plot) {
  constexpr double kLeft = 64, kRight = 880, kTop = 12, kBottom = 300;
  double low = plot.percent ? 100 : HUGE_VAL, high = plot.percent ? 0 : -HUGE_VAL, first = 0, last = 0;
  bool any = false;
  for (const PlotSeries& one : series) {
    for (const PlotPoint& point : one.points) {
      const bool interval = point.high > point.low;
      low = std::min({low, interval ? point.low : point.y, point.y});
      high = std::max({high, interval ? point.high : point.y, point.y});
      first = any ? std::min(first, point.x) : point.x;
      last = any ? std::max(last, point.x) : point.x;
      any = true;
    }
  }
  if (!any) return fmt::format("<p class=\"quiet\">{}</p>\n", Escape(plot.empty));
  const double narrow = first == last ? std::max(1.0, std::abs(first)) : 0;
  const double least = plot.percent ? kLeastPercent : std::max(1e-9, 0.02 * std::max(std::abs(low), std::abs(high)));
  const Scale x = Around(first, last, narrow, kLeft, kRight), y = Around(low, high, least, kBottom, kTop);
  std::string svg =
      Legend(series, plot.joined) +
      fmt::format(R"(<svg class="plot" viewBox="0 0 900 350" role="img" aria-label="{}">)", Escape(plot.title)) + "\n";
  for (const double tick : Ticks(y.low, y.high, 6)) {
    if (plot.percent && !IsShare(tick)) continue;
    svg += fmt::format(
        R"(<path class="grid" d="M{:.0f} {:.1f} H{:.0f}"/><text class="side" x="{:.0f}" y="{:.1f}">{}{}</text>)", kLeft,
        y(tick), kRight, kLeft - 8, y(tick) + 4, TickText(tick), plot.percent ? "%" : "");
  }
  for (const double tick : Ticks(x.low, x.high, 8))
    svg +=
        fmt::format(R"(<path class="grid" d="M{:.1f} {:.0f} v6"/><text class="tick" x="{:.1f}" y="{:.0f}">{}</text>)",
                    x(tick), kBottom, x(tick), kBottom + 20, TickText(tick));
  svg += fmt::format(R"(<text class="tick" x="{:.0f}" y="{:.0f}">{}</text>)", (kLeft + kRight) / 2, kBottom + 42,
                     Escape(plot.x_label)) +
         "\n";
  for (size_t i = 0; i < series.size(); ++i) svg += Series(series[i], i, plot, x, y);
  return svg + "</svg>\n";
}

std::string PageHead(std::string_view title) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>{}{}</style></head>\n<body><main>\n",
      Escape(title), store::kStyle, kPlotStyle);
}

}  // namespace orrery::runners
