#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ingot/communicator.h"
#include "ingot/file_datasets.h"
#include "ingot/init_cfg.h"
#include "ingot/math.h"
#include "ingot/models.h"
#include "ingot/optim.h"
#include "ingot/schedulers.h"
#include "ingot/svm.h"

// Training a classifier from a configuration file, evaluating it, and the folder that a run leaves.
namespace ingot {

// ---- Configuration: one struct a section of the file, with the file's keys

struct ModelConfig {
  std::string type = "small_cnn";  // model_names()
  ModelOptions options;            // num_classes, in_channels and image_size follow from the data
  InitCfg init_cfg;                // rules for the initial values, one or a list of them
};

/// Transforms of training images (transforms.h): RandomCrop to the size that the network takes, RandomHorizontalFlip.
struct RandomCropConfig {
  int64_t padding = 0;
};
struct RandomHorizontalFlipConfig {
  double p = 0.5;
};
using AugmentConfig = std::variant<RandomCropConfig, RandomHorizontalFlipConfig>;

/// Data sets (file_datasets.h), each with images to train on and to test on.
struct FashionMnistConfig {
  std::filesystem::path root;  // folder of the files; empty: where Debian's package puts them
};
struct MnistConfig {
  std::filesystem::path root;
};
struct IdxConfig {  // any images under MNIST's file names
  std::filesystem::path root;
  std::vector<std::string> class_names;  // empty: "0", "1", ...
};
struct Cifar10Config {
  std::filesystem::path root;
};
struct Cifar100Config {
  std::filesystem::path root;
  CifarLabels labels = CifarLabels::fine;
};
struct CsvConfig {  // an image a row, its pixels whole numbers from 0 to 255, row-major
  std::filesystem::path root;
  std::string train = "train.csv", test = "test.csv";  // below the root
  std::string target = "label";                        // the column of the classes, see CsvOptions
  std::string delimiter = ",";
  bool header = true;
  std::vector<int64_t> shape;            // of an image: channels (1 or 3), height, width
  std::vector<std::string> class_names;  // empty: those that the training rows have
};
struct ImageFolderConfig {  // root/train/CLASS/*.png and *.jpg; the folders name the classes
  std::filesystem::path root;
  std::string train = "train", test = "test";
  ImageReadMode channels = ImageReadMode::rgb;
};
using DataSource = std::variant<FashionMnistConfig, MnistConfig, IdxConfig, Cifar10Config, Cifar100Config, CsvConfig,
                                ImageFolderConfig>;

struct DataConfig {
  DataSource source;
  /// So many training images are held out to choose the best checkpoint: the last ones, or in folders and tables, which
  /// may be sorted by class, some that are drawn at random, the same in every run.
  int64_t validation = 5000;
  /// Train on so many of the other images: the first ones, or in folders and tables the first of those drawn, so that
  /// smaller sets are part of larger ones and all are validated on the same images. None: on all of them.
  std::optional<int64_t> train_samples;
  /// What makes all images one size (transforms.h): Resize to height and width, or with one number until the shorter
  /// edge is so long; then CenterCrop to height and width, or to a square. Empty: neither. RandomCrop among `augment`
  /// takes the crop's place in training.
  std::vector<int64_t> resize, center_crop;
  /// By channel or for all, of pixels in [0, 1]; empty: those of the training images, in a folder of at most 10,000.
  std::vector<double> mean, std;
  OnError on_error = OnError::raise;  // skip: bad images are left out and counted on stderr
  int64_t batch_size = 128;
  int64_t num_workers = 0;
  bool drop_last = false;
  std::vector<AugmentConfig> augment;  // of training images, in this order
};

/// Losses (losses.h).
struct CrossEntropyConfig {
  double label_smoothing = 0;
};
struct MultiMarginConfig {
  int64_t p = 1;
  double margin = 1;
};
/// P(w) / (C N), of all weights and biases and the N training images: the regulariser belongs to the loss, and an
/// optimiser with a weight_decay of its own is refused. For the model `linear`.
struct SvmConfig : SvmProblem {};
using LossConfig = std::variant<CrossEntropyConfig, MultiMarginConfig, SvmConfig>;

/// Optimisers (optim.h), or the solver for linear SVMs (svm.h): an epoch then is one of its rounds over all images.
using OptimizerConfig =
    std::variant<SGDOptions, AdamOptions, AdamWOptions, AdagradOptions, AdadeltaOptions, RMSpropOptions, RpropOptions,
                 ASGDOptions, AdamaxOptions, NAdamOptions, RAdamOptions, LambOptions, LionOptions, SvmSolverOptions>;

/// Schedules (schedulers.h). Lengths are in epochs and may be fractions; rates move with every step. Where several are
/// given they follow one another, each for as long as its total_iters, T_max or `epochs` say, and the last one to the
/// end of training.
struct LinearLRConfig {
  double start_factor = 1.0 / 3, end_factor = 1, total_iters = 5;
};
struct ConstantLRConfig {
  double factor = 1.0 / 3, total_iters = 5;
};
struct CosineAnnealingLRConfig {
  std::optional<double> T_max;  // none: what is left of training
  double eta_min = 0;
};
struct StepLRConfig {
  double step_size = 1, gamma = 0.1;
  std::optional<double> epochs;
};
struct MultiStepLRConfig {
  std::vector<double> milestones;
  double gamma = 0.1;
  std::optional<double> epochs;
};
struct ExponentialLRConfig {
  double gamma = 0.9;  // an epoch
  std::optional<double> epochs;
};
struct PolynomialLRConfig {
  std::optional<double> total_iters;  // none: what is left of training
  double power = 1;
};
struct CosineAnnealingWarmRestartsConfig {
  double T_0 = 10;
  int64_t T_mult = 1;
  double eta_min = 0;
  std::optional<double> epochs;
};
struct OneCycleLRConfig {
  double max_lr = 0;
  double pct_start = 0.3;
  std::string anneal_strategy = "cos";  // or "linear"
  bool cycle_momentum = true;
  double base_momentum = 0.85, max_momentum = 0.95, div_factor = 25, final_div_factor = 1e4;
  bool three_phase = false;
  std::optional<double> epochs;
};
struct CyclicLRConfig {
  double base_lr = 0, max_lr = 0, step_size_up = 5;
  std::optional<double> step_size_down;  // none: as step_size_up
  std::string mode = "triangular";       // or "triangular2", "exp_range"
  double gamma = 1;                      // of exp_range, an epoch
  bool cycle_momentum = true;
  double base_momentum = 0.8, max_momentum = 0.9;
  std::optional<double> epochs;
};
/// Looks at a measure after each epoch, which `patience` and `cooldown` count. It stands alone. `mode` follows from the
/// measure: accuracies are to grow, losses to fall.
struct ReduceLROnPlateauConfig : ReduceLROnPlateauOptions {
  std::string monitor = "val_loss";  // or val_accuracy, train_loss, train_accuracy
};
using SchedulerConfig =
    std::variant<LinearLRConfig, ConstantLRConfig, CosineAnnealingLRConfig, StepLRConfig, MultiStepLRConfig,
                 ExponentialLRConfig, PolynomialLRConfig, CosineAnnealingWarmRestartsConfig, OneCycleLRConfig,
                 CyclicLRConfig, ReduceLROnPlateauConfig>;

/// Averages of the weights over steps (averaging.h), which then are what is validated, saved and shipped.
struct SWAConfig {
  double start = 0.75;  // share of the training after which averaging begins
};
struct EMAConfig {
  double decay = 0.999;
};
using AverageConfig = std::variant<SWAConfig, EMAConfig>;

/// What k ranks do that train together (mpirun, srun): data.batch_size images a step, of which each takes a part, so
/// that a config trains the same network on any number of ranks.
struct DistributedConfig {
  bool sync_batch_norm = true;   // statistics of all ranks' images (sync_batch_norm.h)
  bool deterministic = false;    // the same bits on any number of ranks, in shards of 16 images (sharded.h)
  bool compress = false;         // gradients travel as bf16 (data_parallel.h)
  int64_t bucket_mb = 25;        // of gradients that travel together
  int64_t check_interval = 100;  // steps between two comparisons of the ranks' parameters
};

struct TrainConfig {
  ModelConfig model;
  DataConfig data;
  LossConfig loss;
  OptimizerConfig optimizer = SGDOptions{.lr = 0.1};  // a config must name one
  std::vector<SchedulerConfig> scheduler;
  std::optional<AverageConfig> average;
  DistributedConfig distributed;
  int64_t epochs = 10;
  uint64_t seed = 0;
  Math math = Math::fast;                // set_math() of the run
  std::optional<double> clip_grad_norm;  // the largest norm of all gradients together
  int64_t log_interval = 50;             // steps between two losses in the log
};

/// Reads a YAML file, with `_base_`, and applies `set`, each "a.b=c". Throws Error with file and line for what is
/// not known (naming the nearest), of the wrong type or out of range.
TrainConfig load_train_config(const std::filesystem::path& file, const std::vector<std::string>& set = {});
/// All keys with their values, as load_train_config reads them back.
std::string to_yaml(const TrainConfig& config);

// ---- Data

/// What a classifier's input and output mean.
struct Task {
  Shape input;                    // [C,H,W]
  std::vector<double> mean, std;  // by channel: x = (image / 255 - mean) / std
  std::vector<std::string> class_names;

  int64_t classes() const { return static_cast<int64_t>(class_names.size()); }
};

/// Images u8 [C,H,W] and labels i64. Those for validation and testing have the task's size; those for training are as
/// the data set has them.
struct TrainingData {
  Task task;
  DatasetHandle train, validation, test;
  std::string hash;  // of all training and validation images and labels, used or not; of a folder's names and sizes
};
/// Throws Error where a file is missing, damaged or does not fit the others.
TrainingData load_data(const DataConfig& config);
/// The test images alone, in the task's size; labels are numbers of these classes.
DatasetHandle load_test_data(const DataConfig& config, const std::vector<std::string>& class_names);
/// Images of the task's size as the network wants them: f32, normalised.
DatasetHandle normalised(DatasetHandle images, const Task& task);

// ---- Evaluation

struct EvalResult {
  double accuracy = 0, loss = 0;  // share of right answers, mean cross-entropy
  std::vector<std::string> class_names;
  std::vector<double> per_class;                // accuracy of each class's samples; 0 for a class without samples
  std::vector<std::vector<int64_t>> confusion;  // [class][predicted]
  int64_t samples = 0;
  double samples_per_s = 0;
};
/// {"accuracy", "loss", "per_class": {name: accuracy}, "confusion", "class_names", "samples", "samples_per_s"}
std::string to_json(const EvalResult& result);

/// Scores of a normalised batch [N,C,H,W] -> [N,classes].
using Classifier = std::function<Tensor(const Tensor& batch)>;
struct EvalOptions {
  std::optional<int64_t> batch_size;  // none: 500, of large images fewer
  int num_workers = 0;
  OnError on_error = OnError::raise;
  bool by_ranks = false;       // every rank of the world takes a part of the images; the result is that of all
  bool deterministic = false;  // the same bits on any number of ranks and threads: 64 images at a time, on one thread
};
/// `images` are u8, as TrainingData has them for validation.
EvalResult evaluate(const Classifier& classify, const DatasetHandle& images, const Task& task,
                    const EvalOptions& options = {});
/// The same with a module, in eval mode during the call and without gradients.
EvalResult evaluate(Module& model, const DatasetHandle& images, const Task& task, const EvalOptions& options = {});
/// A batch that is large enough for speed and does not fill the memory.
int64_t usual_batch(const Task& task);

// ---- Training

struct EpochRecord {
  int64_t epoch = 0;  // from 1
  int64_t step = 0;   // optimiser steps since the run began
  double lr = 0;      // of the last step
  double train_loss = 0, train_accuracy = 0, val_loss = 0, val_accuracy = 0;
  double seconds = 0;        // validation included
  double samples_per_s = 0;  // of training
  bool best = false;         // so far
  std::optional<SvmReport>
      svm;  // of a linear SVM: what the weights at the epoch's end are worth on all training images
};
struct StepRecord {
  int64_t epoch = 0, step = 0;
  double lr = 0, loss = 0;
};

/// Where training stands, for those who show it.
struct TrainProgress {
  int64_t epoch = 0, epochs = 0;  // epoch from 1
  int64_t batch = 0, batches = 0;
  double loss = 0, accuracy = 0;  // means of this epoch
  double samples_per_s = 0, seconds_left = 0;
};

struct TrainOptions {
  std::filesystem::path out;  // the run folder
  bool resume = false;        // go on from last.safetensors
  bool overwrite = false;     // throw an earlier run in `out` away
  /// Asked after every step: true saves last.safetensors and ends the run as interrupted. Where several ranks train,
  /// any of them may say so, and all end one step later.
  std::function<bool(int64_t step)> stop;
  std::function<void(const TrainProgress&)> on_step;
  std::function<void(const EpochRecord&)> on_epoch;
};

struct TrainResult {
  bool interrupted = false;
  int64_t epochs = 0, steps = 0;  // done, earlier parts of a resumed run included
  double best_accuracy = 0;       // on the validation images
  int64_t best_epoch = 0;
  double seconds = 0;  // of this part
};
std::string to_json(const TrainResult& result);

/// What this rank exchanged: statistics of batch norms and all that is small, and gradients.
struct RankTraffic {
  Traffic statistics, gradients;
};

/// A training run. A run folder holds config.yaml, log.jsonl, log.csv, and two checkpoints, last.safetensors (the end
/// of the latest epoch, or where it was interrupted) and best.safetensors (the best validation accuracy, the earlier of
/// equals). All files are replaced as a whole: a run that is killed at any moment resumes with the same bits as one
/// that was not.
///
/// Where the world (communicator.h) has several ranks, all of them make a Trainer of the same config and run it; the
/// first one writes the folder, which all can read, and calls on_step and on_epoch. A run may be resumed on another
/// number of ranks.
class Trainer {
 public:
  /// Loads the data, builds the model and looks at the folder, but writes nothing. Throws Error where the folder holds
  /// a run and neither resume nor overwrite is set, where there is none to resume, and where a run would be resumed
  /// with another config or other data.
  Trainer(const TrainConfig& config, const TrainOptions& options);
  ~Trainer();
  Trainer(Trainer&&) noexcept;

  /// Throws Error where the loss is no longer finite, naming the step and the first layer, and where the folder cannot
  /// be written: the checkpoints of before stay.
  TrainResult run();

  Module& model();
  const Task& task() const;
  RankTraffic traffic() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
TrainResult train(const TrainConfig& config, const TrainOptions& options);

// ---- Run folders

/// A trained network with what is needed to use it.
struct Run {
  std::filesystem::path folder;
  TrainConfig config;
  Task task;
  std::unique_ptr<Module> model;  // in eval mode
};
/// Reads config.yaml and "best" or "last".safetensors; needs no data set. Throws Error where a file is missing or
/// damaged.
Run open_run(const std::filesystem::path& folder, const std::string& which = "best");
/// Whether the folder holds a run.
bool is_run(const std::filesystem::path& folder);

struct TrainLog {
  std::vector<StepRecord> steps;
  std::vector<EpochRecord> epochs;
};
TrainLog read_log(const std::filesystem::path& folder);

}  // namespace ingot
