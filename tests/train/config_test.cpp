#include "train/config.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "base/file.h"
#include "error_of.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Sgd {
  double lr = 0, momentum = 0;
  bool nesterov = false;
  static constexpr auto config = std::tuple{required_key("lr", &Sgd::lr), optional_key("momentum", &Sgd::momentum),
                                            optional_key("nesterov", &Sgd::nesterov)};
};
struct Adam {
  double lr = 1e-3;
  std::vector<double> betas{0.9, 0.999};
  static constexpr auto config = std::tuple{optional_key("lr", &Adam::lr), optional_key("betas", &Adam::betas)};
};
struct StepLr {
  int64_t step_size = 1;
  double gamma = 0.1;
  static constexpr auto config =
      std::tuple{required_key("step_size", &StepLr::step_size), optional_key("gamma", &StepLr::gamma)};
};
ConfigSchema optimizers() { return ConfigSchema::variant({{"SGD", schema_of<Sgd>()}, {"Adam", schema_of<Adam>()}}); }
ConfigSchema schedulers() { return ConfigSchema::list_of(ConfigSchema::variant({{"StepLR", schema_of<StepLr>()}})); }
ConfigSchema precisions() { return ConfigSchema::choice({"f32", "bf16"}); }
ConfigSchema positive() { return ConfigSchema::integer().at_least(1); }

struct Train {
  ConfigNode optimizer;
  ConfigNode scheduler = ConfigNode::list();
  int64_t epochs = 0;
  int64_t batch_size = 64;
  std::string name = "run";
  std::string precision = "f32";
  std::optional<double> clip;
  std::map<std::string, double> weights;
  static constexpr auto config = std::tuple{required_key("optimizer", &Train::optimizer, &optimizers),
                                            optional_key("scheduler", &Train::scheduler, &schedulers),
                                            required_key("epochs", &Train::epochs, &positive),
                                            optional_key("batch_size", &Train::batch_size),
                                            optional_key("name", &Train::name),
                                            optional_key("precision", &Train::precision, &precisions),
                                            optional_key("clip", &Train::clip),
                                            optional_key("weights", &Train::weights)};
};

std::filesystem::path folder() {
  const auto path = std::filesystem::path(testing::TempDir()) / "ingot_config";
  std::filesystem::create_directories(path);
  return path;
}
std::filesystem::path file(const std::string& name, const std::string& text) {
  write_file_atomic(folder() / name, text);
  return folder() / name;
}
ConfigNode load(const std::string& text, ConfigOptions options = {}) {
  return load_config(file("my.yaml", text), schema_of<Train>(), options);
}

std::string refusal(const std::string& text, ConfigOptions options = {}) {
  const std::string error = error_of([&] { load(text, options); });
  const std::string prefix = (folder() / "my.yaml").string() + ":";  // shown as "my.yaml:"
  return error.starts_with(prefix) ? "my.yaml:" + error.substr(prefix.size()) : error;
}

constexpr const char* kSmall = R"(optimizer:
  type: SGD
  lr: 0.1
epochs: 5
)";

TEST(Config, DefaultsAreFilledInAndReadBack) {
  const ConfigNode config = load(kSmall);
  const auto train = read_config<Train>(config);
  EXPECT_EQ(train.epochs, 5);
  EXPECT_EQ(train.batch_size, 64);
  EXPECT_EQ(train.name, "run");
  EXPECT_EQ(train.clip, std::nullopt);
  EXPECT_EQ(train.optimizer.at("type").text(), "SGD");
  const auto sgd = read_config<Sgd>(train.optimizer);
  EXPECT_EQ(sgd.lr, 0.1);
  EXPECT_EQ(sgd.momentum, 0);
  EXPECT_EQ(to_yaml(config), R"(optimizer:
  type: SGD
  lr: 0.1
  momentum: 0
  nesterov: false
scheduler: []
epochs: 5
batch_size: 64
name: run
precision: f32
clip: null
weights: {}
)");
}

TEST(Config, WhatItWritesReproducesItself) {
  const ConfigNode config = load(R"(
optimizer: {type: Adam, lr: 1e-3, betas: [.9, 0.98]}
scheduler:
  - type: StepLR
    step_size: 30
  - {type: StepLR, step_size: 60, gamma: 0.123456789012345}
epochs: 90
name: "true: #1 \"x\"\n\t{{env:"
clip: 1
weights: {a b: 1, 'null': -.inf, c: 1e300}
)");
  const std::string text = to_yaml(config);
  const ConfigNode again = load(text);
  EXPECT_EQ(to_yaml(again), text);
  EXPECT_EQ(again.at("name").text(), "true: #1 \"x\"\n\t{{env:");
  EXPECT_EQ(again.at("scheduler").items()[1].at("gamma").as_double(), 0.123456789012345);
  EXPECT_EQ(read_config<Train>(again).weights.at("null"), -INFINITY);
}

TEST(Config, MistakesAreNamedWithTheirLine) {
  EXPECT_EQ(refusal("optimizer:\n  type: SGD\n  lr: 0.1\n  momentun: 0.9\nepochs: 5\n"),
            "my.yaml:4: unknown key 'momentun' in optimizer (SGD); did you mean 'momentum'?");
  EXPECT_EQ(refusal("optimiser: {}\nepochs: 5\n"),
            "my.yaml:1: unknown key 'optimiser' in the config; did you mean 'optimizer'?\n" +
                (folder() / "my.yaml").string() + ":1: the config has no 'optimizer'");
  EXPECT_EQ(refusal("optimizer:\n  type: SGD\nepochs: 5\n"), "my.yaml:1: optimizer (SGD) has no 'lr'");
  EXPECT_EQ(refusal("optimizer:\n  type: SDG\n  lr: 1\nepochs: 5\n"),
            "my.yaml:2: optimizer has the unknown type 'SDG'; did you mean 'SGD'?");
  EXPECT_EQ(refusal("optimizer:\n  type: Lion\nepochs: 5\n"),
            "my.yaml:2: optimizer has the unknown type 'Lion'; one of SGD, Adam is expected");
  EXPECT_EQ(refusal("optimizer:\n  lr: 1\nepochs: 5\n"), "my.yaml:1: optimizer needs a 'type', one of SGD, Adam");
  EXPECT_EQ(refusal("optimizer: SGD\nepochs: 5\n"), "my.yaml:1: optimizer is 'SGD', a map with a 'type' is expected");
  const auto with = [](const std::string& line) { return refusal(std::string(kSmall) + line + "\n"); };
  EXPECT_EQ(with("batch_size: many"), "my.yaml:5: batch_size is 'many', a whole number is expected");
  EXPECT_EQ(with("batch_size: 6.5"), "my.yaml:5: batch_size is '6.5', a whole number is expected");
  EXPECT_EQ(with("batch_size: '64'"), "my.yaml:5: batch_size is the text '64', a whole number is expected");
  EXPECT_EQ(with("batch_size: 99999999999999999999"),
            "my.yaml:5: batch_size is '99999999999999999999', a whole number is expected");
  EXPECT_EQ(with("batch_size:"), "my.yaml:5: batch_size is empty, a whole number is expected");
  EXPECT_EQ(with("clip: fast"), "my.yaml:5: clip is 'fast', a number is expected");
  EXPECT_EQ(with("name: [a]"), "my.yaml:5: name is a list, a text is expected");
  EXPECT_EQ(with("precision: bf61"),
            "my.yaml:5: precision is 'bf61', one of f32, bf16 is expected; did you mean 'bf16'?");
  EXPECT_EQ(with("scheduler:\n- type: StepLR\n  step_size: x"),
            "my.yaml:7: scheduler[0].step_size is 'x', a whole number is expected");
  EXPECT_EQ(with("weights: {a: b}"), "my.yaml:5: weights.a is 'b', a number is expected");
  EXPECT_EQ(refusal("optimizer: {type: Adam}\nepochs: 0\n"), "my.yaml:2: epochs is 0, it must be at least 1");
  EXPECT_EQ(refusal("[1]"), "my.yaml:1: a map of settings is expected");
  EXPECT_THAT(error_of([] { load_config("/no/such.yaml", {}); }), HasSubstr("/no/such.yaml: "));
}

TEST(Config, TypesAreTheSchemasNotYamls) {
  EXPECT_EQ(load(std::string(kSmall) + "name: no\n").at("name").text(), "no");
  EXPECT_EQ(load(std::string(kSmall) + "name: 1e3\n").at("name").text(), "1e3");
  EXPECT_EQ(load(std::string(kSmall) + "clip: 1e-3\n").at("clip").as_double(), 1e-3);
  EXPECT_EQ(load(std::string(kSmall) + "batch_size: +7\n").at("batch_size").as_int(), 7);
}

TEST(Config, BasesAreMergedKeyByKey) {
  file("base.yaml",
       "optimizer: {type: SGD, lr: 0.1, momentum: 0.9}\nepochs: 5\nweights: {a: 1, b: 2}\nscheduler: [{type: StepLR, "
       "step_size: 1}]\n");
  const ConfigNode config = load("_base_: base.yaml\noptimizer: {lr: 0.2}\nweights: {b: 3}\nscheduler: []\n");
  EXPECT_EQ(config.at("optimizer").at("lr").as_double(), 0.2);
  EXPECT_EQ(config.at("optimizer").at("momentum").as_double(), 0.9);
  EXPECT_EQ(config.at("weights").at("a").as_double(), 1);
  EXPECT_EQ(config.at("weights").at("b").as_double(), 3);
  EXPECT_TRUE(config.at("scheduler").items().empty());

  const ConfigNode replaced = load("_base_: base.yaml\noptimizer: {_delete_: true, type: Adam}\n");
  EXPECT_EQ(read_config<Adam>(replaced.at("optimizer")).lr, 1e-3);
  EXPECT_THAT(refusal("_base_: " + std::string(300, 'a')), HasSubstr("aaa is not there"));  // longer than names can be
  EXPECT_THAT(refusal("_base_: base.yaml\noptimizer: {type: Adam}\n"),
              testing::AllOf(HasSubstr("base.yaml:1: unknown key 'momentum' in optimizer (Adam)"),
                             HasSubstr("_delete_: true")));
}

TEST(Config, SeveralBasesSayDifferentThingsAndLoopsAreRefused) {
  file("a.yaml", "epochs: 1\noptimizer: {type: Adam}\n");
  file("b.yaml", "_base_: a.yaml\nepochs: 2\n");
  file("c.yaml", "name: c\n");
  const ConfigNode config = load("_base_: [b.yaml, c.yaml]\n");
  EXPECT_EQ(config.at("epochs").as_int(), 2);
  EXPECT_EQ(config.at("name").text(), "c");
  file("d.yaml", "name: d\noptimizer: {lr: 1}\n");
  EXPECT_EQ(
      refusal("_base_: [b.yaml, d.yaml]\n"),
      fmt::format("my.yaml:1: 'optimizer' stands in two bases, {0}/a.yaml:2 and {0}/d.yaml:2", folder().string()));
  EXPECT_THAT(refusal("_base_: my.yaml\n"), HasSubstr("is its own _base_"));
  EXPECT_THAT(refusal("_base_: none.yaml\n"), HasSubstr("none.yaml is not there"));
  EXPECT_THAT(refusal("_base_: {a: b}\n"), HasSubstr("a map is not a text"));
}

TEST(Config, EnvironmentVariables) {
  const ConfigOptions options{.environment =
                                  Environment{{"LR", "0.25"}, {"NAME", "x: [evil]\nepochs: 9"}, {"NONE", "null"}}};
  const std::string head = "epochs: 5\noptimizer:\n  type: SGD\n";
  EXPECT_EQ(load(head + "  lr: {{env:LR:0.1}}\n", options).at("optimizer").at("lr").as_double(), 0.25);
  EXPECT_EQ(load(head + "  lr: '{{env:LR:0.1}}'\n", options).at("optimizer").at("lr").as_double(), 0.25);
  EXPECT_EQ(load(head + "  lr: {{env:OTHER:0.1}}\n", options).at("optimizer").at("lr").as_double(), 0.1);
  const ConfigNode named = load(head + "  lr: 1\nname: \"{{env:NAME:}}/{{env:LR}}\"\nclip: {{env:NONE}}\n", options);
  EXPECT_EQ(named.at("name").text(), "x: [evil]\nepochs: 9/0.25");  // content never becomes structure
  EXPECT_TRUE(named.at("clip").is_null());
  EXPECT_EQ(named.at("epochs").as_int(), 5);
  EXPECT_EQ(refusal(head + "  lr: {{env:OTHER}}\n", options),
            "my.yaml:4: the environment variable OTHER is not set, and {{env:OTHER}} gives no default");
  EXPECT_THAT(refusal(head + "  lr: {{env:a b:1}}\n", options), HasSubstr("names no variable"));
  load(head + "  lr: 1  # {{env:OTHER}}\n", options);  // in a comment it means nothing
}

TEST(Config, SettingsAreTypedByTheSchema) {
  const std::string text = std::string(kSmall) + "scheduler: [{type: StepLR, step_size: 3}]\n";
  const auto set = [&](std::vector<std::string> settings) { return load(text, {.set = std::move(settings)}); };
  EXPECT_EQ(set({"optimizer.lr=0.5"}).at("optimizer").at("lr").as_double(), 0.5);
  EXPECT_EQ(set({"optimizer.momentum=0.5"}).at("optimizer").at("momentum").as_double(), 0.5);
  EXPECT_EQ(set({"scheduler.0.gamma=0.5"}).at("scheduler").items()[0].at("gamma").as_double(), 0.5);
  EXPECT_EQ(set({"scheduler.1={type: StepLR, step_size: 9}"}).at("scheduler").items().size(), 2u);
  EXPECT_EQ(set({"name=1: [x"}).at("name").text(), "1: [x");
  EXPECT_EQ(set({"name=a=b"}).at("name").text(), "a=b");
  EXPECT_EQ(set({"name="}).at("name").text(), "");
  EXPECT_TRUE(set({"clip=2", "clip=null"}).at("clip").is_null());
  EXPECT_THAT(read_config<Adam>(set({"optimizer={type: Adam}", "optimizer.betas=[0.5, 0.6]"}).at("optimizer")).betas,
              ElementsAre(0.5, 0.6));
  EXPECT_EQ(set({"weights.new=4"}).at("weights").at("new").as_double(), 4);
  const auto wrong = [&](const std::string& setting) { return refusal(text, {.set = {setting}}); };
  EXPECT_EQ(wrong("optimizer.lr=fast"), "--set optimizer.lr=fast: optimizer.lr is 'fast', a number is expected");
  EXPECT_EQ(wrong("optimizr.lr=1"),
            "--set optimizr.lr=1: unknown key 'optimizr' in the config; did you mean 'optimizer'?");
  EXPECT_EQ(wrong("optimizer.lr"), "--set optimizer.lr: key=value is expected");
  EXPECT_THAT(wrong("scheduler.5.gamma=1"), HasSubstr("index 5 is outside the list, which has 1 elements"));
  EXPECT_THAT(wrong("scheduler.x.gamma=1"), HasSubstr("'x' is no index of a list"));
  EXPECT_THAT(wrong("epochs.x=1"), HasSubstr("neither a map nor a list"));
  EXPECT_THAT(wrong("optimizer..lr=1"), HasSubstr("an empty name"));
  EXPECT_THAT(wrong("epochs=[1"), HasSubstr("--set epochs=[1:1: "));
}

TEST(Yaml, HostileTextIsRefused) {
  const auto refused = [](const std::string& text) { return error_of([&] { parse_yaml(text, "x.yaml"); }); };
  EXPECT_EQ(refused("a: 1\nb: 2\na: 3\n"), "x.yaml:3: key 'a' occurs twice, first in line 1");
  EXPECT_THAT(refused("a: [1"), HasSubstr("x.yaml:"));
  EXPECT_THAT(refused("? [a]\n: 1"), HasSubstr("a key must be a name"));
  EXPECT_THAT(refused("a: !!python/object x"), HasSubstr("is not supported"));
  EXPECT_THAT(refused("a: 1\n---\nb: 2\n"), HasSubstr("more than one document"));
  EXPECT_THAT(refused(std::string(100, '[')), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(refused(std::string(1000000, '[')), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(refused(std::string(100000, '{')), HasSubstr("x.yaml:"));
  EXPECT_THAT(refused(std::string((1 << 20) + 1, 'a')), HasSubstr("at most 1048576 are allowed"));
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += fmt::format("a{0}: &a{0} [{1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}]\n", i, before);
  }
  EXPECT_THAT(refused(bomb), HasSubstr("more than 100000 values, aliases counted as copies"));
  EXPECT_THAT(refused("a: &x [*x]"), HasSubstr("an alias stands inside what it names"));
  EXPECT_THAT(refused("a: *none"), HasSubstr("x.yaml:1: "));
}

TEST(Yaml, AliasesAreCopies) {
  const ConfigNode node = parse_yaml("a: &x {p: 1}\nb: *x\n", "x.yaml");
  EXPECT_EQ(node.at("b").at("p").as_int(), 1);
  EXPECT_EQ(node.at("b").place.line, 2);
}

TEST(Yaml, EveryTruncationIsReadOrRefused) {
  const std::string text = "a: &x [1, \"b\\n\", 'c', {d: ~}]\ne:\n  - *x\n  - |\n    block\nf: {{env:HOME:x}}\n";
  for (size_t length = 0; length <= text.size(); ++length)
    EXPECT_THAT(error_of([&] { parse_yaml(text.substr(0, length), "x.yaml"); }),
                testing::AnyOf("", HasSubstr("x.yaml:")));
}

}  // namespace
}  // namespace ingot
