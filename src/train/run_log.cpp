#include "train/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/file.h"

namespace ingot {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kJsonl = "log.jsonl";
constexpr const char* kCsv = "log.csv";
constexpr std::string_view kHeader =
    "epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds,samples_per_s,best";
constexpr std::string_view kSvmHeader = ",objective,dual,zero_loss,support_vectors,least_margin,largest_margin";

std::string line_of(const StepRecord& r) {
  return Json{{"kind", "step"}, {"epoch", r.epoch}, {"step", r.step}, {"lr", r.lr}, {"loss", r.loss}}.dump() + "\n";
}
Json to_json(const SvmReport& r) {
  return {{"objective", r.objective},       {"dual", r.dual ? Json(*r.dual) : Json(nullptr)},
          {"samples", r.samples},           {"right", r.right},
          {"zero_loss", r.zero_loss},       {"support_vectors", r.support_vectors},
          {"least_margin", r.least_margin}, {"largest_margin", r.largest_margin}};
}
std::string line_of(const EpochRecord& r) {
  Json json{{"kind", "epoch"},
            {"epoch", r.epoch},
            {"step", r.step},
            {"lr", r.lr},
            {"train_loss", r.train_loss},
            {"train_accuracy", r.train_accuracy},
            {"val_loss", r.val_loss},
            {"val_accuracy", r.val_accuracy},
            {"seconds", r.seconds},
            {"samples_per_s", r.samples_per_s},
            {"best", r.best}};
  if (r.svm) json["svm"] = to_json(*r.svm);
  return json.dump() + "\n";
}
std::string row_of(const EpochRecord& r) {
  std::string row =
      fmt::format("{},{},{},{},{},{},{},{:.3f},{:.1f},{}", r.epoch, r.step, r.lr, r.train_loss, r.train_accuracy,
                  r.val_loss, r.val_accuracy, r.seconds, r.samples_per_s, r.best ? 1 : 0);
  if (r.svm)
    row += fmt::format(",{},{},{},{},{},{}", r.svm->objective, r.svm->dual ? fmt::format("{}", *r.svm->dual) : "",
                       r.svm->zero_loss, r.svm->support_vectors, r.svm->least_margin, r.svm->largest_margin);
  return row + "\n";
}

/// A number; null stands for one that is not finite, which JSON cannot write.
double number(const Json& json, const char* key) {
  return json.at(key).is_null() ? std::numeric_limits<double>::quiet_NaN() : json.at(key).get<double>();
}

std::optional<SvmReport> svm_of(const Json& line) {
  if (!line.contains("svm")) return std::nullopt;
  const Json& json = line.at("svm");
  SvmReport out{.objective = number(json, "objective"),
                .samples = json.at("samples"),
                .right = json.at("right"),
                .zero_loss = json.at("zero_loss"),
                .support_vectors = json.at("support_vectors"),
                .least_margin = number(json, "least_margin"),
                .largest_margin = number(json, "largest_margin")};
  if (!json.at("dual").is_null()) out.dual = json.at("dual").get<double>();
  return out;
}

void read_line(const Json& json, TrainLog& log) {
  if (json.at("kind") == "step") {
    log.steps.push_back(
        {.epoch = json.at("epoch"), .step = json.at("step"), .lr = number(json, "lr"), .loss = number(json, "loss")});
    return;
  }
  log.epochs.push_back({.epoch = json.at("epoch"),
                        .step = json.at("step"),
                        .lr = number(json, "lr"),
                        .train_loss = number(json, "train_loss"),
                        .train_accuracy = number(json, "train_accuracy"),
                        .val_loss = number(json, "val_loss"),
                        .val_accuracy = number(json, "val_accuracy"),
                        .seconds = number(json, "seconds"),
                        .samples_per_s = number(json, "samples_per_s"),
                        .best = json.at("best"),
                        .svm = svm_of(json)});
}

/// In one write, so that a reader or a kill finds whole lines unless the disk is full.
void append(const std::filesystem::path& path, const std::string& line) {
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  CHECK(file >= 0, "{}: cannot write: {}", path.string(), std::strerror(errno));
  const ssize_t written = ::write(file, line.data(), line.size());
  const int reason = errno;
  ::close(file);
  CHECK(written >= 0, "{}: cannot write: {}", path.string(), std::strerror(reason));
  CHECK(static_cast<size_t>(written) == line.size(), "{}: cannot write: the disk is full", path.string());
}

}  // namespace

TrainLog read_log(const std::filesystem::path& folder) {
  TrainLog log;
  const auto path = folder / kJsonl;
  if (!std::filesystem::exists(path)) return log;
  std::istringstream lines(read_file(path));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (lines.eof()) break;  // without its end: the program was killed or the disk was full
    try {
      read_line(Json::parse(line), log);
    } catch (const nlohmann::json::exception& error) {
      fail("{}:{}: {}", path.string(), number, error.what());
    }
  }
  return log;
}

RunLog::RunLog(const std::filesystem::path& folder, int64_t step, int64_t epoch, bool svm)
    : jsonl_(folder / kJsonl), csv_(folder / kCsv) {
  const TrainLog log = step > 0 ? read_log(folder) : TrainLog();
  std::string lines, rows = fmt::format("{}{}\n", kHeader, svm ? kSvmHeader : "");
  auto next = log.epochs.begin();
  const auto epochs_before = [&](int64_t end) {
    for (; next != log.epochs.end() && next->epoch <= epoch && next->epoch < end; ++next)
      lines += line_of(*next), rows += row_of(*next);
  };
  for (const StepRecord& record : log.steps) {
    if (record.step > step) break;
    epochs_before(record.epoch);
    lines += line_of(record);
  }
  epochs_before(epoch + 1);
  write_file_atomic(jsonl_, lines);
  write_file_atomic(csv_, rows);
}

void RunLog::add(const StepRecord& record) { append(jsonl_, line_of(record)); }
void RunLog::add(const EpochRecord& record) {
  append(jsonl_, line_of(record));
  append(csv_, row_of(record));
}

}  // namespace ingot
