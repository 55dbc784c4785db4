#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Pieces of a page that needs no script and no network.
namespace ingot::html {

/// Text as HTML shows it. What is no UTF-8 becomes U+FFFD; control characters but tab and newline go.
std::string escape(std::string_view text);

/// "data:image/png;base64,..."
std::string png_uri(std::string_view png);

/// Four significant digits, without an exponent where a person would write none.
std::string number(double value);
/// "1.5 MiB"
std::string bytes(double count);

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // by x; those that are not finite are left out
};
struct Chart {
  std::string title, x_label;
  bool log_y = false;  // values that are not positive are then left out
  std::vector<Series> series;
  std::optional<double> mark;  // an x with a line of its own
  std::string mark_label;
};
/// A line chart as inline SVG. Series differ by colour (Okabe & Ito's, safe for the colour-blind), dash and marker.
std::string svg(const Chart& chart);
/// The same as an SVG file of its own, with its title in it.
std::string svg_file(const Chart& chart);

/// Ticks at 1, 2 or 5 times a power of ten that lie in [low, high].
std::vector<double> linear_ticks(double low, double high, int about);
/// The same on a logarithmic axis, low > 0.
std::vector<double> log_ticks(double low, double high);

}  // namespace ingot::html
