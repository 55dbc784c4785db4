#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "diagnose/html.h"

namespace ingot::html {
namespace {

constexpr double kWidth = 480, kHeight = 300, kLeft = 62, kRight = 14, kTop = 34, kBottom = 44;
constexpr double kLegendY = 18, kLegendRow = 18;
constexpr size_t kMostMarkers = 60;  // points; more are drawn as a line alone
constexpr int kAboutTicks = 5;

struct Style {
  std::string_view colour, dash;
};
// Okabe & Ito 2008, without their yellow, which is too light for lines.
constexpr std::array<Style, 7> kStyles{{{"#0072B2", ""},
                                        {"#D55E00", "7 3"},
                                        {"#009E73", "2 3"},
                                        {"#CC79A7", "9 3 2 3"},
                                        {"#56B4E9", "4 2"},
                                        {"#000000", "1 2"},
                                        {"#E69F00", "12 3"}}};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double v) { low = std::min(low, v), high = std::max(high, v); }
  bool empty() const { return low > high; }
};

class Plot {
 public:
  explicit Plot(const Chart& chart) : chart_(chart) {
    for (const Series& s : chart.series)
      for (const auto& [x, y] : s.points)
        if (shown(x, y)) x_.add(x), y_.add(scaled(y));
    if (empty()) return;
    if (x_.low == x_.high) x_.low -= 0.5, x_.high += 0.5;
    const double span = y_.high - y_.low;
    constexpr double kMargin = 0.05, kFlat = 0.02;
    const double margin = span > 0 ? kMargin * span : std::max(kFlat * std::fabs(y_.high), kFlat);
    y_.low -= margin, y_.high += margin;
    place_legend();
  }

  bool empty() const { return x_.empty(); }

  std::string draw() const {
    std::string out = axes();
    if (chart_.mark && *chart_.mark >= x_.low && *chart_.mark <= x_.high) out += mark();
    for (size_t i = 0; i < chart_.series.size(); ++i) out += series(i);
    return out;
  }

 private:
  bool shown(double x, double y) const { return std::isfinite(x) && std::isfinite(y) && (!chart_.log_y || y > 0); }
  bool drawn(const Series& s) const {
    return std::any_of(s.points.begin(), s.points.end(), [this](const auto& p) { return shown(p.first, p.second); });
  }
  double scaled(double y) const { return chart_.log_y ? std::log10(y) : y; }
  double unscaled(double y) const { return chart_.log_y ? std::pow(10.0, y) : y; }
  double px(double x) const { return kLeft + (x - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight); }
  double py(double y) const {
    return kHeight - kBottom - (scaled(y) - y_.low) / (y_.high - y_.low) * (kHeight - top_ - kBottom);
  }

  /// Names side by side, in as many rows as they need.
  void place_legend() {
    constexpr double kGap = 20, kLetter = 8.6;  // of the widest of usual fonts
    double x = kLeft, y = kLegendY;
    for (const Series& s : chart_.series) {
      const double width = drawn(s) ? kSample + kGap + kLetter * static_cast<double>(s.name.size()) : 0;
      if (x > kLeft && x + width > kWidth) x = kLeft, y += kLegendRow;
      legend_.emplace_back(x, y);
      x += width;
    }
    top_ = kTop + y - kLegendY;
  }

  std::string axes() const {
    std::string out;
    const double low = unscaled(y_.low), high = unscaled(y_.high);
    for (const double y : chart_.log_y ? log_ticks(low, high) : linear_ticks(low, high, kAboutTicks))
      out += fmt::format(
          "<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
          "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
          kLeft, kWidth - kRight, py(y), py(y), kLeft - 6, py(y) + 5, number(y));
    for (const double x : linear_ticks(x_.low, x_.high, kAboutTicks))
      out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", px(x),
                         kHeight - kBottom + 18, number(x));
    out += fmt::format("<line class=\"axis\" x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\"/>\n", kLeft, kWidth - kRight,
                       kHeight - kBottom);
    return out + fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                             (kLeft + kWidth - kRight) / 2, kHeight - 6, escape(chart_.x_label));
  }

  std::string mark() const {
    const double x = px(*chart_.mark);
    const bool left = x > kWidth / 2;
    return fmt::format(
        "<line class=\"mark\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
        "<text x=\"{3:.1f}\" y=\"{4}\" text-anchor=\"{5}\">{6}</text>\n",
        x, top_, kHeight - kBottom, left ? x - 5 : x + 5, kHeight - kBottom - 8, left ? "end" : "start",
        escape(chart_.mark_label));
  }

  std::string series(size_t i) const {
    const Series& s = chart_.series[i];
    const Style& style = kStyles[i % kStyles.size()];
    std::string path, markers;
    for (const auto& [x, y] : s.points) {
      if (!shown(x, y)) continue;
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", px(x), py(y));
      if (s.points.size() <= kMostMarkers)
        markers +=
            fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.6\" fill=\"{}\"/>", px(x), py(y), style.colour);
    }
    if (path.empty()) return "";
    const auto [x, y] = legend_[i];
    const std::string stroke =
        fmt::format("fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\"", style.colour, style.dash);
    return fmt::format(
        "<path d=\"{}\" {}/>{}\n"
        "<path d=\"M{:.1f} {} h{}\" {}/><text x=\"{:.1f}\" y=\"{}\">{}</text>\n",
        path, stroke, markers, x, y - 5, kSample, stroke, x + kSample + 5, y, escape(s.name));
  }

  static constexpr double kSample = 26;  // length of a line beside its name
  const Chart& chart_;
  Range x_, y_;
  std::vector<std::pair<double, double>> legend_;  // where each series' name stands
  double top_ = kTop;
};

std::string title_of(const Chart& chart) { return chart.title + (chart.log_y ? " (log axis)" : ""); }

// Colours that show on light and on dark paper are not to be had: the file brings its own paper.
constexpr std::string_view kFileStyle =
    "<style>svg { font: 14px system-ui, \"DejaVu Sans\", sans-serif; background: #fff; } text { fill: #1b1f24; } "
    ".grid { stroke: #d5dae0; } .axis { stroke: #57606a; } .mark { stroke: #57606a; stroke-dasharray: 3 3; }</style>\n";

}  // namespace

std::vector<double> linear_ticks(double low, double high, int about) {
  if (!(high > low)) return {low};
  const double raw = (high - low) / about, decade = std::pow(10.0, std::floor(std::log10(raw)));
  double step = decade * 10;
  for (const double nice : {1.0, 2.0, 5.0})
    if (raw <= nice * decade * (1 + 1e-9)) {
      step = nice * decade;
      break;
    }
  std::vector<double> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) ticks.push_back(k * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  constexpr size_t kFew = 3, kMany = 8;
  constexpr double kRounding = 1e-9;
  std::vector<double> all, decades;
  for (int e = static_cast<int>(std::floor(std::log10(low))); std::pow(10.0, e) <= high * (1 + kRounding); ++e)
    for (const double m : {1.0, 2.0, 5.0})
      if (const double v = m * std::pow(10.0, e); v >= low * (1 - kRounding) && v <= high * (1 + kRounding)) {
        all.push_back(v);
        if (m == 1.0) decades.push_back(v);
      }
  if (all.size() > kMany && decades.size() >= kFew) return decades;
  return all.size() >= kFew ? all : linear_ticks(low, high, kAboutTicks);
}

std::string svg(const Chart& chart) {
  const Plot plot(chart);
  std::string out = fmt::format("<figure class=\"chart\"><figcaption>{}{}</figcaption>\n", escape(chart.title),
                                chart.log_y && !plot.empty() ? " <small>(log axis)</small>" : "");
  if (plot.empty()) return out + "<p class=\"missing\">No values to draw.</p></figure>\n";
  out +=
      fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth, kHeight, escape(chart.title));
  return out + plot.draw() + "</svg></figure>\n";
}

std::string svg_file(const Chart& chart) {
  constexpr double kTitle = 26;
  const Plot plot(chart);
  const std::string drawing = plot.empty() ? "" : plot.draw();
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 {2} {0} {1}\">\n{3}"
      "<rect y=\"{2}\" width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n"
      "<text x=\"{4}\" y=\"{5}\" font-weight=\"600\">{6}</text>\n{7}</svg>\n",
      kWidth, kHeight + kTitle, -kTitle, kFileStyle, kLeft, -8, escape(title_of(chart)), drawing);
}

}  // namespace ingot::html
