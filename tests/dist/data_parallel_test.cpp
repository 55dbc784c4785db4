#include "ingot/data_parallel.h"

#include <fmt/ranges.h>

#include <numeric>
#include <thread>

#include "dist/ranks.h"
#include "error_of.h"
#include "ingot/collectives.h"
#include "ingot/nn.h"
#include "ingot/optim.h"
#include "ingot/sync_batch_norm.h"

namespace ingot {
namespace {

using test::difference;
using test::on_ranks;
using test::part_of;

class Net : public ModuleOf<Net> {
 public:
  Net() {
    child("conv1", conv1);
    child("bn1", bn1);
    child("conv2", conv2);
    child("bn2", bn2);
    child("fc", fc);
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = relu(bn1(conv1(x)));
    return fc(mean(relu(bn2(conv2(y)) + y), {2, 3}));
  }
  Conv2d conv1{2, 6, 3, {.padding = 1}}, conv2{6, 6, 3, {.padding = 1, .bias = false}};
  BatchNorm2d bn1{6}, bn2{6};
  Linear fc{6, 4};
};

std::unique_ptr<Net> make_net(DType dtype) {
  const SeedScope seed(7);
  auto net = std::make_unique<Net>();
  net->to(dtype);
  return net;
}

struct Data {
  Tensor x, target;
};
Data draw(int64_t n, uint64_t key, DType dtype) {
  const Tensor x = cast(normal({n, 2, 5, 5}, 0, 1, RandomKey{key}, DType::f64), dtype);
  const auto u = uniform({n}, 0, 4, RandomKey{key + 1}).to_vector<double>();
  return {x, from_vector(std::vector<int64_t>(u.begin(), u.end()), {n})};
}

struct TrainCase {
  std::vector<int64_t> batches;
  DType dtype = DType::f64;
  CrossEntropyOptions loss{};
  DataParallelOptions options{};
};

/// Trains three steps on this rank's parts and, beside it, on all images; compares all that there is.
void expect_same_training(const TrainCase& c, double tolerance) {
  SCOPED_TRACE(fmt::format("ranks of {} images, {}", fmt::join(c.batches, "+"), name_of(c.dtype)));
  on_ranks(static_cast<int>(c.batches.size()), [&] {
    const int rank = world().rank();
    const int64_t total = std::accumulate(c.batches.begin(), c.batches.end(), int64_t{0});
    const auto net = make_net(c.dtype), whole = make_net(c.dtype);
    convert_sync_batchnorm(*net);
    DataParallel parallel(*net, c.options);
    SGD mine(net->parameters(), {.lr = 0.1, .momentum = 0.9}),
        theirs(whole->parameters(), {.lr = 0.1, .momentum = 0.9});
    for (uint64_t step = 0; step < 3; ++step) {
      const Data data = draw(total, 100 + 10 * step, c.dtype);
      const Tensor scores = (*net)(part_of(data.x, c.batches, rank)), all = (*whole)(data.x);
      EXPECT_LE(difference(scores, part_of(all, c.batches, rank), amax(abs(all)).item<double>()), tolerance);
      mine.zero_grad();
      theirs.zero_grad();
      const double value = parallel.backward(cross_entropy_sum(scores, part_of(data.target, c.batches, rank), c.loss));
      const Tensor loss = cross_entropy(all, data.target, c.loss);
      backward(loss);
      EXPECT_NEAR(value, loss.item<double>(), tolerance * 10);
      const auto a = net->named_parameters(), b = whole->named_parameters();
      for (size_t i = 0; i < a.size(); ++i)
        EXPECT_LE(difference(a[i].second.grad(), b[i].second.grad(), 1e-2), tolerance) << step << a[i].first;
      mine.step();
      theirs.step();
      const auto after = net->state_dict(), truth = whole->state_dict();
      for (size_t i = 0; i < after.size(); ++i)
        EXPECT_LE(difference(after[i].second, truth[i].second), tolerance) << step << after[i].first;
    }
    parallel.check_equal();
  });
}

TEST(DataParallel, IsOneProcessWithAllImages) {
  for (const auto& batches : {std::vector<int64_t>{4, 4},
                              {2, 5},
                              {3, 0},
                              {2, 2, 2},
                              {4, 1, 2},
                              {0, 1, 3},
                              {2, 2, 2, 2},
                              {1, 3, 2, 5},
                              {2, 0, 3, 1}}) {
    expect_same_training({.batches = batches}, 1e-12);
    expect_same_training({.batches = batches, .dtype = DType::f32}, 2e-5);
  }
}

// The denominator is the summed weight of what counts, of all ranks: no mean of the ranks' means would be right.
TEST(DataParallel, WeighsClassesAndIgnoredTargetsOfAllRanks) {
  const Tensor weight = from_vector(std::vector<double>{0.1, 5, 1, 0.5}, {4});
  for (const auto& batches : {std::vector<int64_t>{4, 4}, {1, 6}, {2, 3, 1}, {5, 0, 2, 1}})
    expect_same_training({.batches = batches,
                          .loss = {.weight = weight, .ignore_index = 2, .label_smoothing = 0.1},
                          .options = {.first_bucket_bytes = 64, .bucket_bytes = 256}},
                         1e-12);
}

TEST(DataParallel, SendsBucketsInTheOrderInWhichGradientsCome) {
  on_ranks(2, [] {
    const auto net = make_net(DType::f32);
    DataParallel parallel(*net, {.first_bucket_bytes = 100, .bucket_bytes = 1000});
    const std::vector<std::string> first{"fc.bias", "fc.weight"};
    EXPECT_EQ(parallel.buckets()[0], first);
    EXPECT_EQ(parallel.buckets().back(),
              (std::vector<std::string>{"bn1.bias", "bn1.weight", "conv1.bias", "conv1.weight"}));
    const Data data = draw(3, 1, DType::f32);
    parallel.backward(cross_entropy_sum((*net)(data.x), data.target));
    std::vector<std::string> sent;
    for (const auto& bucket : parallel.buckets()) sent.insert(sent.end(), bucket.begin(), bucket.end());
    EXPECT_EQ(sent.size(), net->parameters().size());
    EXPECT_EQ(sent.back().substr(0, 5), "conv1") << fmt::format("{}", fmt::join(sent, " "));
    const auto collectives = parallel.traffic().collectives;
    net->zero_grad();
    parallel.backward(cross_entropy_sum((*net)(data.x), data.target));
    EXPECT_EQ(parallel.traffic().collectives - collectives, static_cast<int64_t>(parallel.buckets().size()));
    for (const auto& [name, p] : net->named_parameters()) EXPECT_TRUE(p.grad().defined()) << name;
  });
}

// The sum of the last layer's gradients ends while the first layer's are still to come.
TEST(DataParallel, SumsGradientsWhileBackwardGoesOn) {
  on_ranks(2, [] {
    const auto net = make_net(DType::f32);
    DataParallel parallel(*net, {.first_bucket_bytes = 1, .bucket_bytes = 1});
    int64_t sent = 0;
    on_gradient_ready(net->conv1.weight, [&](const Tensor&) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
      while (parallel.traffic().collectives < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      sent = parallel.traffic().collectives;
    });
    const Data data = draw(3, 1, DType::f32);
    parallel.backward(cross_entropy_sum((*net)(data.x), data.target));
    EXPECT_GE(sent, 2);
    EXPECT_LT(sent, static_cast<int64_t>(net->parameters().size()));
  });
}

TEST(DataParallel, AddsUpStepsWithoutExchange) {
  on_ranks(2, [] {
    const auto net = make_net(DType::f64), whole = make_net(DType::f64);
    net->eval(), whole->eval();  // so that parts of a batch are independent
    DataParallel parallel(*net);
    Data all = draw(0, 1, DType::f64);
    for (uint64_t step = 0; step < 3; ++step) {
      const auto rank = static_cast<uint64_t>(world().rank());
      const auto part = [&](uint64_t r) {
        return draw(1 + static_cast<int64_t>(r + step), 40 * r + 10 * step, DType::f64);
      };
      for (uint64_t r = 0; r < 2; ++r) all = {concat({all.x, part(r).x}, 0), concat({all.target, part(r).target}, 0)};
      const LossSum loss = cross_entropy_sum((*net)(part(rank).x), part(rank).target);
      const Traffic before = parallel.traffic();
      std::vector<double> seen{static_cast<double>(part(rank).x.size(0).value())};
      if (step < 2) {
        const DataParallel::NoSync no_sync(parallel);
        parallel.backward(loss, seen);
        EXPECT_EQ(parallel.traffic().collectives, before.collectives);
      } else {
        const double value = parallel.backward(loss, seen);
        EXPECT_EQ(seen[0], 15);
        EXPECT_NEAR(value, cross_entropy((*whole)(all.x), all.target).item<double>(), 1e-12);
      }
    }
    backward(cross_entropy((*whole)(all.x), all.target));
    for (size_t i = 0; i < net->parameters().size(); ++i)
      EXPECT_LE(difference(net->parameters()[i].grad(), whole->parameters()[i].grad()), 1e-12) << i;
  });
}

class Branches : public ModuleOf<Branches> {
 public:
  Branches() {
    child("common", common);
    child("left", left);
    child("never", never);
  }
  Tensor forward(const Tensor& x) { return go_left ? left(common(x)) : common(x); }
  Linear common{3, 3}, left{3, 3}, never{3, 3};
  bool go_left = false;
};

TEST(DataParallel, ParametersMayBeUnusedOnSomeRanksOrAll) {
  on_ranks(3, [] {
    const SeedScope seed(3);
    Branches net;
    DataParallel parallel(net, {.first_bucket_bytes = 1, .bucket_bytes = 1});
    for (int step = 0; step < 3; ++step) {
      net.go_left = world().rank() == step;
      net.zero_grad();
      const Tensor x = ones({2, 3});
      parallel.backward({sum(net(x)), scalar(2)});
      EXPECT_FALSE(net.never.weight.grad().defined());
      ASSERT_TRUE(net.left.weight.grad().defined());
      // One rank of three went there: its sum over a denominator of 6.
      EXPECT_NEAR(net.left.bias->grad().to_vector<double>()[0], 2.0 / 6, 1e-6);
      EXPECT_TRUE(net.common.weight.grad().defined());
    }
  });
}

TEST(DataParallel, BeginsWithRank0sValues) {
  on_ranks(2, [] {
    const SeedScope seed(static_cast<uint64_t>(world().rank()));
    Net net;
    fill(*net.bn1.running_mean, world().rank());
    const DataParallel parallel(net);
    parallel.check_equal();
    EXPECT_EQ(net.bn1.running_mean->to_vector<float>()[0], 0);
  });
}

TEST(ThreadRanks, ModelsThatDifferAreRefused) {
  const auto build = [](int64_t out) {
    return [out] {
      Sequential net(Linear(3, 4), Linear(4, world().rank() == 1 ? out : 2));
      const DataParallel parallel(net);
    };
  };
  EXPECT_EQ(error_of([&] { run_as_ranks(2, build(2)); }), "");
  EXPECT_EQ(error_of([&] { run_as_ranks(3, build(5)); }),
            "rank 1 has another model: '1.weight f32 [5, 4]' where rank 0 has '1.weight f32 [2, 4]'");
  EXPECT_EQ(error_of([&] {
              run_as_ranks(2, [] { check_same_on_ranks("config", world().rank() == 0 ? "a: 1\n" : "a: 1\n  b: 2\n"); });
            }),
            "rank 1 has another config: 'b: 2' where rank 0 has nothing");
}

TEST(ThreadRanks, ParametersThatDriftAreFound) {
  EXPECT_EQ(error_of([] {
              run_as_ranks(3, [] {
                const auto net = make_net(DType::f32);
                const DataParallel parallel(*net);
                if (world().rank() == 2) fill(net->conv2.weight, 1);
                parallel.check_equal();
              });
            }),
            "parameters have drifted apart: conv2.weight of rank 2 is not that of rank 0");
}

TEST(DataParallel, RefusesGradientsOfTheLastBatch) {
  on_ranks(2, [] {
    const auto net = make_net(DType::f32);
    DataParallel parallel(*net);
    const Data data = draw(2, 1, DType::f32);
    const auto step = [&] { parallel.backward(cross_entropy_sum((*net)(data.x), data.target)); };
    step();
    EXPECT_EQ(error_of(step), "backward() adds to gradients of all ranks' last batch: call zero_grad() before it");
    net->zero_grad();
    step();
    std::vector<double> many(17);
    EXPECT_EQ(error_of([&] { parallel.backward({scalar(0), scalar(1)}, many); }),
              "17 sums are given, there is room for 16");
    EXPECT_EQ(error_of([&] { const DataParallel zero(*net, {.bucket_bytes = 0}); }),
              "a bucket has 0 bytes, it must have more than 0");
    net->requires_grad_(false);
    EXPECT_EQ(error_of([&] { const DataParallel frozen(*net); }),
              "the module has no parameter that requires a gradient");
  });
}

// bf16 keeps 8 bits: what is sent is rounded once, and each sum on the way once more.
TEST(DataParallel, CompressesToBf16) {
  on_ranks(4, [] {
    const auto net = make_net(DType::f32), exact = make_net(DType::f32);
    convert_sync_batchnorm(*net), convert_sync_batchnorm(*exact);
    DataParallel compressed(*net, {.first_bucket_bytes = 1, .bucket_bytes = 1000, .compress = true}),
        plain(*exact, {.first_bucket_bytes = 1, .bucket_bytes = 1000});
    const Data data = draw(3, 10 * static_cast<uint64_t>(world().rank()), DType::f32);
    const LossSum loss = cross_entropy_sum((*exact)(data.x), data.target);
    const Tensors parts = grad({loss.sum}, exact->parameters(), {}, {.retain_graph = true});
    const double value = compressed.backward(cross_entropy_sum((*net)(data.x), data.target));
    EXPECT_NEAR(value, plain.backward(loss), 1e-6);
    const auto a = net->named_parameters(), b = exact->named_parameters();
    double worst = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      const double sizes = amax(all_reduce(abs(parts[i]))).item<double>() / 12;
      const double off = amax(abs(a[i].second.grad() - b[i].second.grad())).item<double>();
      EXPECT_LE(off, 4 * 0x1p-8 * sizes) << a[i].first;
      worst = std::max(worst, off / sizes);
    }
    EXPECT_GT(worst, 0x1p-12);
    EXPECT_LT(static_cast<double>(compressed.traffic().bytes), 0.8 * static_cast<double>(plain.traffic().bytes));
  });
}

}  // namespace
}  // namespace ingot
