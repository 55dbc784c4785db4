#include <cctype>
#include <memory>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/images.h"
#include "cli/output.h"
#include "cli/ranks.h"
#include "cli/verbs.h"
#include "ingot/image_io.h"
#include "ingot/train.h"

namespace ingot::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string run;
  std::string which = "best";
  std::optional<int64_t> batch_size;
  std::string images;  // folder
  int64_t count = 8;
  CommunicatorOptions ranks;
  bool json = false;
};

/// "T-shirt/top" -> "t_shirt_top"
std::string slug(const std::string& name) {
  std::string out;
  for (const unsigned char c : name) out += std::isalnum(c) ? static_cast<char>(std::tolower(c)) : '_';
  return out;
}

/// The first test images as 0000_ankle_boot.png, 0001_pullover.png, ...
void save_images(const DatasetHandle& images, const Task& task, const Options& o) {
  std::error_code error;
  fs::create_directories(o.images, error);
  CHECK(!error, "{}: cannot make the folder: {}", o.images, error.message());
  for (int64_t i = 0; i < std::min(o.count, images->size()); ++i) {
    const Sample sample = images->get(i);
    const auto label = static_cast<size_t>(sample.target.item<int64_t>());
    write_png(fs::path(o.images) / fmt::format("{:04}_{}.png", i, slug(task.class_names.at(label))), sample.input);
  }
}

std::string text_of(const EvalResult& r) {
  std::vector<std::vector<std::string>> rows{{"class", "accuracy"}};
  for (size_t c = 0; c < r.class_names.size(); ++c)
    rows.push_back({r.class_names[c], fmt::format("{:.2f}%", 100 * r.per_class[c])});
  return fmt::format("accuracy {:.2f}%  loss {:.4f}  on {} test images, {:.0f} samples/s\n\n{}", 100 * r.accuracy,
                     r.loss, r.samples, r.samples_per_s, table(rows));
}

int run(const Options& o) {
  const Run run = reading([&] { return open_run(o.run, o.which); });
  const DataConfig& data = run.config.data;
  const DatasetHandle images = test_data(run);
  const EvalResult result = evaluate(*run.model, images, run.task,
                                     {.batch_size = o.batch_size,
                                      .num_workers = static_cast<int>(data.num_workers),
                                      .on_error = data.on_error,
                                      .by_ranks = true});
  if (!is_first_rank()) return kDone;
  write_file_atomic(run.folder / "eval.json", to_json(result) + "\n");
  if (!o.images.empty()) save_images(images, run.task, o);
  if (o.json)
    print("{}\n", to_json(result));
  else
    print("{}", text_of(result));
  return kDone;
}

Work declare(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("run", o->run, "Run folder")->required();
  app.add_option("--checkpoint", o->which, "best or last")->check(CLI::IsMember({"best", "last"}));
  app.add_option("--batch-size", o->batch_size, "Images at a time")->check(CLI::PositiveNumber);
  auto* const images = app.add_option("--save-images", o->images, "Also write test images as PNG into this folder");
  app.add_option("--count", o->count, "How many of them")->check(CLI::PositiveNumber)->needs(images);
  add_rank_options(app, o->ranks);
  add_json_option(app, o->json);
  add_threads_option(app);
  return [o] { return on_ranks(o->ranks, [&] { return run(*o); }); };
}

}  // namespace

const Verb kEval{
    .name = "eval",
    .help = "Measure a run's accuracy on the test images",
    .example =
        "  ingot eval runs/demo\n"
        "  ingot eval runs/demo --json\n"
        "  ingot eval runs/demo --save-images images --count 8",
    .declare = declare,
    .on_ranks = true,
};

}  // namespace ingot::cli
