// What it costs that an array is a channel slice of one twice as wide, as parts of a concat are: kernels of engines
// from a dense array into a dense one, into a slice, and from a slice, in turns. Results are the same bits. Usage:
// bench_slices [BATCH [ROUNDS]]: batch 1. Milliseconds; the speed into and from a slice is that of dense arrays over
// it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "base/parallel.h"
#include "conv_data.h"
#include "conv_kernels.h"
#include "ingot/threads.h"
#include "kernels/batch_norm.h"
#include "kernels/elementwise.h"
#include "kernels/pool.h"
#include "kernels/softmax.h"
#include "sides.h"

namespace {

using namespace ingot;
using Sizes = std::vector<int64_t>;

/// The upper half of the channels of an array that has twice as many.
Array upper_half(Values<float>& wide, const Sizes& s) {
  Array a = channels_last(wide, {s[0], 2 * s[1], s[2], s[3]});
  a.shape[1] = s[1];
  a.data = wide.data() + s[1];
  return a;
}

/// An array both ways.
struct Both {
  explicit Both(const Sizes& s)
      : values(random_values(s, 1)),
        wide(random_values({s[0], 2 * s[1], s[2], s[3]}, 1)),
        dense(channels_last(values, s)),
        slice(upper_half(wide, s)) {
    kernels::copy(dense, slice);
  }
  Values<float> values, wide;
  Array dense, slice;
};

using Operation = std::function<void(const Array& x, const Array& y)>;

/// Something that engines run from x to y.
struct Case {
  std::string name;
  Sizes x, y;
  Operation run;
};

/// The convolution by each of our kernels.
void add_convolution(std::vector<Case>& cases, const Sizes& x, int64_t outputs, int64_t kernel) {
  const Sizes y{x[0], outputs, x[2], x[3]}, w{outputs, x[1], kernel, kernel};
  const auto weight = std::make_shared<Values<float>>(random_values(w, 0.05f));
  const auto args_of = [=](const Array& from, const Array& to) {
    return kernels::ConvArgs{.x = from,
                             .weight = row_major(weight->data(), DType::f32, {w[0], w[1], w[2], w[3]}),
                             .geometry = {.padding = (kernel - 1) / 2},
                             .activation = Activation::relu,
                             .y = to};
  };
  for (const ConvKernel& k : conv_kernels()) {
    Both from(x), to(y);
    const kernels::ConvArgs args = args_of(from.dense, to.dense);
    if (k.name == "oneDNN" || !k.supports(args)) continue;  // it copies
    const auto memory = std::make_shared<Memory>(k.packed_bytes(args), 0);
    k.pack(args, memory->weights);
    memory->scratch.resize(k.scratch(args, memory->weights));
    cases.push_back(
        {fmt::format("conv {}x{} to {}, {}", kernel, kernel, outputs, k.name), x, y,
         [=, &k](const Array& a, const Array& b) { k.run(args_of(a, b), memory->weights, memory->scratch.data()); }});
  }
}

void add_batch_norm(std::vector<Case>& cases, const Sizes& x) {
  const auto numbers = std::make_shared<Values<float>>(random_values({4 * x[1]}, 1));
  const auto channels = [=](int64_t i) { return row_major(numbers->data() + i * x[1], DType::f32, {x[1]}); };
  cases.push_back({"batch norm, ReLU", x, x, [=](const Array& a, const Array& b) {
                     kernels::batch_norm_apply(a, channels(0), channels(1), channels(2), channels(3), {}, true, b);
                   }});
}

std::vector<Case> cases_of(int64_t batch) {
  using namespace kernels;
  std::vector<Case> cases;
  for (const auto& [channels, side, outputs] : {std::tuple{64, 56, 256}, {192, 28, 64}, {1024, 14, 256}})
    add_convolution(cases, {batch, channels, side, side}, outputs, 1);
  for (const auto& [channels, side, outputs] : {std::tuple{64, 56, 192}, {128, 28, 192}, {160, 14, 320}})
    add_convolution(cases, {batch, channels, side, side}, outputs, 3);
  for (const auto& [channels, side] : {std::pair{64, 56}, {256, 28}, {512, 14}}) {
    const Sizes x{batch, channels, side, side}, half{batch, channels, side / 2, side / 2};
    add_batch_norm(cases, x);
    cases.push_back({"copy", x, x, copy});
    cases.push_back({"ReLU", x, x, [](const Array& a, const Array& b) { unary(Unary::relu, a, b); }});
    cases.push_back({"SiLU", x, x, [](const Array& a, const Array& b) { activate(Activation::silu, 0, 0, a, b); }});
    cases.push_back({"add", x, x, [](const Array& a, const Array& b) { binary(Binary::add, a, a, b); }});
    cases.push_back({"max pool 3x3", x, x, [](const Array& a, const Array& b) {
                       max_pool2d(a, {.kernel = 3, .stride = 1, .padding = 1}, b, {});
                     }});
    cases.push_back({"max pool 3x3 / 2", x, half, [](const Array& a, const Array& b) {
                       max_pool2d(a, {.kernel = 3, .stride = 2, .padding = 1}, b, {});
                     }});
    cases.push_back({"average pool 3x3", x, x, [](const Array& a, const Array& b) {
                       avg_pool2d(a, {{.kernel = 3, .stride = 1, .padding = 1}}, b);
                     }});
    cases.push_back({"global average pool", x, {batch, channels, 1, 1}, adaptive_avg_pool2d});
    cases.push_back({"softmax", x, x, [](const Array& a, const Array& b) { softmax(a, 1, b); }});
  }
  return cases;
}

/// Milliseconds from dense to dense, from dense into a slice, from a slice to dense.
std::vector<double> measure(const Case& c, int rounds) {
  Both x(c.x), y(c.y);
  Values<float> expected;
  std::vector<Side> sides;
  for (const auto& [from, to] : {std::pair{x.dense, y.dense}, {x.dense, y.slice}, {x.slice, y.dense}}) {
    const auto run = [&c, from = from, to = to] { c.run(from, to); };
    run();
    if (to.data == y.slice.data) kernels::copy(y.slice, y.dense);
    if (expected.empty()) expected = y.values;
    CHECK(expected == y.values, "{}: a slice gives other results", c.name);
    const int steps = std::max(3, static_cast<int>(3 / std::max(0.01, milliseconds(run))));
    sides.push_back(
        {c.name, [run, steps](int) { return fastest(steps, [&] { return std::vector{milliseconds(run)}; }); }});
  }
  alternate(sides, rounds, 1);
  return {sides[0].best[0], sides[1].best[0], sides[2].best[0]};
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t batch = argc > 1 ? std::stoll(argv[1]) : 1;
  const int rounds = argc > 2 ? std::stoi(argv[2]) : 20;
  adopt_thread_count();
  std::printf("batch %lld, %d threads; milliseconds\n%-28s %-14s %9s %9s %9s %6s %6s\n", static_cast<long long>(batch),
              num_threads(), "", "from", "dense", "to slice", "from", "to", "from");
  const auto print = [](const std::string& name, const std::string& sizes, const std::vector<double>& t) {
    std::printf("%-28s %-14s %9.4f %9.4f %9.4f %6.2f %6.2f\n", name.c_str(), sizes.c_str(), t[0], t[1], t[2],
                t[0] / t[1], t[0] / t[2]);
  };
  std::vector<double> convolutions(3), others(3);
  for (const Case& c : cases_of(batch)) {
    const std::vector<double> t = measure(c, rounds);
    print(c.name, fmt::format("{}x{}x{}", c.x[1], c.x[2], c.x[3]), t);
    std::vector<double>& all = c.name.starts_with("conv") ? convolutions : others;
    for (size_t i = 0; i < t.size(); ++i) all[i] += t[i];
  }
  print("convolutions", "all", convolutions);
  print("the others", "all", others);
}
