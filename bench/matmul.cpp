// Products of two matrices that change, as attention and training have them, by oneDNN, by our own products and by what
// matmul chooses, in turns: of ViT-B/16 and of classifiers' linear layers. Usage: bench_matmul [NAME [ROUNDS
// [THREADS]]]: NAME is the first letters of the products to run. Milliseconds of the fastest step.
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "base/parallel.h"
#include "conv_data.h"
#include "ingot/threads.h"
#include "kernels/matmul.h"
#include "kernels/matmul_gemm.h"
#include "kernels/matmul_onednn.h"
#include "sides.h"

namespace {

using namespace ingot;
using namespace ingot::kernels;

Array matrix(Values<float>& values, int64_t rows, int64_t columns) {
  return {.data = values.data(), .rank = 2, .shape = {rows, columns}, .strides = {columns, 1}};
}
Array transposed(Array a) {
  std::swap(a.shape[a.rank - 2], a.shape[a.rank - 1]);
  std::swap(a.strides[a.rank - 2], a.strides[a.rank - 1]);
  return a;
}
/// [N,L,heads*D] as [N,heads,L,D].
Array heads(Values<float>& values, int64_t batch, int64_t length, int64_t count, int64_t size) {
  const int64_t row = count * size;
  return {
      .data = values.data(), .rank = 4, .shape = {batch, count, length, size}, .strides = {length * row, size, row, 1}};
}
Array maps(Values<float>& values, int64_t batch, int64_t count, int64_t rows, int64_t columns) {
  return {.data = values.data(),
          .rank = 4,
          .shape = {batch, count, rows, columns},
          .strides = {count * rows * columns, rows * columns, columns, 1}};
}

struct Problem {
  std::string name;
  Array a, b, y;
};

/// Memory that all problems share.
struct Operands {
  Values<float> a, b, y;
  Values<std::byte> scratch;
};

/// A linear layer of so many rows: y = x W^T, dx = g W, dW = g^T x.
void add_linear(std::vector<Problem>& out, Operands& m, const std::string& net, int64_t rows, int64_t in, int64_t of) {
  const std::string size = fmt::format("{}x{}x{}", rows, in, of);
  out.push_back({fmt::format("{} {} forward", net, size), matrix(m.a, rows, in), transposed(matrix(m.b, of, in)),
                 matrix(m.y, rows, of)});
  out.push_back(
      {fmt::format("{} {} input", net, size), matrix(m.a, rows, of), matrix(m.b, of, in), matrix(m.y, rows, in)});
  out.push_back({fmt::format("{} {} weight", net, size), transposed(matrix(m.a, rows, of)), matrix(m.b, rows, in),
                 matrix(m.y, of, in)});
}

/// Attention's: scores = q k^T, y = p v, and their gradients.
void add_attention(std::vector<Problem>& out, Operands& m, const std::string& net, int64_t batch, int64_t length,
                   int64_t count, int64_t size) {
  const auto name = [&](const char* what) {
    return fmt::format("{} {}x{} heads {}x{} {}", net, batch, count, length, size, what);
  };
  out.push_back({name("scores"), heads(m.a, batch, length, count, size),
                 transposed(heads(m.b, batch, length, count, size)), maps(m.y, batch, count, length, length)});
  out.push_back({name("values"), maps(m.a, batch, count, length, length), heads(m.b, batch, length, count, size),
                 maps(m.y, batch, count, length, size)});
  out.push_back({name("dp"), heads(m.a, batch, length, count, size), transposed(heads(m.b, batch, length, count, size)),
                 maps(m.y, batch, count, length, length)});
  out.push_back({name("dv"), transposed(maps(m.a, batch, count, length, length)),
                 heads(m.b, batch, length, count, size), maps(m.y, batch, count, length, size)});
  out.push_back({name("dk"), transposed(heads(m.a, batch, length, count, size)),
                 maps(m.b, batch, count, length, length), maps(m.y, batch, count, size, length)});
}

/// A linear layer over the last dimension of channels-last planes, whose rows are no runs.
void add_planes(std::vector<Problem>& out, Operands& m, int64_t batch, int64_t channels, int64_t side, int64_t of) {
  const Array x{.data = m.a.data(),
                .rank = 4,
                .shape = {batch, channels, side, side},
                .strides = {channels * side * side, 1, channels * side, channels}};
  out.push_back({fmt::format("planes {}x{}x{}x{} to {}", batch, channels, side, side, of), x,
                 transposed(matrix(m.b, of, side)), maps(m.y, batch, channels, side, of)});
}

double products(const Problem& p) {
  return static_cast<double>(p.y.numel()) * static_cast<double>(p.a.shape[p.a.rank - 1]);
}

struct Kernel {
  const char* name;
  size_t (*scratch)(const Array&, const Array&, const Array&, const Array&);
  void (*run)(const Array&, const Array&, const Array&, const Array&, void*);
};
constexpr Kernel kKernels[] = {{"oneDNN", matmul_onednn_scratch, matmul_onednn},
                               {"products", matmul_gemm_scratch, matmul_gemm},
                               {"chosen", matmul_scratch, matmul}};

void measure(const Problem& p, Operands& m, int rounds) {
  constexpr double kRoundMs = 10;
  std::vector<Side> sides;
  for (const Kernel& k : kKernels) {
    m.scratch.resize(std::max(m.scratch.size(), k.scratch(p.a, p.b, {}, p.y)));
    sides.push_back({k.name, [&p, &m, &k](int steps) {
                       return fastest(steps, [&] {
                         return std::vector{milliseconds([&] { k.run(p.a, p.b, {}, p.y, m.scratch.data()); })};
                       });
                     }});
  }
  const double once = sides[0].run(2)[0];
  alternate(sides, rounds, static_cast<int>(std::clamp(kRoundMs / once, 2.0, 500.0)));
  std::printf("%-38s", p.name.c_str());
  for (const Side& s : sides) std::printf(" %9.4f", s.best[0]);
  std::printf("  %5.2f  %6.1f GFLOP/s\n", sides[0].best[0] / sides[1].best[0], 2e-6 * products(p) / sides[1].best[0]);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  const int rounds = argc > 2 ? std::stoi(argv[2]) : 10;
  constexpr int64_t kLargest = int64_t{8} * 197 * 3072;
  if (argc > 3) set_num_threads(std::stoi(argv[3]));
  adopt_thread_count();
  Operands m{random_values({kLargest}, 1), random_values({kLargest}, 1), Values<float>(kLargest), {}};
  std::vector<Problem> problems;
  for (const int64_t batch : {1, 8}) {
    add_attention(problems, m, "vit", batch, 197, 12, 64);
    for (const auto& [in, of] : {std::pair<int64_t, int64_t>{768, 768}, {768, 3072}, {3072, 768}})
      add_linear(problems, m, "vit", batch * 197, in, of);
  }
  add_linear(problems, m, "small", 64, 1568, 128);
  add_linear(problems, m, "small", 64, 128, 10);
  add_linear(problems, m, "resnet", 8, 2048, 1000);
  add_planes(problems, m, 8, 64, 56, 64);
  add_planes(problems, m, 1, 256, 14, 14);
  for (const int64_t rows : {128, 256, 400})
    for (const auto& [in, of] : {std::pair<int64_t, int64_t>{3072, 768}, {2048, 512}, {4096, 1024}})
      add_linear(problems, m, "near", rows, in, of);
  std::printf("%d threads; milliseconds, oneDNN's time over that of our products\n%-38s", num_threads(), "");
  for (const Kernel& k : kKernels) std::printf(" %9s", k.name);
  std::printf("\n");
  for (const Problem& p : problems)
    if (p.name.starts_with(wanted)) measure(p, m, rounds);
}
