#include "kernels/matmul_gemm.h"

#include <algorithm>

#include "base/parallel.h"
#include "kernels/cut.h"
#include "kernels/gemm.h"
#include "kernels/matmul_plain.h"
#include "kernels/outer_products.h"
#include "kernels/scratch.h"
#include "kernels/transpose.h"

namespace ingot::kernels {
namespace {

/// A deep sum goes in pieces of about so many k, each of which is added to the results: what a block of rows has of it
/// stays in the second-level cache while the strips pass by. In steps of the micro-kernel.
constexpr int64_t kMostDepth = 800, kStep = 8;

bool has_runs(const Matrix& m) { return m.column_stride == 1 || m.columns <= 1; }

/// y^T = b^T a^T where y lies by columns.
Product oriented(const Product& p, bool bias) {
  return !bias && !has_runs(p.y) && has_runs(p.y.transposed()) ? p.transposed() : p;
}

/// What follows from the sizes and strides alone. Of each matrix of the batch, rows are cut into blocks and strips of
/// columns into parts; a job is a part of a block.
struct Plan {
  Product product;
  bool packs_rows, scatters;  // rows of a, or those of y, are no runs
  int64_t depth, pieces;      // of k
  Cut blocks, strips;
  bool packs_ahead;  // all of b before the products; else each job its own part of it

  Plan(const Array& a, const Array& b, const Array& bias, const Array& y)
      : product(oriented(Product(a, b, y), static_cast<bool>(bias))),
        packs_rows(!has_runs(product.a)),
        scatters(!has_runs(product.y)),
        depth(even_part(product.a.columns, kMostDepth, kStep)),
        pieces(parts_of(product.a.columns, depth)) {
    cut_result();
  }
  int64_t jobs() const { return product.batch_size() * blocks.parts * strips.parts; }
  int64_t most_columns() const { return strips.most() * gemm::tile().columns; }
  /// Of one matrix, when packed.
  int64_t columns_size() const { return strips.count * gemm::tile().columns * product.b.rows; }

 private:
  /// A block's piece of a should stay in the second-level cache while the strips pass by, with what a job packs; jobs
  /// be enough for threads that are not equally fast, and long enough to be worth one.
  void cut_result() {
    constexpr int64_t kBlock = 40 * 1024, kFewest = 48, kMost = 240, kPacked = 32 * 1024, kFewProducts = 1 << 15,
                      kJobs = 16;
    const Matrix& y = product.y;
    blocks = {y.rows, parts_of(y.rows, std::clamp(kBlock / depth, kFewest, kMost))};
    strips.count = gemm::strips_of(y.columns);
    const int64_t whole = product.batch_size() * blocks.parts;
    const int64_t products = product.batch_size() * y.rows * y.columns * product.a.columns;
    strips.parts = std::clamp<int64_t>(std::min(kJobs, products / kFewProducts) / whole, 1, strips.count);
    packs_ahead = columns_size() > kPacked && blocks.parts > 1;
  }
};

/// What one thread works in.
struct Room {
  const float** pointers;
  float *sums, *columns, *rows, *out;  // packed columns of b, packed rows of a, results that are yet to be scattered

  Room(const Plan& p, Scratch& s)
      : pointers(s.array<const float*>(gemm::Panels::size(p.blocks.most(), 1))),
        sums(s.array<float>(gemm::sums_size(gemm::panels_of(p.blocks.most())))),
        columns(p.packs_ahead ? nullptr : s.array<float>(p.depth * p.most_columns())),
        rows(p.packs_rows ? s.array<float>(p.blocks.most() * p.depth) : nullptr),
        out(p.scatters ? s.array<float>(p.blocks.most() * p.most_columns()) : nullptr) {}
};
bool is_dense(const Array& bias) { return bias.strides[0] == 1 || bias.shape[0] == 1; }
struct Memory {
  float* bias;     // a copy, where its values are not side by side
  float* columns;  // [matrix][piece of k][strip][k][width]
  Rooms<Plan, Room> rooms;

  Memory(const Plan& p, const Array& b, Scratch& s)
      : bias(b && !is_dense(b) ? s.array<float>(b.shape[0]) : nullptr),
        columns(p.packs_ahead ? s.array<float>(p.product.batch_size() * p.columns_size()) : nullptr),
        rooms(p, num_threads(), s) {}
};

struct Range {
  int64_t begin, size;
};
Matrix part_of(const Matrix& m, int64_t offset, Range rows, Range columns) {
  Matrix part = m;
  part.data = static_cast<float*>(m.data) + offset + rows.begin * m.row_stride + columns.begin * m.column_stride;
  part.rows = rows.size, part.columns = columns.size;
  return part;
}

/// A matrix to one whose rows are runs of `stride`.
void copy_to_runs(const Matrix& m, float* to, int64_t stride) {
  const auto* const from = static_cast<const float*>(m.data);
  if (m.row_stride == 1) return transpose_32(from, m.column_stride, to, stride, m.rows, m.columns);
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t c = 0; c < m.columns; ++c) to[r * stride + c] = from[r * m.row_stride + c * m.column_stride];
}

/// Strips as gemm::Weights has them.
void pack_columns(const Matrix& b, float* to) {
  const int64_t width = gemm::tile().columns, strip = b.rows * width;
  if (b.column_stride == 1)
    return outer::copy_strips({static_cast<const float*>(b.data), b.row_stride, b.rows, b.columns}, width, strip, to);
  for (int64_t c = 0; c < b.columns; c += width, to += strip) {
    const int64_t count = std::min(width, b.columns - c);
    copy_to_runs(part_of(b, 0, {0, b.rows}, {c, count}), to, width);
    if (count < width)
      for (int64_t k = 0; k < b.rows; ++k) std::fill(to + k * width + count, to + (k + 1) * width, 0.0f);
  }
}

/// Rows of runs to where they belong.
void scatter(const float* from, const Matrix& y) {
  auto* const to = static_cast<float*>(y.data);
  if (y.row_stride == 1) return transpose_32(from, y.columns, to, y.column_stride, y.columns, y.rows);
  for (int64_t r = 0; r < y.rows; ++r)
    for (int64_t c = 0; c < y.columns; ++c) to[r * y.row_stride + c * y.column_stride] = *from++;
}

class Multiplication {
 public:
  Multiplication(const Plan& p, const float* bias, const Memory& memory) : p_(p), bias_(bias), memory_(memory) {}

  /// All matrices' columns, a few strips of a piece at a time.
  void pack_ahead() const {
    constexpr int64_t kStrips = 4;
    const Cut groups{p_.strips.count, parts_of(p_.strips.count, kStrips)};
    const int64_t pieces = p_.pieces;
    parallel_jobs(p_.product.batch_size() * pieces * groups.parts, [&](int64_t job, int) {
      const int64_t group = job % groups.parts, piece = job / groups.parts % pieces;
      const int64_t matrix = job / (groups.parts * pieces);
      pack(matrix, piece, {groups.begin(group), groups.size(group)}, packed(matrix, piece, groups.begin(group)));
    });
  }

  void run_job(int64_t job, int thread) const {
    const Room room = memory_.rooms.of(thread);
    const int64_t part = job % p_.strips.parts, block = job / p_.strips.parts % p_.blocks.parts;
    const int64_t matrix = job / (p_.strips.parts * p_.blocks.parts);
    const Range strips{p_.strips.begin(part), p_.strips.size(part)};
    const Range rows{p_.blocks.begin(block), p_.blocks.size(block)};
    for (int64_t piece = 0; piece < p_.pieces; ++piece) {
      if (!p_.packs_ahead) pack(matrix, piece, strips, room.columns);
      multiply(matrix, piece, rows, strips, room);
    }
    if (p_.scatters) scatter(room.out, part_of(p_.product.y, p_.product.offsets(matrix).y, rows, columns_of(strips)));
  }

 private:
  Range columns_of(Range strips) const {
    const int64_t width = gemm::tile().columns, begin = strips.begin * width;
    return {begin, std::min(strips.size * width, p_.product.y.columns - begin)};
  }
  Range depth_of(int64_t piece) const {
    const int64_t begin = piece * p_.depth;
    return {begin, std::min(p_.depth, p_.product.a.columns - begin)};
  }

  float* packed(int64_t matrix, int64_t piece, int64_t strip) const {
    return memory_.columns + matrix * p_.columns_size() +
           gemm::tile().columns * (p_.strips.count * depth_of(piece).begin + strip * depth_of(piece).size);
  }
  void pack(int64_t matrix, int64_t piece, Range strips, float* to) const {
    pack_columns(part_of(p_.product.b, p_.product.offsets(matrix).b, depth_of(piece), columns_of(strips)), to);
  }

  /// Adds a piece's products to the results.
  void multiply(int64_t matrix, int64_t piece, Range rows, Range strips, const Room& room) const {
    const BatchDim at = p_.product.offsets(matrix);
    const Range depth = depth_of(piece), columns = columns_of(strips);
    const Matrix a = part_of(p_.product.a, at.a, rows, depth), y = part_of(p_.product.y, at.y, rows, columns);
    const auto* row = static_cast<const float*>(a.data);
    if (p_.packs_rows) copy_to_runs(a, room.rows, depth.size), row = room.rows;
    const int64_t row_stride = p_.packs_rows ? depth.size : a.row_stride;
    gemm::Panels panels(room.pointers);
    panels.cut(rows.size, 1);
    panels.fill([&](const float** pointer) { *pointer = row, row += row_stride; });

    gemm::Output output{.columns = columns.size,
                        .data = p_.scatters ? room.out : static_cast<float*>(y.data),
                        .stride = p_.scatters ? columns.size : y.row_stride};
    if (piece > 0)
      output.residual = output.data, output.residual_stride = output.stride;
    else if (bias_ != nullptr)
      output.bias = bias_ + columns.begin;
    const gemm::Product product{.rows = &panels,
                                .shape = {.depth = depth.size},
                                .weights = p_.packs_ahead ? packed(matrix, piece, strips.begin) : room.columns,
                                .output = output};
    gemm::multiply(product, 0, strips.size, room.sums);
  }

  const Plan& p_;
  const float* bias_;
  const Memory& memory_;
};

}  // namespace

bool matmul_gemm_supports(const Array& a, const Array& b, const Array& bias, const Array& y) {
  return a.dtype == DType::f32 && b.dtype == DType::f32 && y.dtype == DType::f32 && (!bias || bias.dtype == DType::f32);
}

size_t matmul_gemm_scratch(const Array& a, const Array& b, const Array& bias, const Array& y) {
  if (y.numel() == 0 || a.shape[a.rank - 1] == 0) return 0;
  const Plan p(a, b, bias, y);
  Scratch count(nullptr);
  Memory(p, bias, count);
  return count.used();
}

void matmul_gemm(const Array& a, const Array& b, const Array& bias, const Array& y, void* scratch) {
  if (y.numel() == 0) return;
  if (a.shape[a.rank - 1] == 0) return matmul_plain(Product(a, b, y), bias);
  const Plan p(a, b, bias, y);
  Scratch pieces(scratch);
  const Memory memory(p, bias, pieces);
  const float* values = bias ? bias.as<float>() : nullptr;
  if (memory.bias != nullptr) {
    for (int64_t n = 0; n < bias.shape[0]; ++n) memory.bias[n] = values[n * bias.strides[0]];
    values = memory.bias;
  }
  const Multiplication work(p, values, memory);
  if (p.packs_ahead) work.pack_ahead();
  parallel_jobs(p.jobs(), [&](int64_t job, int thread) { work.run_job(job, thread); });
}

}  // namespace ingot::kernels
