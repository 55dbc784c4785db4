#include <fstream>
#include <random>

#include "base/file.h"
#include "base/hash.h"
#include "cases.h"
#include "plans.h"
#include "runtime/packing.h"
#include "runtime/plan_bytes.h"
#include "runtime/tactics.h"
#include "runtime/validate.h"

namespace ingot::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

void write(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Loading must either refuse with an Error that names the path, or give an engine that runs or refuses.
enum class Outcome { refused, loaded };
Outcome load(const std::filesystem::path& path, const LoadOptions& options = {}) {
  try {
    const Engine engine = Engine::load(path, options);
    for (const int64_t n : {1, 2, 8}) {
      try {
        Tensors in;
        for (const TensorInfo& info : engine.inputs()) {
          Shape shape = info.shape;
          for (Dim& d : shape) d = substitute(d, {{"n", n}});
          in.push_back(zeros(shape, info.dtype));
        }
        Context(engine, {.guard = true}).run(in);
      } catch (const Error&) {
      }
    }
    return Outcome::loaded;
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr(path.string()));
    return Outcome::refused;
  }
}

/// An engine that is one step, by this tactic.
Engine one_step_engine(const TracedFunction& fn, const std::string& tactic) {
  const Graph graph = trace(fn, {{"image", DType::f32, {Dim::symbol("n", 2), 12, 5, 5}}}, {},
                            {.ranges = {{"n", {.example = 2, .min = 1, .max = 8}}}})
                          .graph;
  BuildReport report;
  compile(graph, {.time_tactics = false}, &report);
  EXPECT_EQ(report.tactics.size(), 1U);
  return compile(graph, {.forced_tactics = {{report.tactics[0].step, tactic}}});
}

/// A depthwise convolution and its 1x1 as one step, both of whose weights are packed.
Engine mobile_engine(const std::string& tactic) {
  const auto fn = [](const Tensors& in) {
    const Tensor h = conv2d(in[0], random({12, 1, 3, 3}, 1), {}, {.padding = 1, .groups = 12});
    return Tensors{conv2d(relu6(h), random({20, 12, 1, 1}, 2))};
  };
  return one_step_engine(fn, tactic);
}

/// Three 1x1 convolutions of one value as one step.
Engine branching_engine(const std::string& tactic) {
  const auto fn = [](const Tensors& in) {
    return Tensors{conv2d(in[0], random({20, 12, 1, 1}, 1)), relu(conv2d(in[0], random({7, 12, 1, 1}, 2))),
                   conv2d(in[0], random({12, 12, 1, 1}, 3), random({12}, 4)) + in[0]};
  };
  return one_step_engine(fn, tactic);
}

class EngineFile : public ::testing::Test {
 protected:
  void SetUp() override { use(small_engine()); }
  void use(const Engine& engine) {
    engine.save(path_);
    bytes_ = read_file(path_);
    std::memcpy(&plan_bytes_, bytes_.data() + 16, 8);
    std::memcpy(&weights_offset_, bytes_.data() + 32, 8);
  }
  std::string plan() const { return bytes_.substr(64, plan_bytes_); }

  /// The file with another plan, its hashes right: what an attacker would write.
  std::string with_plan(const std::string& plan) const {
    std::string padded = plan;
    padded.resize((plan.size() + 63) / 64 * 64, '\0');
    std::string file = bytes_.substr(0, 64) + padded + bytes_.substr(weights_offset_);
    const uint64_t size = plan.size(), hash = hash_bytes(padded.data(), padded.size()), offset = 64 + padded.size();
    std::memcpy(file.data() + 16, &size, 8);
    std::memcpy(file.data() + 24, &hash, 8);
    std::memcpy(file.data() + 32, &offset, 8);
    const uint64_t header_hash = hash_bytes(file.data(), 56);
    std::memcpy(file.data() + 56, &header_hash, 8);
    return file;
  }

  std::filesystem::path path_ = temporary("file.ingot");
  std::string bytes_;
  uint64_t plan_bytes_ = 0, weights_offset_ = 0;
};

TEST_F(EngineFile, GivesTheSameBits) {
  const Engine made = small_engine(), loaded = Engine::load(path_, {.verify = true});
  for (const int64_t n : {1, 2, 3, 8}) {
    const Tensors in{random({n, 3, 4, 4}, 9)};
    const Tensors a = made.run(in), b = loaded.run(in);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(values(a[i]), values(b[i]));
  }
  EXPECT_EQ(made.text(), loaded.text());
  EXPECT_EQ(loaded.class_names(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(loaded.preprocessing(), made.preprocessing());
  EXPECT_EQ(loaded.outputs()[0].name, "logits");
  loaded.save(path_);
  EXPECT_EQ(read_file(path_), bytes_);
}

TEST_F(EngineFile, RefusesEveryFlippedBitOfHeaderAndPlan) {
  std::mt19937 random(1);
  for (size_t at = 0; at < weights_offset_; at += 1 + (at < 64 ? 0 : random() % 7)) {
    std::string broken = bytes_;
    broken[at] = static_cast<char>(broken[at] ^ (1 << random() % 8));
    write(path_, broken);
    ASSERT_EQ(load(path_), Outcome::refused) << "byte " << at;
  }
}

TEST_F(EngineFile, RefusesEveryTruncation) {
  for (size_t size = 0; size < bytes_.size(); size += size < weights_offset_ + 128 ? 1 : 97) {
    write(path_, std::string_view(bytes_).substr(0, size));
    ASSERT_EQ(load(path_), Outcome::refused) << size;
  }
  write(path_, bytes_ + "x");
  EXPECT_EQ(load(path_), Outcome::refused);
}

TEST_F(EngineFile, VerifyFindsEveryFlippedBitOfTheWeights) {
  std::mt19937 random(1);
  for (size_t at = weights_offset_; at < bytes_.size(); at += 1 + random() % 29) {
    std::string broken = bytes_;
    broken[at] = static_cast<char>(broken[at] ^ (1 << random() % 8));
    write(path_, broken);
    ASSERT_EQ(load(path_, {.verify = true}), Outcome::refused) << "byte " << at;
    load(path_);  // without, it must not crash
  }
}

TEST_F(EngineFile, RefusesRandomBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < test::cases(300); ++round) {
    std::string noise(random() % 2000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    if (round % 2 == 0) noise.replace(0, std::min<size_t>(16, noise.size()), bytes_, 0, 16);
    write(path_, noise);
    ASSERT_EQ(load(path_), Outcome::refused);
  }
  EXPECT_THAT([] { Engine::load("/nowhere.ingot"); }, ThrowsMessage<Error>(HasSubstr("/nowhere.ingot")));
  EXPECT_THAT([] { Engine::load("/tmp"); }, ThrowsMessage<Error>(HasSubstr("not a regular file")));
}

// With right hashes the validator alone stands between the bytes and the kernels.
TEST_F(EngineFile, SurvivesDamagedPlansWithRightHashes) {
  std::mt19937 random(1);
  const int rounds = test::cases(600);
  for (const Engine& engine :
       {small_engine(), mobile_engine("depthwise_pointwise"), branching_engine("gemm_siblings")}) {
    use(engine);
    write(path_, with_plan(plan()));
    ASSERT_EQ(load(path_), Outcome::loaded);
    int refused = 0;
    for (int round = 0; round < rounds; ++round) {
      std::string broken = plan();
      for (unsigned flips = 1 + random() % 3; flips > 0; --flips) {
        char& c = broken[random() % broken.size()];
        c = random() % 2 == 0 ? static_cast<char>(c ^ (1 << random() % 8)) : static_cast<char>(random());
      }
      write(path_, with_plan(broken));
      refused += load(path_) == Outcome::refused;
    }
    EXPECT_GT(refused, rounds * 6 / 10);
  }
}

TEST_F(EngineFile, SurvivesPlansThatAreCutOrGoOn) {
  for (size_t size = 0; size < plan_bytes_; size += 3) {
    write(path_, with_plan(plan().substr(0, size)));
    ASSERT_EQ(load(path_), Outcome::refused);
  }
  write(path_, with_plan(plan() + '\0'));
  EXPECT_EQ(load(path_), Outcome::refused);
}

/// The weight as packed by another machine's oneDNN: not blocked, in the order OIHW.
WeightData packed_elsewhere(const PackedOperand& operand, const PlanStep& step, const Spec& spec,
                            const WeightData& packed) {
  const auto count = numel(spec.shape).value();
  const auto bytes = std::make_shared<std::string>("ingotcw1");
  *bytes += std::string("\3\4\0\0\1\2\3", 7);  // f32, 4 dimensions, no blocks, their order
  bytes->resize(64 + static_cast<size_t>(count) * sizeof(float));
  Array dense{.data = bytes->data() + 64, .dtype = DType::f32, .rank = 4};
  int64_t stride = 1;
  for (int d = 3; d >= 0; --d) {
    dense.shape[d] = spec.shape[static_cast<size_t>(d)].value();
    dense.strides[d] = stride;
    stride *= dense.shape[d];
  }
  operand.unpack(packed.data, step.attrs, dense);
  return {reinterpret_cast<const std::byte*>(bytes->data()), bytes->size(), bytes};
}

/// The engine with what oneDNN has packed, of so many weights, as another machine would have it.
EngineData packed_elsewhere(EngineData data = small_engine().data(), int weights = 1) {
  int changed = 0;
  for (const PlanStep& step : data.plan.steps) {
    for (const PackedOperand& operand : packed_operands(find_tactic(*step.op, step.tactic), step.operands.size())) {
      const PlanTensor& tensor = data.plan.tensor(step.operands[operand.index]);
      const auto w = static_cast<size_t>(tensor.weight);
      if (!data.plan.weights[w].form.starts_with("onednn")) continue;
      data.weights[w] = packed_elsewhere(operand, step, tensor.spec, data.weights[w]);
      data.plan.weights[w].form = "onednn:f32:abcd";
      ++changed;
    }
  }
  EXPECT_EQ(changed, weights);
  number_weights(data);
  return data;
}

TEST(Packing, ReadsWeightsOfAnotherForm) {
  const EngineData data = packed_elsewhere();
  const Engine engine(make_engine_data(data.plan, data.weights));
  const Tensors in{random({3, 3, 4, 4}, 9)};
  EXPECT_EQ(values(engine.run(in)[0]), values(small_engine().run(in)[0]));
  EXPECT_THAT(engine.text(), HasSubstr("{onednn:f32:abcd}"));
}

void expect_packed_anew(const Engine& made, const Tensor& image, int weights = 1) {
  EngineData data = packed_elsewhere(made.data(), weights);
  data.plan.built_for.cpu = "another";
  const auto path = temporary("elsewhere.ingot");
  Engine(make_engine_data(data.plan, data.weights)).save(path);
  const Engine loaded = Engine::load(path, {.verify = true});
  EXPECT_THAT(loaded.text(), ::testing::Not(HasSubstr("{onednn:f32:abcd}")));
  EXPECT_EQ(loaded.data().plan.built_for.cpu, made.data().plan.built_for.cpu);
  EXPECT_EQ(loaded.data().plan.weights.size(), made.data().plan.weights.size());
  const Tensors got = loaded.run({image}), want = made.run({image});
  for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(values(got[i]), values(want[i])) << "output " << i;
}

TEST(Packing, LoadingPacksAnewForThisMachine) { expect_packed_anew(small_engine(), random({3, 3, 4, 4}, 9)); }

TEST(Packing, LoadingPacksAnewWhatHasAnotherFormOfSeveralWeights) {
  expect_packed_anew(mobile_engine("depthwise+onednn_packed"), random({3, 12, 5, 5}, 9));
  expect_packed_anew(branching_engine("onednn_packed"), random({3, 12, 5, 5}, 9), 3);
}

TEST(Packing, AWrongFormOrHeaderIsRefused) {
  const auto path = temporary("packing.ingot");
  EngineData data = packed_elsewhere();
  for (PlanWeight& w : data.plan.weights)
    if (w.form == "onednn:f32:abcd") w.form = "onednn:f32:acdb";
  Engine(make_engine_data(data.plan, data.weights)).save(path);
  EXPECT_THAT([&] { Engine::load(path); }, ThrowsMessage<Error>(HasSubstr("'onednn:f32:abcd', not 'onednn:f32:acdb'")));
  data = packed_elsewhere();
  for (size_t i = 0; i < data.weights.size(); ++i) {
    if (data.plan.weights[i].form != "onednn:f32:abcd") continue;
    const auto bytes =
        std::make_shared<std::string>(reinterpret_cast<const char*>(data.weights[i].data), data.weights[i].bytes);
    (*bytes)[0] = 'x';
    data.weights[i] = {reinterpret_cast<const std::byte*>(bytes->data()), bytes->size(), bytes};
  }
  Engine(make_engine_data(data.plan, data.weights)).save(path);
  EXPECT_THAT([&] { Engine::load(path); }, ThrowsMessage<Error>(HasSubstr("do not start with a header")));
}

}  // namespace
}  // namespace ingot::testing
