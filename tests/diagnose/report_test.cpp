#include "diagnose/report.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <vector>

#include "diagnose/html.h"

namespace ingot {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

void write(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }

constexpr const char* kLog =
    R"({"kind":"step","epoch":1,"step":50,"lr":0.1,"loss":1.5}
{"kind":"step","epoch":1,"step":100,"lr":0.05,"loss":0.75}
{"kind":"epoch","epoch":1,"step":100,"lr":0.05,"train_loss":0.9,"train_accuracy":0.7,"val_loss":0.8,"val_accuracy":0.75,"seconds":3.5,"samples_per_s":1000.0,"best":true}
{"kind":"epoch","epoch":2,"step":200,"lr":0.01,"train_loss":0.5,"train_accuracy":0.8,"val_loss":0.6,"val_accuracy":0.85,"seconds":3.5,"samples_per_s":1000.0,"best":true}
{"kind":"epoch","epoch":3,"step":300,"lr":0.01,"train_loss":null,"train_accuracy":0.9,"val_loss":0.7,"val_accuracy":0.8,"seconds":3.5,"samples_per_s":1000.0,"best":false}
)";
constexpr const char* kEval =
    R"({"accuracy":0.8,"loss":0.55,"per_class":{"cat <b>":0.9,"dog & co":0.7},"confusion":[[9,1],[3,7]],
"class_names":["cat <b>","dog & co"],"samples":20,"samples_per_s":5000.0})";
constexpr const char* kBuild =
    R"({"model":"runs/x","engine":"runs/x/model.ingot","max_batch":64,"file_bytes":2097152,
"graph":{"before":"graph(%x) {\n  %a = relu(%x) # <before>\n}","after":"graph(%x) {\n  %a = conv2d_fused(%x)\n}"},
"passes":{"passes":{"fuse_conv_activation":{"applied":1,"refused":1}},
"entries":[{"pass":"fuse_conv_activation","op":"relu","node":"relu","path":"relu1","applied":true,"reason":"into %conv"},
{"pass":"fuse_conv_activation","op":"relu","node":"relu_1","path":"relu2","applied":false,"reason":"has <other> readers"}]},
"tactics":[{"step":"relu","op":"conv2d_fused","path":"conv1","tactic":"packed","seconds":{"packed":0.001,"eval":0.002},"from_cache":false}],
"memory":{"peak":1048576,"sum":3145728,"weights":1024,"inputs":1,"outputs":1},"seconds":0.5})";
constexpr const char* kBench =
    R"({"models":[
{"model":"runs/x","mode":"eager","latency_ms":{"min":3.9,"median":4.0,"mean":4.1,"p90":4.5,"p99":5.0},"throughput":250.0,"batch":1,"threads":2},
{"model":"runs/x","mode":"unfused","latency_ms":{"min":2.9,"median":3.0,"mean":3.1,"p90":3.5,"p99":4.0},"throughput":333.0,"batch":1,"threads":2},
{"model":"runs/x/model.ingot","mode":"fused","latency_ms":{"min":0.9,"median":1.0,"mean":1.1,"p90":1.5,"p99":2.0},"throughput":1000.0,"batch":1,"threads":2}]})";

fs::path folder(const std::string& name) {
  const fs::path path = fs::path(testing::TempDir()) / "ingot_report" / name;
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

fs::path whole_run() {
  const fs::path run = folder("whole");
  write(run / "config.yaml", "seed: 1 # <tag>\n");
  write(run / "log.jsonl", kLog);
  write(run / "eval.json", kEval);
  write(run / "model.report.json", kBuild);
  write(run / "bench.json", kBench);
  return run;
}

std::vector<ReportImage> two_images() {
  return {{.png = "\x89PNG", .index = 4, .label = "cat <b>", .predicted = "cat <b>", .probability = 0.98},
          {.png = "\x89PNG", .index = 7, .label = "cat <b>", .predicted = "dog & co", .probability = 0.61}};
}

/// The first tag that does not close what is open, or is left open; "" for a well-formed page.
std::string first_unclosed(const std::string& page) {
  const std::vector<std::string> kVoid{"meta", "img", "br"};
  std::vector<std::string> open;
  const std::string body = std::regex_replace(page, std::regex("<!DOCTYPE html>"), "");
  const std::regex tag("<(/?)([a-z][a-z0-9]*)((?:[^>\"]|\"[^\"]*\")*?)(/?)>");
  for (std::sregex_iterator it(body.begin(), body.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2];
    if ((*it)[4] == "/" || std::find(kVoid.begin(), kVoid.end(), name) != kVoid.end()) continue;
    if ((*it)[1] != "/") {
      open.push_back(name);
    } else {
      if (open.empty() || open.back() != name) return "</" + name + ">";
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + ">";
}

TEST(Report, ShowsAllPartsOfARun) {
  const std::string page = html_report(whole_run(), two_images());
  for (const char* part : {"Loss by epoch",
                           "Accuracy by epoch",
                           "Learning rate",
                           "(log axis)",
                           "best validation accuracy, epoch 2 of 3",
                           "80.00 %",
                           "Confusion matrix",
                           "Accuracy by class",
                           "fuse_conv_activation",
                           "into %conv",
                           "Not fused, and why",
                           "eager",
                           "unfused",
                           "fused",
                           "4.00x",
                           "conv2d_fused(%x)",
                           "1.00 MiB",
                           "data:image/png;base64,iVBORw==",
                           "config.yaml",
                           "&#10003; cat",
                           "&#10007; dog"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("class=\"missing\"")));
}

TEST(Report, IsWellFormedAndNeedsNothingElse) {
  const std::string page = html_report(whole_run(), two_images());
  EXPECT_EQ(first_unclosed(page), "");
  for (const char* part : {"<script", "http://", "https://", "<link", "@import", "url(", "nan", "inf\""})
    EXPECT_THAT(page, Not(HasSubstr(part))) << part;
  EXPECT_THAT(page, HasSubstr("name=\"viewport\""));
}

TEST(Report, EscapesWhatComesFromFiles) {
  const std::string page = html_report(whole_run(), two_images());
  EXPECT_THAT(page, HasSubstr("cat &lt;b&gt;"));
  EXPECT_THAT(page, HasSubstr("dog &amp; co"));
  EXPECT_THAT(page, HasSubstr("has &lt;other&gt; readers"));
  EXPECT_THAT(page, HasSubstr("# &lt;before&gt;"));
  EXPECT_THAT(page, HasSubstr("# &lt;tag&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("cat <b>")));
}

TEST(Report, NamesWhatIsMissing) {
  const std::string page = html_report(folder("empty"), {});
  for (const char* file : {"log.jsonl", "eval.json", "bench.json", "model.report.json", "config.yaml", "test images"})
    EXPECT_THAT(page, HasSubstr(file)) << file;
  EXPECT_EQ(first_unclosed(page), "");
}

TEST(Report, DamagedFilesCountAsMissing) {
  const fs::path run = whole_run();
  write(run / "eval.json", R"({"accuracy": "high", "confusion": [1, 2], "per_class": [1, "x"]})");
  write(run / "bench.json", "{\"models\": [1, {\"latency_ms\": 4}]");
  write(run / "model.report.json", "[]");
  write(run / "log.jsonl", "not JSON\n");
  const std::string page = html_report(run, {});
  EXPECT_EQ(first_unclosed(page), "");
  for (const char* file : {"log.jsonl is", "eval.json is", "bench.json is", "model.report.json is"})
    EXPECT_THAT(page, HasSubstr(file)) << file;
}

TEST(Report, ReadsABenchOfOneModel) {
  const fs::path run = folder("one");
  write(
      run / "bench.json",
      R"({"model":"m.ingot","mode":"fused","latency_ms":{"min":1,"median":2,"mean":2,"p90":3,"p99":4},"batch":8,"threads":2})");
  const std::string page = html_report(run, {});
  EXPECT_THAT(page, HasSubstr("m.ingot"));
  EXPECT_THAT(page, HasSubstr("8 images on 2 threads"));
}

// ---- Pieces

TEST(Html, EscapesAndRepairs) {
  EXPECT_EQ(html::escape("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(html::escape("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
  EXPECT_EQ(html::escape("\xC3"), "\xEF\xBF\xBD");                       // truncated
  EXPECT_EQ(html::escape("\xED\xA0\x80").substr(0, 3), "\xEF\xBF\xBD");  // a surrogate
  EXPECT_EQ(html::escape("\xC0\xAF").substr(0, 3), "\xEF\xBF\xBD");      // overlong
  EXPECT_EQ(html::escape(std::string("a\0\x1b\tb\n", 6)), "a\tb\n");
}

TEST(Html, Base64AsRfc4648) {
  const std::string head = "data:image/png;base64,";
  EXPECT_EQ(html::png_uri(""), head);
  EXPECT_EQ(html::png_uri("f"), head + "Zg==");
  EXPECT_EQ(html::png_uri("fo"), head + "Zm8=");
  EXPECT_EQ(html::png_uri("foobar"), head + "Zm9vYmFy");
}

TEST(Html, Ticks) {
  EXPECT_THAT(html::linear_ticks(0, 10, 5), testing::ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(html::linear_ticks(3, 3, 5), testing::ElementsAre(3));
  EXPECT_THAT(html::log_ticks(0.1, 2), testing::Pointwise(testing::DoubleEq(), {0.1, 0.2, 0.5, 1.0, 2.0}));
  EXPECT_THAT(html::log_ticks(1e-6, 1), testing::SizeIs(7));  // decades alone
  EXPECT_GE(html::log_ticks(0.31, 0.45).size(), 3u);          // too narrow for 1, 2, 5
}

TEST(Html, ChartLeavesOutWhatCannotBeDrawn) {
  const double nan = std::nan("");
  const std::string chart = html::svg(
      {.title = "t", .x_label = "x", .log_y = true, .series = {{"s", {{1, 0.5}, {2, 0.0}, {3, nan}, {4, 2.0}}}}});
  EXPECT_THAT(chart, Not(HasSubstr("nan")));
  EXPECT_THAT(chart, Not(HasSubstr("inf")));
  EXPECT_THAT(html::svg({.title = "t", .series = {{"s", {{1, nan}}}}}), HasSubstr("No values"));
}

TEST(Html, AChartAsAFileNamesAllOfItsSeriesInside) {
  html::Chart chart{.title = "loss < 1", .x_label = "x", .log_y = true};
  for (const char* name : {"Adagrad", "Adam", "AdamW", "LAMB", "Lion", "RMSprop", "SGD"})
    chart.series.push_back({name, {{1, 0.5}, {2, 0.25}}});
  const std::string file = html::svg_file(chart);
  EXPECT_THAT(file, testing::StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\""));
  EXPECT_THAT(file, HasSubstr("loss &lt; 1 (log axis)"));
  const std::regex name(R"re(<text x="([0-9.]+)" y="([0-9]+)">(\w+)</text>)re");
  std::map<int, double> end_of_row;
  for (std::sregex_iterator it(file.begin(), file.end(), name), none; it != none; ++it) {
    double& end = end_of_row[std::stoi((*it)[2])];
    const double x = std::stod((*it)[1]);
    EXPECT_GT(x, end) << (*it)[3];
    end = x + 7 * static_cast<double>((*it)[3].length());
    EXPECT_LT(end, 480) << (*it)[3];
  }
  EXPECT_EQ(end_of_row.size(), 2u);
  EXPECT_THAT(html::svg_file({.title = "t"}), HasSubstr("</svg>"));
}

TEST(Html, Numbers) {
  EXPECT_EQ(html::number(0.00012), "0.00012");
  EXPECT_EQ(html::number(12345.6), "12346");
  EXPECT_EQ(html::number(1e-7), "1e-07");
  EXPECT_EQ(html::bytes(512), "512 B");
  EXPECT_EQ(html::bytes(1536), "1.50 KiB");
  EXPECT_EQ(html::bytes(1048576), "1.00 MiB");
}

}  // namespace
}  // namespace ingot
