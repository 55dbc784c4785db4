#include <algorithm>
#include <cmath>

#include "autograd/attrs.h"
#include "base/check.h"
#include "base/file.h"
#include "ingot/train.h"
#include "train/attention_config.h"
#include "train/build.h"
#include "train/config.h"
#include "train/config_section.h"
#include "train/init_config.h"
#include "train/svm_training.h"

namespace ingot {
namespace {

ConfigSchema count_or_null() { return ConfigSchema::integer().at_least(1).or_null(); }
ConfigSchema side() { return ConfigSchema::integer().within(1, 1 << 16); }  // of an image
ConfigSchema share() { return ConfigSchema::number().within(0, 1); }
ConfigSchema share_or_null() { return ConfigSchema::number().within(0, 1).or_null(); }
ConfigSchema length_or_null() { return ConfigSchema::number().at_least(0).or_null(); }

}  // namespace

template <>
struct Section<RandomCropConfig> : RandomCropConfig {
  static constexpr std::string_view kType = "RandomCrop";
  static constexpr auto config =
      std::tuple{optional_key("padding", &Section::padding, [] { return ConfigSchema::integer().at_least(0); })};
};
template <>
struct Section<RandomHorizontalFlipConfig> : RandomHorizontalFlipConfig {
  static constexpr std::string_view kType = "RandomHorizontalFlip";
  static constexpr auto config = std::tuple{optional_key("p", &Section::p, share)};
};

template <>
struct Section<CrossEntropyConfig> : CrossEntropyConfig {
  static constexpr std::string_view kType = "cross_entropy";
  static constexpr auto config = std::tuple{optional_key("label_smoothing", &Section::label_smoothing, share)};
};
template <>
struct Section<MultiMarginConfig> : MultiMarginConfig {
  static constexpr std::string_view kType = "multi_margin";
  static constexpr auto config =
      std::tuple{optional_key("p", &Section::p, [] { return ConfigSchema::integer().within(1, 2); }),
                 optional_key("margin", &Section::margin, not_negative)};
};

template <>
struct Section<SvmSolverOptions> : SvmSolverOptions {
  static constexpr std::string_view kType = "SvmSolver";
  static constexpr auto config = std::tuple{optional_key("sigma", &Section::sigma, not_negative),
                                            optional_key("growth", &Section::growth, not_negative),
                                            optional_key("max_sigma", &Section::max_sigma, not_negative),
                                            optional_key("newton_steps", &Section::newton_steps, count)};
};

/// An optimiser's section has its options, by the names that its state has.
template <class O>
concept OptimizerOptions = requires(O o) {
  o.maximize;
  OptimizerOf<O>::name();
};
template <OptimizerOptions O>
struct Section<O> : O {
  static inline const std::string_view kType = OptimizerOf<O>::name();
};

template <>
struct Section<LinearLRConfig> : LinearLRConfig {
  static constexpr std::string_view kType = "LinearLR";
  static constexpr auto config = std::tuple{optional_key("start_factor", &Section::start_factor, share),
                                            optional_key("end_factor", &Section::end_factor, share),
                                            optional_key("total_iters", &Section::total_iters, not_negative)};
};
template <>
struct Section<ConstantLRConfig> : ConstantLRConfig {
  static constexpr std::string_view kType = "ConstantLR";
  static constexpr auto config = std::tuple{optional_key("factor", &Section::factor, share),
                                            optional_key("total_iters", &Section::total_iters, not_negative)};
};
template <>
struct Section<CosineAnnealingLRConfig> : CosineAnnealingLRConfig {
  static constexpr std::string_view kType = "CosineAnnealingLR";
  static constexpr auto config = std::tuple{optional_key("T_max", &Section::T_max, length_or_null),
                                            optional_key("eta_min", &Section::eta_min, not_negative)};
};
template <>
struct Section<StepLRConfig> : StepLRConfig {
  static constexpr std::string_view kType = "StepLR";
  static constexpr auto config = std::tuple{optional_key("step_size", &Section::step_size, not_negative),
                                            optional_key("gamma", &Section::gamma, not_negative),
                                            optional_key("epochs", &Section::epochs, length_or_null)};
};
template <>
struct Section<MultiStepLRConfig> : MultiStepLRConfig {
  static constexpr std::string_view kType = "MultiStepLR";
  static constexpr auto config = std::tuple{
      required_key("milestones", &Section::milestones, [] { return ConfigSchema::list_of(not_negative()); }),
      optional_key("gamma", &Section::gamma, not_negative), optional_key("epochs", &Section::epochs, length_or_null)};
};
template <>
struct Section<PolynomialLRConfig> : PolynomialLRConfig {
  static constexpr std::string_view kType = "PolynomialLR";
  static constexpr auto config = std::tuple{optional_key("total_iters", &Section::total_iters, length_or_null),
                                            optional_key("power", &Section::power, not_negative)};
};
template <>
struct Section<CosineAnnealingWarmRestartsConfig> : CosineAnnealingWarmRestartsConfig {
  static constexpr std::string_view kType = "CosineAnnealingWarmRestarts";
  static constexpr auto config =
      std::tuple{optional_key("T_0", &Section::T_0, not_negative), optional_key("T_mult", &Section::T_mult, count),
                 optional_key("eta_min", &Section::eta_min, not_negative),
                 optional_key("epochs", &Section::epochs, length_or_null)};
};
template <>
struct Section<OneCycleLRConfig> : OneCycleLRConfig {
  static constexpr std::string_view kType = "OneCycleLR";
  static constexpr auto config = std::tuple{required_key("max_lr", &Section::max_lr, not_negative),
                                            optional_key("pct_start", &Section::pct_start, share),
                                            optional_key("anneal_strategy", &Section::anneal_strategy,
                                                         [] { return ConfigSchema::choice({"cos", "linear"}); }),
                                            optional_key("cycle_momentum", &Section::cycle_momentum),
                                            optional_key("base_momentum", &Section::base_momentum, share),
                                            optional_key("max_momentum", &Section::max_momentum, share),
                                            optional_key("div_factor", &Section::div_factor, not_negative),
                                            optional_key("final_div_factor", &Section::final_div_factor, not_negative),
                                            optional_key("three_phase", &Section::three_phase),
                                            optional_key("epochs", &Section::epochs, length_or_null)};
};
template <>
struct Section<CyclicLRConfig> : CyclicLRConfig {
  static constexpr std::string_view kType = "CyclicLR";
  static constexpr auto config =
      std::tuple{required_key("base_lr", &Section::base_lr, not_negative),
                 required_key("max_lr", &Section::max_lr, not_negative),
                 optional_key("step_size_up", &Section::step_size_up, not_negative),
                 optional_key("step_size_down", &Section::step_size_down, length_or_null),
                 optional_key("mode", &Section::mode,
                              [] { return ConfigSchema::choice({"triangular", "triangular2", "exp_range"}); }),
                 optional_key("gamma", &Section::gamma, not_negative),
                 optional_key("cycle_momentum", &Section::cycle_momentum),
                 optional_key("base_momentum", &Section::base_momentum, share),
                 optional_key("max_momentum", &Section::max_momentum, share),
                 optional_key("epochs", &Section::epochs, length_or_null)};
};
template <>
struct Section<ExponentialLRConfig> : ExponentialLRConfig {
  static constexpr std::string_view kType = "ExponentialLR";
  static constexpr auto config = std::tuple{optional_key("gamma", &Section::gamma, not_negative),
                                            optional_key("epochs", &Section::epochs, length_or_null)};
};

template <>
struct Section<ReduceLROnPlateauConfig> : ReduceLROnPlateauConfig {
  static constexpr std::string_view kType = "ReduceLROnPlateau";
  static constexpr auto config = std::tuple{
      optional_key("monitor", &Section::monitor,
                   [] { return ConfigSchema::choice({"val_loss", "val_accuracy", "train_loss", "train_accuracy"}); }),
      optional_key("factor", &Section::factor, share),
      optional_key("patience", &Section::patience, [] { return ConfigSchema::integer().at_least(0); }),
      optional_key("threshold", &Section::threshold, not_negative),
      optional_key("threshold_mode", &Section::threshold_mode),
      optional_key("cooldown", &Section::cooldown, [] { return ConfigSchema::integer().at_least(0); }),
      optional_key("min_lr", &Section::min_lr, not_negative),
      optional_key("eps", &Section::eps, not_negative)};
};

template <>
struct Section<SWAConfig> : SWAConfig {
  static constexpr std::string_view kType = "SWA";
  static constexpr auto config = std::tuple{optional_key("start", &Section::start, share)};
};
template <>
struct Section<EMAConfig> : EMAConfig {
  static constexpr std::string_view kType = "EMA";
  static constexpr auto config = std::tuple{optional_key("decay", &Section::decay, share)};
};

// ---- Options of optimisers, which list their fields themselves

namespace {

ConfigNode node_of(const AttrValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return ConfigCodec<bool>::write(*flag);
  if (const auto* numbers = std::get_if<std::vector<double>>(&value))
    return ConfigCodec<std::vector<double>>::write(*numbers);
  return ConfigCodec<double>::write(std::get<double>(value));
}
/// The option that a node says, of the same kind as its default.
AttrValue option_of(const ConfigNode& node, const AttrValue& fallback) {
  if (std::holds_alternative<bool>(fallback)) return node.as_bool();
  if (std::holds_alternative<double>(fallback)) return node.as_double();
  return read_config<std::vector<double>>(node);
}
/// None is below 0. One whose default is no number must be given.
ConfigField option_field(std::string_view name, const AttrValue& fallback) {
  ConfigField out{.name = std::string(name), .schema = ConfigSchema::boolean()};
  if (const auto* numbers = std::get_if<std::vector<double>>(&fallback))
    out.schema = ConfigSchema::list_of(not_negative(), numbers->size());
  else if (std::holds_alternative<double>(fallback))
    out.schema = not_negative();
  const double* number = std::get_if<double>(&fallback);
  if (number == nullptr || !std::isnan(*number)) out.fallback = node_of(fallback);
  return out;
}

}  // namespace

/// The model's section is flat: which options a model has is for make_model to say.
template <>
struct Section<ModelConfig> {
  std::string type = "small_cnn";
  std::optional<std::vector<int64_t>> widths;
  std::optional<double> dropout;
  std::optional<AttentionOptions> attention;
  InitCfg init_cfg;
  static constexpr auto config = std::tuple{
      required_key("type", &Section::type, [] { return ConfigSchema::choice(model_names()); }),
      optional_key("widths", &Section::widths, [] { return ConfigSchema::list_of(count()).or_null(); }),
      optional_key("dropout", &Section::dropout, share_or_null), optional_key("attention", &Section::attention),
      optional_key("init_cfg", &Section::init_cfg, [] { return schema_of<InitCfg>().or_one(); })};
};

template <>
struct ConfigCodec<uint64_t> {
  static ConfigSchema schema() { return ConfigSchema::integer().at_least(0); }
  static uint64_t read(const ConfigNode& node) { return static_cast<uint64_t>(node.as_int()); }
  static ConfigNode write(uint64_t value) { return ConfigNode::scalar(std::to_string(value)); }
};
template <>
struct ConfigCodec<std::filesystem::path> {
  static ConfigSchema schema() { return ConfigSchema::text(); }
  static std::filesystem::path read(const ConfigNode& node) { return node.as_text(); }
  static ConfigNode write(const std::filesystem::path& value) { return ConfigNode::scalar(value.string(), true); }
};
inline constexpr Named<OnError> kOnError[] = {{"raise", OnError::raise}, {"skip", OnError::skip}};
inline constexpr Named<CifarLabels> kCifarLabels[] = {{"fine", CifarLabels::fine}, {"coarse", CifarLabels::coarse}};
inline constexpr Named<ImageReadMode> kReadModes[] = {{"rgb", ImageReadMode::rgb}, {"gray", ImageReadMode::gray}};
inline constexpr Named<Math> kMaths[] = {{"strict", Math::strict}, {"fast", Math::fast}};
using Threshold = ReduceLROnPlateauOptions::Threshold;
inline constexpr Named<Threshold> kThresholds[] = {{"rel", Threshold::rel}, {"abs", Threshold::abs}};
template <>
struct ConfigCodec<Math> : NamedCodec<Math, kMaths> {};
template <>
struct ConfigCodec<Threshold> : NamedCodec<Threshold, kThresholds> {};
inline constexpr Named<MultiClass> kMultiClasses[] = {{"one_vs_rest", MultiClass::one_vs_rest},
                                                      {"crammer_singer", MultiClass::crammer_singer}};
template <>
struct ConfigCodec<MultiClass> : NamedCodec<MultiClass, kMultiClasses> {};
template <>
struct ConfigCodec<OnError> : NamedCodec<OnError, kOnError> {};
template <>
struct ConfigCodec<CifarLabels> : NamedCodec<CifarLabels, kCifarLabels> {};
template <>
struct ConfigCodec<ImageReadMode> : NamedCodec<ImageReadMode, kReadModes> {};
template <OptimizerOptions O>
struct ConfigCodec<Section<O>> {
  static ConfigSchema schema() {
    std::vector<ConfigField> fields;
    const O defaults{};
    for (const auto& f : OptimizerOf<O>::option_fields().fields)
      fields.push_back(option_field(f.name, f.get(&defaults)));
    return ConfigSchema::object(std::move(fields));
  }
  static Section<O> read(const ConfigNode& node) {
    O options;
    for (const auto& f : OptimizerOf<O>::option_fields().fields)
      f.set(&options, option_of(node.at(f.name), f.get(&options)));
    return {options};
  }
  static ConfigNode write(const Section<O>& value) {
    const O& options = value;
    ConfigNode out = ConfigNode::map();
    for (const auto& f : OptimizerOf<O>::option_fields().fields) out.set(f.name, node_of(f.get(&options)));
    return out;
  }
};
template <>
struct ConfigCodec<ModelConfig> {
  using Keys = Section<ModelConfig>;
  static ConfigSchema schema() { return schema_of<Keys>(); }
  static ModelConfig read(const ConfigNode& node) {
    const auto keys = read_config<Keys>(node);
    return {.type = keys.type,
            .options = {.dropout = keys.dropout, .widths = keys.widths, .attention = keys.attention},
            .init_cfg = keys.init_cfg};
  }
  static ConfigNode write(const ModelConfig& value) {
    return ConfigCodec<Keys>::write(
        {value.type, value.options.widths, value.options.dropout, value.options.attention, value.init_cfg});
  }
};
template <>
struct Section<SvmConfig> : SvmConfig {
  static constexpr std::string_view kType = "svm";
  static constexpr auto config =
      std::tuple{optional_key("multi_class", &Section::multi_class), optional_key("squared", &Section::squared),
                 optional_key("C", &Section::C, not_negative)};
};

template <>
struct Section<FashionMnistConfig> : FashionMnistConfig {
  static constexpr std::string_view kType = "fashion_mnist";
  static constexpr auto config = std::tuple{optional_key("root", &Section::root)};
};
template <>
struct Section<MnistConfig> : MnistConfig {
  static constexpr std::string_view kType = "mnist";
  static constexpr auto config = std::tuple{required_key("root", &Section::root)};
};
template <>
struct Section<IdxConfig> : IdxConfig {
  static constexpr std::string_view kType = "idx";
  static constexpr auto config =
      std::tuple{required_key("root", &Section::root), optional_key("class_names", &Section::class_names)};
};
template <>
struct Section<Cifar10Config> : Cifar10Config {
  static constexpr std::string_view kType = "cifar10";
  static constexpr auto config = std::tuple{required_key("root", &Section::root)};
};
template <>
struct Section<Cifar100Config> : Cifar100Config {
  static constexpr std::string_view kType = "cifar100";
  static constexpr auto config =
      std::tuple{required_key("root", &Section::root), optional_key("labels", &Section::labels)};
};
template <>
struct Section<CsvConfig> : CsvConfig {
  static constexpr std::string_view kType = "csv";
  static constexpr auto config =
      std::tuple{required_key("root", &Section::root),
                 optional_key("train", &Section::train),
                 optional_key("test", &Section::test),
                 optional_key("target", &Section::target),
                 optional_key("delimiter", &Section::delimiter),
                 optional_key("header", &Section::header),
                 required_key("shape", &Section::shape, [] { return ConfigSchema::list_of(side(), 3); }),
                 optional_key("class_names", &Section::class_names)};
};
template <>
struct Section<ImageFolderConfig> : ImageFolderConfig {
  static constexpr std::string_view kType = "image_folder";
  static constexpr auto config =
      std::tuple{required_key("root", &Section::root), optional_key("train", &Section::train),
                 optional_key("test", &Section::test), optional_key("channels", &Section::channels)};
};

/// What all data sets have.
template <>
struct Section<DataConfig> : DataConfig {
  static constexpr auto config = std::tuple{
      optional_key("validation", &Section::validation, count),
      optional_key("train_samples", &Section::train_samples, count_or_null),
      optional_key("resize", &Section::resize, [] { return ConfigSchema::list_of(side()).or_one(); }),
      optional_key("center_crop", &Section::center_crop, [] { return ConfigSchema::list_of(side()).or_one(); }),
      optional_key("mean", &Section::mean, [] { return schema_of<std::vector<double>>().or_one(); }),
      optional_key("std", &Section::std, [] { return schema_of<std::vector<double>>().or_one(); }),
      optional_key("on_error", &Section::on_error),
      optional_key("batch_size", &Section::batch_size, count),
      optional_key("num_workers", &Section::num_workers, [] { return ConfigSchema::integer().within(0, 256); }),
      optional_key("drop_last", &Section::drop_last),
      optional_key("augment", &Section::augment)};
};

/// One map: the keys of the source, then those that all have.
template <>
struct ConfigCodec<DataConfig> {
  using Map = SectionWith<DataSource, Section<DataConfig>>;
  static ConfigSchema schema() { return Map::schema(); }
  static DataConfig read(const ConfigNode& node) {
    DataConfig out = read_config<Section<DataConfig>>(node);
    out.source = read_config<DataSource>(node);
    return out;
  }
  static ConfigNode write(const DataConfig& value) { return Map::write(value.source, {value}); }
};

template <>
struct Section<DistributedConfig> : DistributedConfig {
  static constexpr auto config =
      std::tuple{optional_key("sync_batch_norm", &Section::sync_batch_norm),
                 optional_key("deterministic", &Section::deterministic), optional_key("compress", &Section::compress),
                 optional_key("bucket_mb", &Section::bucket_mb, [] { return ConfigSchema::integer().within(1, 1024); }),
                 optional_key("check_interval", &Section::check_interval, count)};
};
template <>
struct ConfigCodec<DistributedConfig> {
  using Keys = Section<DistributedConfig>;
  static ConfigSchema schema() { return schema_of<Keys>(); }
  static DistributedConfig read(const ConfigNode& node) { return read_config<Keys>(node); }
  static ConfigNode write(const DistributedConfig& value) { return ConfigCodec<Keys>::write({value}); }
};

template <>
struct Section<TrainConfig> : TrainConfig {
  static constexpr auto config = std::tuple{required_key("model", &Section::model),
                                            required_key("data", &Section::data),
                                            optional_key("loss", &Section::loss),
                                            required_key("optimizer", &Section::optimizer),
                                            optional_key("scheduler", &Section::scheduler),
                                            optional_key("average", &Section::average),
                                            optional_key("distributed", &Section::distributed),
                                            optional_key("epochs", &Section::epochs, count),
                                            optional_key("seed", &Section::seed),
                                            optional_key("math", &Section::math),
                                            optional_key("clip_grad_norm", &Section::clip_grad_norm, length_or_null),
                                            optional_key("log_interval", &Section::log_interval, count)};
};

namespace {

/// Builds the section once, for what only its constructor can say, and gives its error a place.
template <class F>
void check_at(const ConfigNode& node, std::string_view section, const F& build) {
  try {
    build();
  } catch (const Error& error) {
    fail("{}: {}: {}", node.place.str(), section, error.what());
  }
}
template <class F>
void check_section(const ConfigNode& root, std::string_view section, const F& build) {
  check_at(root.at(section), section, build);
}

void check_csv(const CsvConfig& csv) {
  CHECK(csv.shape[0] == 1 || csv.shape[0] == 3, "shape begins with {} channels, 1 or 3 are expected", csv.shape[0]);
  CHECK(csv.delimiter.size() == 1, "delimiter is '{}', one character is expected", csv.delimiter);
}

/// Whether the images, whatever their sizes were, have one size.
void check_sizes(const DataConfig& data) {
  const auto &resize = data.resize, &crop = data.center_crop;
  CHECK(resize.size() <= 2, "resize has {} numbers: one is the shorter edge, two are height and width", resize.size());
  CHECK(crop.size() <= 2, "center_crop has {} numbers: one is a square's edge, two are height and width", crop.size());
  CHECK(!crop.empty() || resize.size() == 2 || !std::holds_alternative<ImageFolderConfig>(data.source),
        "the images of a folder may differ in size: image_folder needs center_crop, or resize with height and width");
  if (crop.empty() || resize.empty()) return;
  const bool one_edge = resize.size() == 1;
  const bool fits = one_edge ? std::min(crop.front(), crop.back()) <= resize[0]
                             : crop.front() <= resize[0] && crop.back() <= resize[1];
  CHECK(fits, "center_crop {} x {} is larger than what resize makes", crop.front(), crop.back());
}

void check_data(const DataConfig& data) {
  if (const auto* csv = std::get_if<CsvConfig>(&data.source)) check_csv(*csv);
  check_sizes(data);
  CHECK(data.mean.empty() == data.std.empty(), "mean and std are given together or not at all");
  if (data.mean.empty()) return;
  CHECK(data.mean.size() == data.std.size() || data.mean.size() == 1 || data.std.size() == 1,
        "mean has {} numbers and std {}: one serves all channels, else each has its own", data.mean.size(),
        data.std.size());
  static_cast<void>(Normalize(data.mean, std::vector(data.mean.size(), 1.0)));
  static_cast<void>(Normalize(std::vector(data.std.size(), 0.0), data.std));
}

void check_distributed(const TrainConfig& config) {
  if (!config.distributed.deterministic) return;
  CHECK(config.distributed.sync_batch_norm,
        "deterministic needs sync_batch_norm: statistics of a rank's own images depend on the number of ranks");
  CHECK(!config.distributed.compress, "deterministic does not go with compress");
  CHECK(!config.average || !std::holds_alternative<SWAConfig>(*config.average),
        "deterministic does not go with SWA, whose statistics are taken from each rank's batches");
}

void check_config(const ConfigNode& root, const TrainConfig& config) {
  const SkipInit no_values;
  std::unique_ptr<Module> model;
  check_section(root, "model", [&] { model = make_model(config.model.type, config.model.options); });
  check_at(root.at("model").at("init_cfg"), "model", [&] {
    model->set_init_cfg(config.model.init_cfg);
    check_init_cfg(*model);
  });
  check_section(root, "data", [&] { check_data(config.data); });
  check_section(root, "loss", [&] { check_svm(config); });
  check_section(root, "distributed", [&] { check_distributed(config); });
  const auto optimizer_and = [&](const auto& then) {
    const Tensor any = zeros({1});
    const auto optimizer = make_optimizer(config.optimizer, {Tensor(any).set_requires_grad()});
    if (optimizer) then(*optimizer);
  };
  check_section(root, "optimizer", [&] { optimizer_and([](Optimizer&) {}); });
  check_section(root, "scheduler", [&] {
    constexpr int64_t kAnySteps = 1000;  // an epoch
    optimizer_and([&](Optimizer& o) {
      make_scheduler(config.scheduler, o, config.epochs, kAnySteps);
      make_plateau(config.scheduler, o);
    });
  });
}

}  // namespace

TrainConfig load_train_config(const std::filesystem::path& file, const std::vector<std::string>& set) {
  const ConfigNode root = load_config(file, schema_of<Section<TrainConfig>>(), {.set = set});
  const TrainConfig config = read_config<Section<TrainConfig>>(root);
  check_config(root, config);
  return config;
}

std::string to_yaml(const TrainConfig& config) { return to_yaml(ConfigCodec<Section<TrainConfig>>::write({config})); }

}  // namespace ingot
