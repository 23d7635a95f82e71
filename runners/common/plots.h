// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plots for report pages, as inline SVG that follows the page's colours (store/report_page.h).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::runners {

// A value with its interval, a row of a plot.
struct Whisker {
  std::string label;
  std::optional<double> value;  // none: the row stays empty
  double low = 0, high = 0;     // equal to the value where there is no interval
  std::vector<double> dots;     // single values around it
  bool strong = false;
};

// Rows from top to bottom on one scale in percent, with a thick line at zero where `zero`. `title` is for readers who
// do not see it.
std::string DrawWhiskers(const std::vector<Whisker>& rows, bool zero, std::string_view title);

struct PlotPoint {
  double x = 0, y = 0, low = 0, high = 0;
  std::string tip;
};
struct PlotSeries {
  std::string label;
  std::vector<PlotPoint> points;  // in order of x
};

struct SeriesPlot {
  std::string_view x_label, title;
  bool joined = false;  // by lines
  bool marks = true;    // a dot each point
  bool percent = true;  // y is a share in percent; else any number
  std::string_view empty = "There is nothing to draw yet.";
};

// y over x. At most kMostSeries series are told apart, by colour and by dashes.
inline constexpr size_t kMostSeries = 6;
std::string DrawSeries(const std::vector<PlotSeries>& series, const SeriesPlot& plot);

// About `count` round numbers that lie in [low, high].
std::vector<double> Ticks(double low, double high, int count);

// A page with plots from its first byte to the opened <main>, in the report's style.
std::string PageHead(std::string_view title);

}  // namespace orrery::runners
