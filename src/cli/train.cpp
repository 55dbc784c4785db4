#include <csignal>
#include <memory>

#include "base/log.h"
#include "cli/output.h"
#include "cli/ranks.h"
#include "cli/verbs.h"
#include "ingot/train.h"

namespace ingot::cli {
namespace {

struct Options {
  std::string config;
  TrainOptions train;
  std::vector<std::string> set;
  CommunicatorOptions ranks;
  bool json = false, profile = false;
};

volatile std::sig_atomic_t interrupted = 0;

/// The first Ctrl-C lets the step end and the run be saved; the second one kills. SIGUSR1 is what mpirun hands on to
/// its ranks, where it would end them at a Ctrl-C, and what Slurm can send before a job's time is up.
void stop_at_signals() {
  struct sigaction action{};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
}

constexpr int kBarWidth = 20;

std::string bar_text(const TrainProgress& p) {
  const auto filled = static_cast<int>(kBarWidth * p.batch / p.batches);
  const std::string bar =
      std::string(static_cast<size_t>(filled), '#').append(static_cast<size_t>(kBarWidth - filled), '.');
  return fmt::format("epoch {}/{} [{}] loss {:.4f}  accuracy {:5.2f}%  {:.0f} samples/s  {} left", p.epoch, p.epochs,
                     bar, p.loss, 100 * p.accuracy, p.samples_per_s, clock_text(p.seconds_left));
}

std::string epoch_text(const EpochRecord& r, int64_t epochs) {
  return fmt::format(
      "epoch {:>{}}/{}  loss {:.4f}  accuracy {:5.2f}%  validation loss {:.4f}  accuracy {:5.2f}%{}  {:.0f} samples/s  "
      "{:.1f} s",
      r.epoch, std::to_string(epochs).size(), epochs, r.train_loss, 100 * r.train_accuracy, r.val_loss,
      100 * r.val_accuracy, r.best ? " *" : "  ", r.samples_per_s, r.seconds);
}

std::string svm_text(const SvmReport& r) {
  std::string text = fmt::format("svm  objective {:.3f}", r.objective);
  if (r.dual) text += fmt::format("  dual {:.3f}  gap {:.4f}%", *r.dual, 100 * (1 - *r.dual / r.objective));
  return text + fmt::format("  zero loss {:.2f}%  support vectors {}  margins {:.4f} to {:.4f}",
                            100 * static_cast<double>(r.zero_loss) / static_cast<double>(r.samples), r.support_vectors,
                            r.least_margin, r.largest_margin);
}

std::string traffic_text(const Traffic& t) {
  return fmt::format("{} collectives, {:.2f} MB, {:.2f} s in them", t.collectives, static_cast<double>(t.bytes) / 1e6,
                     t.seconds);
}

/// The bar where a person watches, a line an epoch everywhere.
void show(TrainOptions& options, StatusLine& line, int64_t epochs) {
  if (is_terminal(stderr)) options.on_step = [&line](const TrainProgress& p) { line.draw(bar_text(p)); };
  options.on_epoch = [&line, epochs](const EpochRecord& record) {
    line.clear();
    log_info("{}", epoch_text(record, epochs));
    if (record.svm) log_info("{}", svm_text(*record.svm));
  };
}

/// Of this rank, since the last time.
void profile(TrainOptions& options, const std::optional<Trainer>& trainer) {
  options.on_epoch = [&trainer, show = options.on_epoch, before = RankTraffic()](const EpochRecord& record) mutable {
    show(record);
    const RankTraffic now = trainer->traffic();
    log_info("statistics: {}; gradients: {}", traffic_text(now.statistics - before.statistics),
             traffic_text(now.gradients - before.gradients));
    before = now;
  };
}

int run(const Options& given, std::optional<Trainer>& trainer) {
  stop_at_signals();
  StatusLine line;
  TrainOptions options = given.train;
  options.stop = [](int64_t) { return interrupted != 0; };
  reading([&] {
    const TrainConfig config = load_train_config(given.config, given.set);
    show(options, line, config.epochs);
    if (given.profile) profile(options, trainer);
    trainer.emplace(config, options);
  });
  const TrainResult result = trainer->run();
  line.clear();
  const int code = result.interrupted ? kInterrupted : kDone;
  if (!is_first_rank()) return code;
  if (given.json) print("{}\n", to_json(result));
  if (result.interrupted)
    log_info("interrupted after step {}, saved; go on with --resume", result.steps);
  else if (!given.json)
    print("best validation accuracy {:.2f}% in epoch {} of {}, {} in {}\n", 100 * result.best_accuracy,
          result.best_epoch, result.epochs, clock_text(result.seconds), options.out.string());
  return code;
}

Work declare(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("config", o->config, "YAML file")->required();
  app.add_option("--out", o->train.out, "Run folder to write")->required();
  app.add_option("--set", o->set, "Change a value of the config: key.of.it=value; any number of times")
      ->take_all()
      ->allow_extra_args(false);
  auto* const resume = app.add_flag("--resume", o->train.resume, "Go on with the run in the folder");
  app.add_flag("--overwrite", o->train.overwrite, "Throw an earlier run in the folder away")->excludes(resume);
  app.add_flag("--profile", o->profile, "After each epoch, what the ranks exchanged");
  add_rank_options(app, o->ranks);
  add_json_option(app, o->json);
  add_threads_option(app);
  return [o] {
    // After an error it is not destroyed, which might wait for gradients of ranks that do not come.
    std::optional<Trainer> trainer;
    return on_ranks(o->ranks, [&] {
      const int code = run(*o, trainer);
      trainer.reset();
      return code;
    });
  };
}

}  // namespace

const Verb kTrain{
    .name = "train",
    .help = "Train a network as a config file says",
    .example =
        "  ingot train configs/fashion_mnist.yaml --out runs/demo\n"
        "  ingot train configs/fashion_mnist.yaml --out runs/demo --resume\n"
        "  ingot train configs/fashion_mnist.yaml --out runs/wide --set model.widths=[64,128,256]\n"
        "  mpirun -np 4 ingot train configs/fashion_mnist.yaml --out runs/four",
    .declare = declare,
    .on_ranks = true,
};

}  // namespace ingot::cli
