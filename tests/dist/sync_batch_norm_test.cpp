#include "ingot/sync_batch_norm.h"

#include <fmt/ranges.h>

#include <numeric>

#include "cases.h"
#include "dist/ranks.h"
#include "dist/sync_batch_norm.h"
#include "error_of.h"
#include "ingot/collectives.h"
#include "ingot/graph.h"
#include "ingot/nn.h"

namespace ingot {
namespace {

using test::difference;
using test::on_ranks;
using test::part_of;

struct Case {
  std::vector<int64_t> batches;  // of each rank
  DType dtype = DType::f64;
  int64_t channels = 3, height = 4, width = 3;
  double mean = 0.5, std = 1;
  BatchNormOptions options{};
  bool relu = false, residual = false;

  Shape shape(int64_t n) const { return {n, channels, height, width}; }
  int64_t total() const { return std::accumulate(batches.begin(), batches.end(), int64_t{0}); }
  int ranks() const { return static_cast<int>(batches.size()); }
  /// Relative: 1e-12 and what rounding of x far from 0 costs, in f64; 1e-5 in f32.
  double tolerance() const {
    const double eps = dtype == DType::f64 ? std::numeric_limits<double>::epsilon() : 6e-8;
    return (dtype == DType::f64 ? 1e-12 : 1e-5) + 8 * eps * std::abs(mean) / std;
  }
  std::string text() const {
    return fmt::format("ranks of {} images, {}, [{},{},{}], mean {}, std {}, relu {}, residual {}, affine {}",
                       fmt::join(batches, "+"), name_of(dtype), channels, height, width, mean, std, relu, residual,
                       options.affine);
  }
};

Tensor draw(const Shape& shape, uint64_t key, const Case& c, bool far = false) {
  const Tensor x = normal(shape, far ? c.mean : 0.0, far ? c.std : 1.0, RandomKey{key}, DType::f64);
  return cast(x, c.dtype);
}

/// What a layer gives for a batch and a gradient of its output.
struct Step {
  Tensor y, dx, dresidual, dweight, dbias;
};
Step step_of(BatchNormBase& norm, const Case& c, const Tensor& x, const Tensor& residual, const Tensor& g) {
  Tensor in = clone(x).set_requires_grad(), other = clone(residual).set_requires_grad();
  const Tensor y = norm.forward_fused(in, c.residual ? std::optional(other) : std::nullopt, c.relu);
  Tensors inputs{in};
  if (c.residual) inputs.push_back(other);
  if (norm.weight) inputs.push_back(*norm.weight), inputs.push_back(*norm.bias);
  const Tensors grads = grad({y}, inputs, {g});
  size_t at = 0;
  Step s{.y = y, .dx = grads[at++]};
  if (c.residual) s.dresidual = grads[at++];
  if (norm.weight) s.dweight = grads[at], s.dbias = grads[at + 1];
  return s;
}

/// The worst difference, in tolerances, between a layer on this rank's parts and plain batch norm on all images, over
/// three steps in training and one in eval().
double worst_difference(BatchNormBase& mine, BatchNormBase& all, const Case& c, std::string* where = nullptr) {
  const int rank = world().rank();
  double worst = 0;
  const auto compare = [&](const Tensor& x, const Tensor& truth, const std::string& what, double scale = 1) {
    const double d = difference(x, truth) / (scale * c.tolerance());
    if (d > worst && where != nullptr) *where = what;
    worst = std::max(worst, d);
  };
  for (auto* const norm : {&mine, &all}) {
    norm->to(c.dtype);
    if (norm->weight) {
      copy_into(*norm->weight, draw({c.channels}, 1, c));
      copy_into(*norm->bias, draw({c.channels}, 2, c));
    }
  }
  for (uint64_t i = 0; i < 4; ++i) {
    mine.train(i < 3);
    all.train(i < 3);
    const Tensor x = draw(c.shape(c.total()), 10 * i + 3, c, true), residual = draw(x.shape(), 10 * i + 4, c),
                 g = draw(x.shape(), 10 * i + 5, c);
    const auto part = [&](const Tensor& t) { return part_of(t, c.batches, rank); };
    const Step a = step_of(mine, c, part(x), part(residual), part(g)), b = step_of(all, c, x, residual, g);
    // A part may hold small values only, whose errors are those of the whole.
    const auto compare_part = [&](const Tensor& t, const Tensor& whole, const std::string& what) {
      const double scale = amax(abs(whole)).item<double>();
      const double d = difference(t, part(whole), scale) / c.tolerance();
      if (d > worst && where != nullptr) *where = what;
      worst = std::max(worst, d);
    };
    compare_part(a.y, b.y, "y");
    compare_part(a.dx, b.dx, "dx");
    if (c.residual) compare_part(a.dresidual, b.dresidual, "dresidual");
    if (mine.weight) {
      compare(all_reduce(a.dweight), b.dweight, "dweight");
      compare(all_reduce(a.dbias), b.dbias, "dbias");
    }
    if (mine.running_mean) {
      compare(*mine.running_mean, *all.running_mean, "running_mean");
      compare(*mine.running_var, *all.running_var, "running_var");
      EXPECT_EQ(mine.num_batches_tracked->item<int64_t>(), all.num_batches_tracked->item<int64_t>());
    }
  }
  world().all_reduce(&worst, 1, DType::f64, ReduceOp::max).wait();
  return worst;
}

void expect_equal(const Case& c) {
  on_ranks(c.ranks(), [&] {
    SyncBatchNorm mine(c.channels, c.options);
    BatchNorm2d all(c.channels, c.options);
    std::string where;
    const double worst = worst_difference(mine, all, c, &where);
    EXPECT_LE(worst, 1) << c.text() << ": " << where;
  });
}

const std::vector<std::vector<int64_t>> kBatches{{2, 2},    {1, 5},       {3, 0},       {2, 2, 2},    {4, 1, 2},
                                                 {0, 1, 3}, {2, 2, 2, 2}, {1, 3, 2, 5}, {2, 0, 3, 1}, {0, 0, 0, 2}};

TEST(SyncBatchNorm, IsOneProcessWithAllImages) {
  for (const auto& batches : kBatches)
    for (const DType dtype : {DType::f64, DType::f32}) {
      expect_equal({.batches = batches, .dtype = dtype});
      expect_equal({.batches = batches, .dtype = dtype, .relu = true});
      expect_equal({.batches = batches, .dtype = dtype, .relu = true, .residual = true});
      expect_equal({.batches = batches, .dtype = dtype, .options = {.momentum = std::nullopt, .affine = false}});
      expect_equal({.batches = batches, .dtype = dtype, .options = {.track_running_stats = false}, .residual = true});
    }
}

TEST(SyncBatchNorm, LosesNothingFarFromZeroOrInTinyVariances) {
  for (const auto& batches : {std::vector<int64_t>{2, 3}, {1, 4, 2}, {2, 0, 3, 1}}) {
    for (const double far : {1e2, 1e4, 1e6}) expect_equal({.batches = batches, .mean = far, .std = 1});
    expect_equal({.batches = batches, .mean = -1e5, .std = 1e-2});
    // Far below eps, where 1 / std hardly depends on the variance, which the running one still has to follow.
    for (const double std : {1e-4, 1e-8, 1e-12})
      expect_equal({.batches = batches, .mean = 0, .std = std, .options = {.momentum = 1}});
    expect_equal({.batches = batches, .dtype = DType::f32, .mean = 100, .std = 1});
    expect_equal({.batches = batches, .dtype = DType::f32, .mean = 0, .std = 1e-4, .options = {.momentum = 1}});
  }
}

TEST(SyncBatchNorm, IsThatInRandomCases) {
  for (int i = 0; i < test::cases(40); ++i) {
    SCOPED_TRACE(fmt::format("case {}", i));
    const auto draws = uniform({16}, 0, 1, RandomKey{static_cast<uint64_t>(7000 + i)}).to_vector<double>();
    const auto pick = [&](size_t at, int64_t from, int64_t to) {
      return from + static_cast<int64_t>(draws[at] * static_cast<double>(to - from + 1));
    };
    Case c{.dtype = pick(0, 0, 2) == 0 ? DType::f32 : DType::f64,
           .channels = pick(1, 1, 9),
           .height = pick(2, 1, 6),
           .width = pick(3, 1, 6),
           .mean = draws[4],
           .std = 0.5 + draws[5],
           .options = {.eps = draws[6] < 0.5 ? 1e-5 : 1e-1, .momentum = 0.2, .affine = draws[7] < 0.8},
           .relu = draws[8] < 0.5,
           .residual = draws[9] < 0.5};
    for (int64_t r = pick(10, 2, 4); r > 0; --r) c.batches.push_back(pick(10 + static_cast<size_t>(r), 0, 4));
    if (c.total() * c.height * c.width < 3) continue;
    expect_equal(c);
  }
}

TEST(SyncBatchNorm, CommunicatesOnceEachWay) {
  for (const int ranks : {2, 3})
    on_ranks(ranks, [&] {
      SyncBatchNorm norm(5);
      Tensor x = normal({world().rank(), 5, 2, 2}, 0, 1, RandomKey{1}).set_requires_grad();
      const Traffic before = world().traffic();
      const Tensor y = norm(x);
      const Traffic forward = world().traffic();
      EXPECT_EQ(forward.collectives - before.collectives, 1);
      EXPECT_EQ(forward.bytes - before.bytes, 3 * 5 * 8);  // [n, mean, M2] in f64
      backward(sum(y * y));
      EXPECT_EQ(world().traffic().collectives - forward.collectives, 1);
      EXPECT_EQ(world().traffic().bytes - forward.bytes, 2 * 5 * 8);
      norm.eval();
      const Traffic trained = world().traffic();
      norm(x);
      EXPECT_EQ(world().traffic().collectives, trained.collectives);
    });
}

// Its results and gradients are those of the three ops that it stands for, and those of the two-round form.
TEST(SyncBatchNorm, IsItsCompositionAndItsTwoRoundForm) {
  for (const std::vector<int64_t>& batches : {std::vector<int64_t>{2, 3}, {1, 0, 4}})
    on_ranks(static_cast<int>(batches.size()), [&] {
      const int rank = world().rank();
      const Case c{.batches = batches};
      Tensors in{part_of(draw(c.shape(c.total()), 1, c, true), batches, rank), draw({3}, 2, c), draw({3}, 3, c)};
      for (Tensor& t : in) t.set_requires_grad();
      const Tensor g = part_of(draw(c.shape(c.total()), 4, c), batches, rank);
      const auto composed = [&] {
        return batch_norm_apply(in[0], gather_merge(batch_norm_stats(in[0])), in[1], in[2], 1e-5);
      };
      const auto results = [&](const Tensor& y) {
        Tensors out{y};
        for (const Tensor& t : grad({y}, in, {g})) out.push_back(t);
        return out;
      };
      const Tensors fused = results(sync_batch_norm(in[0], in[1], in[2], {}, false, 1e-5).y),
                    plain = results(composed()),
                    rounds = results(sync_batch_norm_two_rounds(in[0], in[1], in[2], 1e-5).y);
      for (size_t i = 0; i < fused.size(); ++i) {
        EXPECT_LE(difference(fused[i], plain[i], 1), 1e-12) << i;
        EXPECT_LE(difference(fused[i], rounds[i], 1), 1e-12) << i;
      }
      const Traffic before = world().traffic();
      grad({sync_batch_norm_two_rounds(in[0], in[1], in[2], 1e-5).y}, in, {g});
      EXPECT_EQ(world().traffic().collectives - before.collectives, 4);
    });
}

TEST(SyncBatchNorm, DifferentiatesTwice) {
  const std::vector<int64_t> batches{2, 1};
  for (const bool relu : {false, true})
    on_ranks(2, [&] {
      const Case c{.batches = batches, .channels = 2, .height = 2, .width = 2};
      const auto key = [](uint64_t k) { return RandomKey{k + 50 * static_cast<uint64_t>(world().rank())}; };
      const Shape shape = c.shape(batches[static_cast<size_t>(world().rank())]);
      const Tensor w = normal(shape, 0, 1, key(1), DType::f64), v = normal(shape, 0, 1, key(2), DType::f64);
      const Tensor gamma = draw({2}, 3, c).set_requires_grad(), beta = draw({2}, 4, c).set_requires_grad();
      // <v, d<y, w>/dx>, summed over the ranks.
      const auto inner = [&](const Tensor& x) {
        const Tensor y = sync_batch_norm(x, gamma, beta, {}, relu, 1e-3).y;
        return sum(grad({sum(y * w)}, {x}, {}, {.create_graph = true})[0] * v);
      };
      const Tensor start = normal(shape, 0, 1, key(5), DType::f64);
      const Tensor x = clone(start).set_requires_grad();
      const Tensor second = grad({inner(x)}, {x})[0];
      const auto values = start.to_vector<double>(), analytic = second.to_vector<double>();
      for (int r = 0; r < 2; ++r)
        for (int64_t i = 0; i < 4; ++i) {
          const auto total = [&](double by) {
            auto moved = values;
            if (world().rank() == r) moved[static_cast<size_t>(i)] += by;
            double value = inner(from_vector(moved, shape).set_requires_grad()).item<double>();
            world().all_reduce(&value, 1, DType::f64).wait();
            return value;
          };
          const double numeric = (total(1e-5) - total(-1e-5)) / 2e-5;
          if (world().rank() != r) continue;
          EXPECT_NEAR(analytic[static_cast<size_t>(i)], numeric, 1e-6 * std::max(1.0, std::abs(numeric)));
        }
    });
}

TEST(SyncBatchNorm, KeepsStatisticsOfBf16InF32) {
  on_ranks(2, [] {
    SyncBatchNorm norm(3);
    const Tensor x = cast(normal({4, 3, 5, 5}, 3, 1, RandomKey{static_cast<uint64_t>(world().rank())}), DType::bf16);
    const Tensor y = norm(x);
    EXPECT_EQ(y.dtype(), DType::bf16);
    EXPECT_EQ(norm.running_mean->dtype(), DType::f32);
    BatchNorm2d plain(3);
    const Tensor gathered = all_gather(cast(x, DType::f32));
    plain(reshape(gathered, {8, 3, 5, 5}));
    EXPECT_LE(difference(*norm.running_mean, *plain.running_mean), 1e-6);
    EXPECT_LE(difference(*norm.running_var, *plain.running_var), 1e-6);
  });
}

TEST(SyncBatchNorm, NobodyHasAnImageAndStatisticsStay) {
  on_ranks(2, [] {
    SyncBatchNorm norm(3);
    Tensor x = empty({0, 3, 2, 2}).set_requires_grad();
    const Tensor y = norm(x);
    EXPECT_EQ(to_string(y.shape()), "[0, 3, 2, 2]");
    backward(sum(y));
    EXPECT_EQ(to_string(x.grad().shape()), "[0, 3, 2, 2]");
    EXPECT_EQ(norm.weight->grad().to_vector<float>(), std::vector<float>(3, 0));
    EXPECT_EQ(norm.running_var->to_vector<float>(), std::vector<float>(3, 1));
    EXPECT_EQ(norm.num_batches_tracked->item<int64_t>(), 0);
  });
}

// One rank has the only value: its variance is unknown, and nothing may become NaN.
TEST(SyncBatchNorm, OneValueLeavesTheRunningVariance) {
  on_ranks(2, [] {
    SyncBatchNorm norm(2);
    Tensor x = full({world().rank() == 0 ? 1 : 0, 2}, 5.0).set_requires_grad();
    const Tensor y = norm(x);
    for (const double v : y.to_vector<double>()) EXPECT_EQ(v, 0);
    backward(sum(y));
    for (const double v : x.grad().to_vector<double>()) EXPECT_EQ(v, 0);
    EXPECT_EQ(norm.running_var->to_vector<float>(), std::vector<float>(2, 1));
    EXPECT_EQ(norm.running_mean->to_vector<float>(), std::vector<float>(2, 0.5F));
  });
}

TEST(SyncBatchNorm, SpansAGroup) {
  on_ranks(4, [] {
    const int rank = world().rank();
    const GroupId pair = new_group(world().split(rank / 2));
    SyncBatchNorm norm(2, {}, pair);
    BatchNorm2d plain(2);
    const auto x = [](int r) { return normal({2, 2, 3, 3}, r, 1 + r, RandomKey{static_cast<uint64_t>(r)}); };
    const int first = rank / 2 * 2;
    const Tensor y = norm(x(rank)), all = plain(concat({x(first), x(first + 1)}, 0));
    EXPECT_LE(difference(y, slice(all, 0, 2 * (rank - first), 2 * (rank - first) + 2)), 1e-5);
    EXPECT_LE(difference(*norm.running_var, *plain.running_var), 1e-5);
  });
}

TEST(ThreadRanks, SyncBatchNormOfOneIsBatchNorm) {
  SyncBatchNorm norm(3);
  BatchNorm2d plain(3);
  const Tensor x = normal({2, 3, 4, 4}, 0, 1, RandomKey{3});
  EXPECT_EQ(difference(norm(x), plain(x)), 0);
  EXPECT_EQ(error_of([&] { norm(ones({1, 3})); }),
            "[batch_norm_train] training needs more than one value a channel, x is [1, 3]");
}

TEST(SyncBatchNorm, RefusesWhatDoesNotFit) {
  on_ranks(2, [] {
    SyncBatchNorm norm(3);
    EXPECT_EQ(error_of([&] { norm(ones({2, 4, 1, 1})); }),
              "[SyncBatchNorm] x is [2, 4, 1, 1], it must have 3 channels");
    EXPECT_EQ(error_of([&] { norm(ones({3})); }), "[SyncBatchNorm] x is [3], it must be [N,C,...]");
    EXPECT_EQ(error_of([] { gather_merge(ones({2, 3})); }), "[gather_merge] statistics are f32 [2, 3], not f64 [3, 3]");
    EXPECT_EQ(error_of([] { sync_batch_norm(ones({2, 3}), ones({3}), {}, {}, false, 1e-5); }),
              "[sync_batch_norm] gamma and beta come together");
  });
}

// ---- What others got wrong: the comparison above finds each of these faults

enum class Fault {
  none,
  rank_average,
  local_count_in_gradient,
  gamma_reduced_twice,
  local_bessel,
  variance_from_invstd
};

/// By plain ops, with a fault.
class FaultySync : public BatchSync {
 public:
  explicit FaultySync(Fault fault) : fault_(fault) {}

  std::optional<Result> normalise(const Tensor& x, const std::optional<Tensor>& weight,
                                  const std::optional<Tensor>& bias, const std::optional<Tensor>& residual,
                                  bool with_relu, double eps) const override {
    const auto row = [](const Tensor& stats, int64_t i) { return slice(stats, 0, i, i + 1); };
    Tensor own = batch_norm_stats(x);
    const Tensor n = maximum(row(own, 0), scalar(1, DType::f64));
    if (fault_ == Fault::rank_average) own = concat({row(own, 0) / n, row(own, 1), row(own, 2) / n}, 0);
    Tensor stats = gather_merge(own);
    // (v - detach(v)) * a leaves the value and scales the gradient by a.
    if (fault_ == Fault::local_count_in_gradient) {
      const Tensor fixed = detach(stats);
      stats = fixed + (stats - fixed) * (detach(row(stats, 0)) / detach(n));
    }
    std::optional<Tensor> gamma = weight;
    if (weight && fault_ == Fault::gamma_reduced_twice) {
      const Tensor sum = all_reduce(*weight);
      gamma = detach(*weight) + (sum - detach(sum));
    }
    Tensor y = batch_norm_apply(x, stats, gamma, bias, eps);
    if (residual) y = y + *residual;
    if (with_relu) y = relu(y);
    const NoGrad no_grad;
    const auto count = row(stats, 0).to_vector<double>()[0];
    Tensor var = reshape(row(stats, 2) / row(stats, 0), {x.size(1)});
    if (fault_ == Fault::variance_from_invstd) var = reciprocal(square(rsqrt(var + eps))) - eps;
    const int64_t counted =
        fault_ == Fault::local_bessel ? (x.numel() / x.size(1)).value() : static_cast<int64_t>(count);
    return Result{y, reshape(row(stats, 1), {x.size(1)}), var, counted};
  }

 private:
  Fault fault_;
};

double worst_with(Fault fault, const Case& c) {
  double worst = 0;
  on_ranks(c.ranks(), [&] {
    BatchNorm2d mine(c.channels, c.options), all(c.channels, c.options);
    mine.set_sync(std::make_shared<FaultySync>(fault));
    const double found = worst_difference(mine, all, c);
    if (world().rank() == 0) worst = found;
  });
  return worst;
}

TEST(ThreadRanks, FaultsOfSyncBatchNormAreFound) {
  const Case even{.batches = {2, 2}}, uneven{.batches = {2, 5}},
      tiny{.batches = {2, 5}, .mean = 0, .std = 1e-8, .options = {.momentum = 1}};
  for (const Case& c : {even, uneven, tiny}) EXPECT_LE(worst_with(Fault::none, c), 1) << c.text();
  for (const Fault fault :
       {Fault::rank_average, Fault::local_count_in_gradient, Fault::gamma_reduced_twice, Fault::local_bessel})
    EXPECT_GT(worst_with(fault, uneven), 1e6) << static_cast<int>(fault);
  EXPECT_LE(worst_with(Fault::variance_from_invstd, uneven), 100);
  EXPECT_GT(worst_with(Fault::variance_from_invstd, tiny), 1e6);
}

// ---- Conversion

class Net : public ModuleOf<Net> {
 public:
  Net() {
    child("conv", conv);
    child("bn", bn);
    child("head", head);
  }
  Tensor forward(const Tensor& x) { return head(bn(conv(x))); }
  Conv2d conv{3, 4, 3};
  BatchNorm2d bn{4};
  Sequential head{BatchNorm2d(4), ReLU()};
};

TEST(ConvertSyncBatchnorm, KeepsParametersBuffersAndNames) {
  Net net;
  const TensorsByName before = net.state_dict();
  const Tensor weight = *net.bn.weight;
  EXPECT_EQ(convert_sync_batchnorm(net), 2);
  EXPECT_TRUE(net.bn.weight->same_as(weight));
  const TensorsByName after = net.state_dict();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) EXPECT_EQ(after[i].first, before[i].first);
  EXPECT_TRUE(net.bn.is_a("SyncBatchNorm"));
  EXPECT_TRUE(net.bn.is_a("_BatchNorm"));
  EXPECT_NE(to_string(net).find("(bn): SyncBatchNorm(4, eps=1e-05"), std::string::npos) << to_string(net);
  EXPECT_TRUE(dynamic_cast<Net&>(*net.clone()).bn.has_sync());
}

TEST(ConvertSyncBatchnorm, TrainsAsOneProcess) {
  on_ranks(2, [] {
    const SeedScope seed(1);
    Net net, plain;
    plain.load_state_dict(net.state_dict());
    convert_sync_batchnorm(net);
    net.to(DType::f64), plain.to(DType::f64);
    const Tensor x = normal({6, 3, 6, 6}, 0, 1, RandomKey{2}, DType::f64);
    const std::vector<int64_t> batches{2, 4};
    const Tensor y = net(part_of(x, batches, world().rank())), all = plain(x);
    EXPECT_LE(difference(y, part_of(all, batches, world().rank())), 1e-12);
    backward(sum(square(y)));
    backward(sum(square(all)));
    const auto own = net.named_parameters(), whole = plain.named_parameters();
    for (size_t i = 0; i < own.size(); ++i)
      EXPECT_LE(difference(all_reduce(own[i].second.grad()), whole[i].second.grad(), 1), 1e-11) << own[i].first;
  });
}

// In eval() it is batch norm, for graphs too; in training the trace shows the ops that it is made of.
TEST(ConvertSyncBatchnorm, IsTracedAsWhatItIs) {
  on_ranks(2, [] {
    Net net;
    convert_sync_batchnorm(net);
    net.eval();
    const auto text = [&] {
      return to_string(trace([&](const Tensors& in) { return net.call(in); },
                             {{.name = "x", .shape = {Dim::symbol("n", 2), 3, 6, 6}}}, net.named_tensors())
                           .graph);
    };
    EXPECT_EQ(text().find("gather_merge"), std::string::npos);
    EXPECT_NE(text().find("batch_norm("), std::string::npos) << text();
    net.train();
    for (const char* op : {"batch_norm_stats(", "gather_merge("})
      EXPECT_NE(text().find(op), std::string::npos) << op << text();
  });
}

}  // namespace
}  // namespace ingot
