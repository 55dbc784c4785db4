#include "ingot/collectives.h"

#include <fmt/core.h>

#include "dist/ranks.h"
#include "error_of.h"

namespace ingot {
namespace {

using test::on_ranks;

TEST(Communicator, ReducesGathersScattersAndBroadcasts) {
  for (const int ranks : {1, 2, 3, 4})
    on_ranks(ranks, [ranks] {
      Communicator& c = world();
      ASSERT_EQ(c.size(), ranks);
      const int r = c.rank();
      std::vector<double> x{1.0 + r, 10.0 * r};
      c.all_reduce(x.data(), 2, DType::f64).wait();
      EXPECT_EQ(x[0], ranks + ranks * (ranks - 1) / 2);
      EXPECT_EQ(x[1], 10 * ranks * (ranks - 1) / 2);

      std::vector<int64_t> most{r, -r};
      c.all_reduce(most.data(), 2, DType::i64, ReduceOp::max).wait();
      EXPECT_EQ(most, (std::vector<int64_t>{ranks - 1, 0}));

      const auto mine = static_cast<float>(r);
      std::vector<float> all(static_cast<size_t>(ranks));
      c.all_gather(&mine, all.data(), 1, DType::f32).wait();
      for (int i = 0; i < ranks; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], static_cast<float>(i));

      std::vector<int32_t> parts(static_cast<size_t>(ranks) * 2, r + 1);
      std::vector<int32_t> part(2);
      c.reduce_scatter(parts.data(), part.data(), 2, DType::i32).wait();
      EXPECT_EQ(part, std::vector<int32_t>(2, ranks * (ranks + 1) / 2));

      uint8_t byte = r == ranks - 1 ? 7 : 0;
      c.broadcast(&byte, 1, DType::u8, ranks - 1).wait();
      EXPECT_EQ(byte, 7);

      std::vector<bf16> halves(3, bf16(1.0F + static_cast<float>(r)));
      c.all_reduce(halves.data(), 3, DType::bf16).wait();
      EXPECT_EQ(float(halves[2]), static_cast<float>(ranks * (ranks + 1) / 2));
      c.all_reduce(nullptr, 0, DType::f32).wait();
      c.barrier();
    });
}

TEST(Communicator, SplitsIntoGroupsThatDoNotMeet) {
  on_ranks(4, [] {
    const int rank = world().rank();
    auto pair = world().split(rank % 2, -rank);  // the higher rank first
    const GroupId id = new_group(pair);
    EXPECT_EQ(group(id).size(), 2);
    EXPECT_EQ(group(id).rank(), rank < 2 ? 1 : 0);
    int64_t sum = rank;
    group(id).all_reduce(&sum, 1, DType::i64).wait();
    EXPECT_EQ(sum, rank % 2 == 0 ? 2 : 4);

    const GroupId some = new_group(world().split(rank == 3 ? -1 : 0));
    EXPECT_EQ(some, id + 1);
    if (rank == 3)
      EXPECT_EQ(error_of([&] { group(some); }), fmt::format("this rank is not in group {}", some));
    else
      EXPECT_EQ(group(some).size(), 3);
    const auto twin = world().duplicate();
    EXPECT_EQ(twin->rank(), rank);
    int64_t a = 1, b = 10;
    Work first = world().all_reduce(&a, 1, DType::i64), second = twin->all_reduce(&b, 1, DType::i64);
    second.wait();
    first.wait();
    EXPECT_EQ(a + b, 44);
  });
}

TEST(Communicator, RefusesWhatItCannotDo) {
  on_ranks(2, [] {
    Communicator& c = world();
    float x = 0, y = 0;
    EXPECT_EQ(error_of([&] { c.broadcast(&x, 1, DType::f32, 2).wait(); }), "root 2 is none of the 2 ranks");
    {
      const Work one = c.all_reduce(&x, 1, DType::f32);
      EXPECT_EQ(error_of([&] { c.all_reduce(&y, 1, DType::f32).wait(); }),
                "all_reduce of 1 f32 begins before the one before has ended");
    }
    EXPECT_EQ(error_of([] { group(77); }), "there is no group 77");
    EXPECT_EQ(error_of([&] { c.all_reduce(&x, int64_t{1} << 31, DType::f32).wait(); }),
              "all_reduce of 2147483648 f32: too many elements for one call");
  });
  EXPECT_EQ(error_of([] { run_as_ranks(0, [] {}); }), "there are 0 ranks, there must be at least 1");
}

TEST(Communicator, CountsItsTraffic) {
  on_ranks(2, [] {
    const Traffic before = world().traffic();
    std::vector<float> x(100);
    world().all_reduce(x.data(), 100, DType::f32).wait();
    world().barrier();
    EXPECT_EQ(world().traffic().collectives - before.collectives, 2);
    EXPECT_EQ(world().traffic().bytes - before.bytes, 404);
  });
}

TEST(ThreadRanks, NameCallsThatDifferFromRankToRank) {
  for (const bool check : {false, true}) {
    const auto differing = [] {
      const ModuleScope scope("layer1");
      std::vector<double> x(5);
      if (world().rank() == 0)
        world().all_reduce(x.data(), 4, DType::f64).wait();
      else
        world().all_reduce(x.data(), 5, DType::f64).wait();
    };
    const std::string where = check ? " in layer1" : "";
    EXPECT_EQ(error_of([&] { run_as_ranks(2, differing, {.check_calls = check}); }),
              fmt::format("rank 0 calls all_reduce of 4 f64{0}, rank 1 calls all_reduce of 5 f64{0}", where));
  }
  // Equal calls from different layers are told apart too.
  EXPECT_EQ(error_of([] {
              run_as_ranks(2,
                           [] {
                             const ModuleScope scope(world().rank() == 0 ? "a" : "b");
                             world().barrier();
                           },
                           {.check_calls = true});
            }),
            "rank 0 calls all_reduce of 1 i32 in a, rank 1 calls all_reduce of 1 i32 in b");
}

TEST(ThreadRanks, EndAtTheDeadline) {
  const auto one_stays_away = [] {
    const ModuleScope scope("layer2.bn1");
    if (world().rank() == 0) world().barrier();
  };
  EXPECT_EQ(error_of([&] { run_as_ranks(2, one_stays_away, {.deadline = std::chrono::milliseconds(50)}); }),
            "rank 0 waited 0.05 s for all_reduce of 1 i32 in layer2.bn1");
}

TEST(ThreadRanks, AnErrorOfOneEndsAll) {
  std::atomic<int> told{0};
  const std::string text = error_of([&] {
    run_as_ranks(3, [&] {
      if (world().rank() == 1) throw Error("out of paper");
      const std::string error = error_of([] { world().barrier(); });
      EXPECT_EQ(error, "rank 1 failed: out of paper");
      ++told;
    });
  });
  EXPECT_EQ(text, "out of paper");
  EXPECT_EQ(told, 2);
}

// ---- As ops

/// Compares the gradients of sum over ranks of <fn(x), w> with central differences, each number of each rank in turn.
void check_gradients(const std::function<Tensor(const Tensor&)>& fn, const Tensor& x, int depth = 2) {
  const auto rank = static_cast<uint64_t>(world().rank());
  const auto weights = [&](const Tensor& like) {
    return normal(like.shape(), 0, 1, RandomKey{100 + 10 * static_cast<uint64_t>(depth) + rank}, DType::f64);
  };
  const auto total = [&](const Tensor& at) {
    const Tensor y = fn(at);
    double value = sum(y * weights(y)).item<double>();
    world().all_reduce(&value, 1, DType::f64).wait();
    return value;
  };
  Tensor leaf = clone(x).set_requires_grad();
  const Tensor y = fn(leaf);
  const Tensor g = grad({sum(y * weights(y))}, {leaf}, {}, {.create_graph = depth > 1})[0];
  const auto values = x.to_vector<double>(), gradient = g.to_vector<double>();
  constexpr double kStep = 1e-5;
  for (int r = 0; r < world().size(); ++r)
    for (size_t i = 0; i < values.size(); ++i) {
      const auto moved = [&](double by) {
        auto v = values;
        if (world().rank() == r) v[i] += by;
        return total(from_vector(v, x.shape()));
      };
      const double numeric = (moved(kStep) - moved(-kStep)) / (2 * kStep);
      if (world().rank() != r) continue;
      EXPECT_NEAR(gradient[i], numeric, 1e-6 * std::max(1.0, std::abs(numeric))) << i;
    }
  if (depth > 1)
    check_gradients(
        [&](const Tensor& at) {
          Tensor inner = at.requires_grad() ? at : clone(at).set_requires_grad();
          const Tensor out = fn(inner);
          return grad({sum(out * weights(out))}, {inner}, {}, {.create_graph = true})[0];
        },
        x, depth - 1);
}

TEST(Collectives, DifferentiateTwice) {
  const std::vector<std::pair<std::string, std::function<Tensor(const Tensor&)>>> cases{
      {"all_reduce", [](const Tensor& x) { return square(all_reduce(square(x))); }},
      {"max", [](const Tensor& x) { return square(all_reduce(square(x), ReduceOp::max)); }},
      {"all_gather", [](const Tensor& x) { return square(all_gather(square(x))); }},
      {"reduce_scatter", [](const Tensor& x) { return square(reduce_scatter(all_gather(square(x)) * x)); }},
      {"broadcast", [](const Tensor& x) { return square(broadcast(square(x), 1)) * x; }},
  };
  for (const auto& [name, fn] : cases)
    on_ranks(3, [&, name = name, fn = fn] {
      SCOPED_TRACE(name);
      check_gradients(fn, normal({2, 2}, 0, 1, RandomKey{static_cast<uint64_t>(world().rank())}, DType::f64));
    });
}

TEST(Collectives, TakeAnyStridesAndTypes) {
  on_ranks(2, [] {
    const Tensor x = normal({2, 3, 4, 5}, 0, 1, RandomKey{5});
    const Tensor across = permute(x, {3, 1, 0, 2});
    EXPECT_EQ(test::difference(all_reduce(across), across * 2.0), 0);
    EXPECT_EQ(test::difference(all_gather(across), stack({across, across})), 0);
    EXPECT_EQ(all_reduce(cast(x, DType::bf16)).dtype(), DType::bf16);
    EXPECT_EQ(
        test::difference(reduce_scatter(x), reshape(slice(x, 0, world().rank(), world().rank() + 1), {3, 4, 5}) * 2.0),
        0);
  });
}

TEST(Collectives, RefuseShapesThatDoNotFit) {
  on_ranks(2, [] {
    EXPECT_EQ(error_of([] { reduce_scatter(ones({3, 2})); }),
              "[reduce_scatter] x must be [2,...], a part for each rank, it is [3, 2]");
    EXPECT_EQ(error_of([] { broadcast(ones({1}), 2); }), "[broadcast] root 2 is none of the 2 ranks");
    EXPECT_EQ(error_of([] { all_reduce(ones({1}), ReduceOp::sum, 9); }), "[all_reduce] there is no group 9");
  });
}

}  // namespace
}  // namespace ingot
