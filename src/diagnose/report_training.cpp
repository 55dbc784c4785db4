#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "diagnose/html.h"
#include "diagnose/report_parts.h"

namespace ingot::report {
namespace {

using html::escape;

std::string percent(double share) { return fmt::format("{:.2f} %", share * 100); }

void add_figure(std::string& out, std::string_view name, const std::string& value) {
  out += fmt::format("<div><b>{}</b>{}</div>\n", escape(value), escape(name));
}

const EpochRecord* best_epoch(const TrainLog& log) {
  const EpochRecord* best = nullptr;
  for (const EpochRecord& e : log.epochs)
    if (e.best) best = &e;
  return best;
}

template <class F>
html::Series by_epoch(const TrainLog& log, std::string name, F value) {
  html::Series series{.name = std::move(name)};
  for (const EpochRecord& e : log.epochs) series.points.emplace_back(static_cast<double>(e.epoch), value(e));
  return series;
}

template <class F>
html::Series by_step(const TrainLog& log, std::string name, F value) {
  html::Series series{.name = std::move(name)};
  for (const StepRecord& s : log.steps) series.points.emplace_back(static_cast<double>(s.step), value(s));
  return series;
}

/// The colour of a share of a row: white to the blue of the page.
std::string shade(double share) {
  const auto mix = [&](int full) { return static_cast<int>(std::lround(255 + (full - 255) * share)); };
  return fmt::format("background:rgb({},{},{});color:{}", mix(0), mix(0x72), mix(0xB2),
                     share > 0.45 ? "#fff" : "#1b1f24");
}

std::vector<std::string> class_names(const Json& eval) {
  std::vector<std::string> names;
  for (const Json& name : member(eval, "class_names"))
    if (name.is_string()) names.push_back(name.get<std::string>());
  return names;
}

std::string name_of_class(const std::vector<std::string>& names, size_t i) {
  return i < names.size() ? names[i] : fmt::format("class {}", i);
}

std::string matrix_row(const std::vector<std::string>& names, const Json& row, size_t i) {
  double total = 0;
  for (const Json& count : row) total += count.is_number() ? count.get<double>() : 0;
  std::string out = fmt::format("<tr><th scope=\"row\">{}</th>", escape(name_of_class(names, i)));
  for (size_t j = 0; j < row.size(); ++j) {
    const double count = row[j].is_number() ? row[j].get<double>() : 0;
    // The square root shows the few mistakes beside the many right answers.
    const double share = total > 0 ? std::sqrt(count / total) : 0;
    out += fmt::format("<td{} style=\"{}\">{}</td>", i == j ? " class=\"diagonal\"" : "", shade(share),
                       count > 0 ? fmt::format("{:.0f}", count) : "");
  }
  return out + "</tr>\n";
}

}  // namespace

std::string key_figures(const TrainLog& log, const Json& eval, const Json& build, const Json& bench) {
  std::string out;
  if (const auto accuracy = number_at(eval, "accuracy")) add_figure(out, "test accuracy", percent(*accuracy));
  if (const auto loss = number_at(eval, "loss")) add_figure(out, "test loss", html::number(*loss));
  if (const EpochRecord* best = best_epoch(log))
    add_figure(out, fmt::format("best validation accuracy, epoch {} of {}", best->epoch, log.epochs.back().epoch),
               percent(best->val_accuracy));
  double seconds = 0;
  for (const EpochRecord& e : log.epochs) seconds += e.seconds;
  if (seconds > 0)
    add_figure(out, "training time",
               seconds < 100 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.1f} min", seconds / 60));
  if (const auto size = number_at(build, "file_bytes")) add_figure(out, "engine file", html::bytes(*size));
  double eager = 0, fused = 0;
  for (const Latency& l : read_latencies(bench)) {
    if (l.mode == "eager") eager = l.median;
    if (l.mode == "fused") fused = l.median;
  }
  if (eager > 0 && fused > 0) add_figure(out, "fused engine against eager", fmt::format("{:.2f}x", eager / fused));
  return out.empty() ? out : "<div class=\"figures\">\n" + out + "</div>\n";
}

std::string learning_curves(const TrainLog& log) {
  if (log.epochs.empty() && log.steps.empty())
    return missing("log.jsonl is missing or holds no epoch", "ingot train writes it");
  html::Chart loss{.title = "Loss by epoch", .x_label = "epoch", .log_y = true};
  loss.series = {by_epoch(log, "training", [](const EpochRecord& e) { return e.train_loss; }),
                 by_epoch(log, "validation", [](const EpochRecord& e) { return e.val_loss; })};
  html::Chart accuracy{.title = "Accuracy by epoch, %", .x_label = "epoch"};
  accuracy.series = {by_epoch(log, "training", [](const EpochRecord& e) { return e.train_accuracy * 100; }),
                     by_epoch(log, "validation", [](const EpochRecord& e) { return e.val_accuracy * 100; })};
  if (const EpochRecord* best = best_epoch(log)) {
    loss.mark = accuracy.mark = static_cast<double>(best->epoch);
    loss.mark_label = accuracy.mark_label = "best";
  }
  const html::Chart steps{.title = "Loss by step",
                          .x_label = "optimiser step",
                          .log_y = true,
                          .series = {by_step(log, "training", [](const StepRecord& s) { return s.loss; })}};
  html::Chart lr{.title = "Learning rate", .x_label = "optimiser step", .log_y = true};
  lr.series = {by_step(log, "lr", [](const StepRecord& s) { return s.lr; })};
  return "<div class=\"charts\">\n" + html::svg(loss) + html::svg(accuracy) + html::svg(steps) + html::svg(lr) +
         "</div>\n";
}

std::string accuracy_by_class(const Json& eval) {
  const Json& classes = member(eval, "per_class");
  if (classes.empty()) return "";
  std::string out = "<h3>Accuracy by class</h3>\n<table>\n";
  for (const auto& [name, value] : classes.items()) {
    const double share = value.is_number() ? value.get<double>() : 0;
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{:.1f} %</td><td class=\"bar\"><span style=\"width:{:.1f}%\">"
        "</span></td></tr>\n",
        escape(name), share * 100, std::clamp(share, 0.0, 1.0) * 100);
  }
  return out + "</table>\n";
}

std::string confusion_matrix(const Json& eval) {
  const Json& matrix = member(eval, "confusion");
  const bool has_rows = std::all_of(matrix.begin(), matrix.end(), [](const Json& row) { return row.is_array(); });
  if (!matrix.is_array() || matrix.empty() || !has_rows)
    return missing("eval.json is missing or holds no confusion matrix", "ingot eval RUN writes it");
  const auto names = class_names(eval);
  std::string out =
      "<h3>Confusion matrix</h3>\n<p class=\"soft\">Rows: what an image is; columns: what was predicted. Right answers "
      "stand framed on the diagonal; the shade is the square root of the share of the row.</p>\n"
      "<div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><td></td>";
  for (size_t i = 0; i < matrix.size(); ++i)
    out += fmt::format("<th scope=\"col\">{}</th>", escape(name_of_class(names, i)));
  out += "</tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < matrix.size(); ++i) out += matrix_row(names, matrix[i], i);
  return out + "</tbody></table></div>\n";
}

std::string image_gallery(std::span<const ReportImage> images) {
  if (images.empty()) return missing("There are no test images to show", "the data set and a checkpoint give them");
  std::string right, wrong;
  for (const ReportImage& image : images) {
    const std::string said = fmt::format("{} {:.0f} %", image.predicted, image.probability * 100);
    (image.right() ? right : wrong) += fmt::format(
        "<figure class=\"{}\"><img src=\"{}\" alt=\"test image {}: {}\"><figcaption><span class=\"{}\">{} {}</span>{}"
        "</figcaption></figure>\n",
        image.right() ? "right" : "wrong", html::png_uri(image.png), image.index, escape(image.label),
        image.right() ? "yes" : "no", image.right() ? "&#10003;" : "&#10007;", escape(said),
        image.right() ? "" : fmt::format("<br>is {}", escape(image.label)));
  }
  std::string out;
  if (!right.empty()) out += "<h3>Right</h3>\n<div class=\"gallery\">\n" + right + "</div>\n";
  if (!wrong.empty()) out += "<h3>Wrong, the surest first</h3>\n<div class=\"gallery\">\n" + wrong + "</div>\n";
  return out;
}

}  // namespace ingot::report
