#include "ingot/sharded.h"

#include <gmock/gmock.h>

#include "dist/ranks.h"
#include "error_of.h"
#include "ingot/nn.h"
#include "ingot/optim.h"
#include "ingot/sync_batch_norm.h"

namespace ingot {
namespace {

using testing::HasSubstr;

constexpr int64_t kShard = 4, kBatch = 16;

std::unique_ptr<Sequential> make_net() {
  const SeedScope seed(5);
  auto net = std::make_unique<Sequential>(Conv2d(2, 8, 3), BatchNorm2d(8), ReLU(), Dropout(0.3), Flatten(),
                                          Linear(8 * 4 * 4, 3));
  convert_sync_batchnorm(*net);
  return net;
}

/// Weights and buffers after some steps of SGD on this rank's part of common batches; the last one is not full.
std::vector<float> train(int64_t ranks) {
  const auto net = make_net();
  const int64_t share = kBatch / ranks, rank = world().rank();
  ShardedParallel parallel(*net, share / kShard);
  SGD sgd(net->parameters(), {.lr = 0.1, .momentum = 0.9});
  for (uint64_t step = 0; step < 3; ++step) {
    const int64_t images = step == 2 ? 6 : kBatch;
    const Tensor x = normal({images, 2, 6, 6}, 0, 1, RandomKey{step});
    const Tensor target = cast(uniform({images}, 0, 3, RandomKey{step + 50}), DType::i64);
    net->zero_grad();
    const double loss = parallel.backward([&](Module& m, int64_t shard) {
      const int64_t begin = std::min(rank * share + shard * kShard, images), end = std::min(begin + kShard, images);
      const DropoutScope dropout(1, step, static_cast<uint64_t>(begin));
      return cross_entropy_sum(m.call({slice(x, 0, begin, end)})[0], slice(target, 0, begin, end));
    });
    EXPECT_TRUE(std::isfinite(loss));
    sgd.step();
  }
  std::vector<float> out;
  for (const auto& [name, value] : net->state_dict())
    for (const float v : value.to_vector<float>()) out.push_back(v);
  return out;
}

TEST(ShardedParallel, GivesTheSameBitsOnAnyNumberOfRanks) {
  if (is_launched()) {
    if (kBatch % (world().size() * kShard) != 0) return;
    std::vector<float> alone;
    run_as_ranks(1, [&] { alone = train(1); });
    EXPECT_EQ(train(world().size()), alone);
    return;
  }
  std::vector<float> alone;
  run_as_ranks(1, [&] { alone = train(1); });
  for (const int ranks : {1, 2, 4}) run_as_ranks(ranks, [&] { EXPECT_EQ(train(ranks), alone) << ranks; });
}

TEST(ShardedParallel, AgreesWithOneBatch) {
  run_as_ranks(1, [] {
    const auto net = make_net();
    (*net)[3].eval();
    const auto whole = net->clone();
    ShardedParallel parallel(*net, 4);
    const Tensor x = normal({16, 2, 6, 6}, 0, 1, RandomKey{1});
    const Tensor target = cast(uniform({16}, 0, 3, RandomKey{2}), DType::i64);
    const auto off = [](Module& m) { dynamic_cast<Sequential&>(m)[3].eval(); };
    const double loss = parallel.backward([&](Module& m, int64_t shard) {
      off(m);
      return cross_entropy_sum(m.call({slice(x, 0, 4 * shard, 4 * shard + 4)})[0],
                               slice(target, 0, 4 * shard, 4 * shard + 4));
    });
    off(*whole);
    const Tensor mean = cross_entropy(whole->call({x})[0], target);
    backward(mean);
    EXPECT_NEAR(loss, mean.item<double>(), 1e-6);
    for (size_t i = 0; i < net->parameters().size(); ++i)
      EXPECT_LE(test::difference(net->parameters()[i].grad(), whole->parameters()[i].grad(), 1e-2), 1e-5) << i;
    EXPECT_GT(parallel.traffic().bytes, 4 * 4 * whole->parameters()[4].numel().value());
  });
}

TEST(ShardedParallel, RefusesWhatDependsOnTheRanks) {
  run_as_ranks(2, [] {
    Sequential net(Conv2d(1, 2, 3), BatchNorm2d(2));
    EXPECT_EQ(error_of([&] { const ShardedParallel parallel(net, 2); }),
              "1: batch norm over a rank's own images depends on the number of ranks; synchronise it");
    EXPECT_EQ(error_of([&] { const ShardedParallel parallel(net, 0); }),
              "a rank has 0 shards, it must have at least 1");
  });
  const std::string text = error_of([] {
    run_as_ranks(1, [] {
      const auto net = make_net();
      ShardedParallel parallel(*net, 3);
      parallel.backward([](Module& m, int64_t shard) {
        if (shard == 1) throw Error("no more ink");
        return cross_entropy_sum(m.call({ones({2, 2, 6, 6})})[0], zeros({2}, DType::i64));
      });
    });
  });
  EXPECT_EQ(text, "no more ink");
}

}  // namespace
}  // namespace ingot
