#include <algorithm>

#include "base/parallel.h"
#include "kernels/conv_gemm_grad.h"
#include "kernels/conv_layout.h"
#include "kernels/conv_views.h"
#include "kernels/cut.h"
#include "kernels/gemm.h"
#include "kernels/outer_products.h"
#include "kernels/scratch.h"

namespace ingot::kernels {
namespace {

/// As in conv_gemm.cpp: of few channels, a window's row is one tap.
constexpr int64_t kFewChannels = 8;

/// All images' pixels, which lie at one distance, as one column of an image.
Array as_column(const Array& a) {
  Array column = a;
  column.shape[0] = 1, column.shape[2] = a.shape[0] * a.shape[2] * a.shape[3], column.shape[3] = 1;
  column.strides[2] = pixel_distance(a);
  return column;
}

/// The pixels that the products are of: x's and the gradient's.
struct Sides {
  bool even;  // the pixels of x are those of g, each side's at one distance: columns of one image then
  Array x, g;

  Sides(const Array& of_x, const Array& of_g, const ConvGeometry& c, const Array& dw)
      : even(has_even_images(of_x) && has_even_images(of_g) && reads_own_pixels(of_x, dw, c, of_g)),
        x(even ? as_column(of_x) : of_x),
        g(even ? as_column(of_g) : of_g) {}
};

/// What follows from the sizes alone. The result [O][taps][columns] is cut into blocks, the pixels into pieces that are
/// copied in strips of neighbouring channels; where blocks are few, splits of the pieces have sums of their own.
struct Plan {
  int64_t channels, outputs, groups;  // channels, outputs: of one group
  bool joined;
  int64_t taps, columns;          // of the result
  int64_t row_width, width;       // of strips of outputs and of columns
  Cut row_strips, column_strips;  // of a group, into blocks
  int64_t images;                 // of a piece,
  Cut bands;                      // or rows of an image
  int64_t pieces;
  Cut splits;                             // of the pieces
  Pair keep, step;                        // which pixels of x are copied, and how far apart an output's are in the copy
  int64_t out_width, copied_width;        // of g and of the copy
  int64_t row_strip, column_strip, size;  // floats from one strip to the next, and of all sums of a split
  int64_t x_floats, g_floats, sums_floats;

  Plan(const Array& x, const Array& g, const ConvGeometry& c, const Array& dw)
      : channels(dw.shape[1]), outputs(dw.shape[0] / c.groups), groups(c.groups), out_width(g.shape[3]) {
    const int64_t kh = dw.shape[2], kw = dw.shape[3];
    joined = groups == 1 && channels <= kFewChannels && c.dilation.w == 1 && kw > 1;
    taps = joined ? kh : kh * kw, columns = joined ? kw * channels : channels;
    width = gemm::tile().columns, row_width = outer::row_width();
    cut_pixels(x, g);
    cut_result();
    keep = {kh == 1 ? c.stride.h : 1, kw == 1 ? c.stride.w : 1};
    step = {kh == 1 ? 1 : c.stride.h, kw == 1 ? 1 : c.stride.w};
    copied_width = (out_width - 1) * step.w + (kw - 1) * c.dilation.w + 1;
    const int64_t rows = copied_rows(bands.most(), c, kh);
    row_strip = images * bands.most() * out_width * row_width;
    column_strip = joined ? width : images * rows * copied_width * width;
    g_floats = row_strips.most() * row_strip;
    x_floats = joined ? images * rows * copied_width * channels + column_strips.most() * width
                      : column_strips.most() * column_strip;
    sums_floats = column_strips.most() * row_strips.most() * taps * row_width * width;
    size = groups * outputs * taps * columns;
  }
  int64_t copied_rows(int64_t rows, const ConvGeometry& c, int64_t kh) const {
    return (rows - 1) * step.h + (kh - 1) * c.dilation.h + 1;
  }
  int64_t jobs() const { return groups * row_strips.parts * column_strips.parts * splits.parts; }

 private:
  /// A strip of a piece's pixels should stay in the first-level cache, and its sums be long.
  void cut_pixels(const Array& x, const Array& g) {
    constexpr int64_t kPixels = 192;
    const int64_t height = g.shape[2];
    images = std::clamp<int64_t>(kPixels / (height * out_width), 1, x.shape[0]);
    bands = {height, parts_of(height, std::max<int64_t>(1, kPixels / out_width))};
    pieces = parts_of(x.shape[0], images) * bands.parts;
  }
  /// A block's sums and its strips of a piece should stay in the second-level cache.
  void cut_result() {
    constexpr int64_t kSums = 64 * 1024, kColumns = 256, kTapColumns = 64, kJobs = 16;
    const int64_t most = std::max<int64_t>(1, (taps == 1 ? kColumns : kTapColumns) / width);
    column_strips.count = parts_of(columns, width);
    column_strips.parts = parts_of(column_strips.count, most);
    row_strips.count = parts_of(outputs, row_width);
    const int64_t strip_sums = taps * column_strips.most() * width * row_width;
    row_strips.parts = parts_of(row_strips.count, std::max<int64_t>(1, kSums / strip_sums));
    const int64_t blocks = groups * column_strips.parts * row_strips.parts;
    splits = {pieces, std::clamp<int64_t>(parts_of(kJobs, blocks), 1, pieces)};
  }
};

/// What one thread works in.
struct Room {
  float *x, *g;
  float* sums;  // of a block, [column strip][row strip][tap][row_width][width]
  Room(const Plan& p, Scratch& s)
      : x(s.array<float>(p.x_floats)), g(s.array<float>(p.g_floats)), sums(s.array<float>(p.sums_floats)) {}
};
/// `sums`: [split][O][taps][columns], or none where the result takes them.
struct Memory {
  float* sums;
  Rooms<Plan, Room> rooms;
  Memory(const Plan& p, bool in_place, Scratch& s)
      : sums(in_place ? nullptr : s.array<float>(p.splits.parts * p.size)), rooms(p, num_threads(), s) {}
};
bool in_place(const Plan& p, const Array& dw) { return p.splits.parts == 1 && is_channels_last(dw); }

class GradWeight {
 public:
  GradWeight(const Sides& sides, const ConvGeometry& geometry, const Array& dw, const Plan& p, const Memory& memory)
      : even_(sides.even), x_(sides.x), g_(sides.g), dw_(dw), c_(geometry), p_(p), memory_(memory) {}

  void run_job(int64_t job, int thread) const {
    const Room room = memory_.rooms.of(thread);
    const int64_t split = job % p_.splits.parts, block = job / p_.splits.parts;
    const Part part{.columns = block % p_.column_strips.parts,
                    .rows = block / p_.column_strips.parts % p_.row_strips.parts,
                    .group = block / (p_.column_strips.parts * p_.row_strips.parts)};
    for (int64_t i = 0; i < p_.splits.size(split); ++i) {
      const Piece at = piece_of(p_.splits.begin(split) + i);
      copy_g(at, part, room.g);
      p_.joined ? copy_x_rows(at, room.x) : copy_x(at, part, room.x);
      const Piece next = i + 1 < p_.splits.size(split) ? piece_of(p_.splits.begin(split) + i + 1) : Piece{};
      add(at, next, part, room, i == 0);
    }
    write(part, room.sums, memory_.sums == nullptr ? dw_.as<float>() : memory_.sums + split * p_.size);
  }

 private:
  struct Part {
    int64_t columns, rows, group;
  };
  struct Piece {
    int64_t first, images, row, rows;
  };

  Piece piece_of(int64_t index) const {
    const int64_t first = index / p_.bands.parts * p_.images, band = index % p_.bands.parts;
    return {.first = first,
            .images = std::min(p_.images, x_.shape[0] - first),
            .row = p_.bands.begin(band),
            .rows = p_.bands.size(band)};
  }

  /// `count` channels from this one on, of a piece of pixels that lie at one distance.
  static outer::Pixels pixels_of(const Array& a, const Piece& at, int64_t channel, int64_t count) {
    return {.data = a.as<float>() + at.row * a.strides[2] + channel,
            .step = a.strides[2],
            .count = at.rows,
            .channels = count};
  }
  outer::Pixels pixels_of_g(const Piece& at, const Part& part) const {
    const int64_t begin = p_.row_strips.begin(part.rows) * p_.row_width;
    return pixels_of(g_, at, part.group * p_.outputs + begin,
                     std::min(p_.outputs - begin, p_.row_strips.size(part.rows) * p_.row_width));
  }
  outer::Pixels pixels_of_x(const Piece& at, const Part& part) const {
    const int64_t begin = p_.column_strips.begin(part.columns) * p_.width;
    return pixels_of(x_, at, part.group * p_.channels + begin,
                     std::min(p_.channels - begin, p_.column_strips.size(part.columns) * p_.width));
  }

  void copy_g(const Piece& at, const Part& part, float* to) const {
    if (even_) return outer::copy_strips(pixels_of_g(at, part), p_.row_width, p_.row_strip, to);
    const View v = view_of(g_);
    const int64_t begin = p_.row_strips.begin(part.rows) * p_.row_width;
    const int64_t count = std::min(p_.outputs - begin, p_.row_strips.size(part.rows) * p_.row_width);
    for (int64_t n = at.first; n < at.first + at.images; ++n)
      for (int64_t y = at.row; y < at.row + at.rows; ++y) {
        const float* from = g_.as<float>() + n * v.image + y * v.row + part.group * p_.outputs + begin;
        outer::copy_strips({from, v.pixel, p_.out_width, count}, p_.row_width, p_.row_strip, to);
        to += p_.out_width * p_.row_width;
      }
  }

  /// The columns of the copy that are x's own.
  struct Range {
    int64_t begin, end;
  };
  Range inner_columns() const {
    const int64_t keep = p_.keep.w, left = c_.padding.left;
    const int64_t end = std::clamp<int64_t>(parts_of(x_.shape[3] + left, keep), 0, p_.copied_width);
    return {std::clamp<int64_t>(parts_of(left, keep), 0, end), end};
  }

  /// Calls f(row of x or none, index of the copied row) for each row that the piece reads.
  template <class F>
  void for_rows(const Piece& at, const F& f) const {
    const int64_t rows = p_.copied_rows(at.rows, c_, dw_.shape[2]);
    for (int64_t n = 0; n < at.images; ++n)
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t y = at.row * c_.stride.h + r * p_.keep.h - c_.padding.top;
        const bool inside = y >= 0 && y < x_.shape[2];
        f(inside ? x_.as<float>() + (at.first + n) * x_.strides[0] + y * x_.strides[2] : nullptr, n * rows + r);
      }
  }

  void copy_x(const Piece& at, const Part& part, float* to) const {
    if (even_) return outer::copy_strips(pixels_of_x(at, part), p_.width, p_.column_strip, to);
    const int64_t begin = p_.column_strips.begin(part.columns) * p_.width;
    const int64_t count = std::min(p_.channels - begin, p_.column_strips.size(part.columns) * p_.width);
    const auto zeros = [&](int64_t pixels, float* out) {
      for (int64_t s = 0; s < p_.column_strips.size(part.columns); ++s)
        std::fill_n(out + s * p_.column_strip, pixels * p_.width, 0.0f);
    };
    const Range inside = inner_columns();
    for_rows(at, [&](const float* row, int64_t index) {
      float* const out = to + index * p_.copied_width * p_.width;
      if (row == nullptr) return zeros(p_.copied_width, out);
      zeros(inside.begin, out);
      const float* from = row + (inside.begin * p_.keep.w - c_.padding.left) * x_.strides[3];
      outer::copy_strips(
          {from + part.group * p_.channels + begin, p_.keep.w * x_.strides[3], inside.end - inside.begin, count},
          p_.width, p_.column_strip, out + inside.begin * p_.width);
      zeros(p_.copied_width - inside.end, out + inside.end * p_.width);
    });
  }

  /// All channels of a pixel side by side.
  void copy_x_rows(const Piece& at, float* to) const {
    const Range inside = inner_columns();
    for_rows(at, [&](const float* row, int64_t index) {
      float* pixel = to + index * p_.copied_width * p_.channels;
      std::fill_n(pixel, p_.copied_width * p_.channels, 0.0f);
      if (row == nullptr) return;
      pixel += inside.begin * p_.channels;
      const float* from = row + (inside.begin - c_.padding.left) * x_.strides[3];
      for (int64_t i = inside.begin; i < inside.end; ++i, from += x_.strides[3], pixel += p_.channels)
        std::copy_n(from, p_.channels, pixel);
    });
  }

  /// While the products run, the next piece's pixels are fetched.
  void add(const Piece& at, const Piece& next, const Part& part, const Room& room, bool first) const {
    const int64_t pixel = p_.joined ? p_.channels : p_.width, copied_row = p_.copied_width * pixel;
    const int64_t copied_rows = p_.copied_rows(at.rows, c_, dw_.shape[2]);
    outer::Block block{.a = {.data = room.g,
                             .plane = at.rows * p_.out_width * p_.row_width,
                             .row = p_.out_width * p_.row_width,
                             .step = p_.row_width},
                       .b = {.data = room.x,
                             .plane = copied_rows * copied_row,
                             .row = p_.step.h * copied_row,
                             .step = p_.step.w * pixel},
                       .planes = at.images,
                       .rows = at.rows,
                       .length = p_.out_width,
                       .sums = room.sums,
                       .sums_stride = p_.width,
                       .columns = p_.width,
                       .first = first};
    block = block.joined();
    outer::Ahead ahead[2];
    if (even_) ahead[0] = outer::Ahead(pixels_of_g(next, part)), ahead[1] = outer::Ahead(pixels_of_x(next, part));
    const int64_t kw = p_.joined ? 1 : dw_.shape[3];
    for (int64_t s = 0; s < p_.column_strips.size(part.columns); ++s)
      for (int64_t r = 0; r < p_.row_strips.size(part.rows); ++r) {
        const int64_t rows = rows_of(part, r);
        for (int64_t t = 0; t < p_.taps; ++t, block.sums += p_.row_width * p_.width) {
          block.b.data =
              room.x + s * p_.column_strip + t / kw * c_.dilation.h * copied_row + t % kw * c_.dilation.w * pixel;
          block.a.data = room.g + r * p_.row_strip;
          if (even_) block.ahead = ahead[0].is_done() ? &ahead[1] : &ahead[0];
          outer::run(rows, block);
        }
      }
  }

  /// Outputs of a row strip of a part.
  int64_t rows_of(const Part& part, int64_t strip) const {
    return std::min(p_.row_width, p_.outputs - (p_.row_strips.begin(part.rows) + strip) * p_.row_width);
  }

  /// A block's sums to where they belong in [O][taps][columns].
  void write(const Part& part, const float* sums, float* to) const {
    for (int64_t s = 0; s < p_.column_strips.size(part.columns); ++s) {
      const int64_t column = (p_.column_strips.begin(part.columns) + s) * p_.width;
      const int64_t count = std::min(p_.width, p_.columns - column);
      for (int64_t r = 0; r < p_.row_strips.size(part.rows); ++r) {
        const int64_t first = part.group * p_.outputs + (p_.row_strips.begin(part.rows) + r) * p_.row_width;
        for (int64_t t = 0; t < p_.taps; ++t, sums += p_.row_width * p_.width)
          for (int64_t row = 0; row < rows_of(part, r); ++row)
            std::copy_n(sums + row * p_.width, count, to + ((first + row) * p_.taps + t) * p_.columns + column);
      }
    }
  }

  const bool even_;
  const Array &x_, &g_, &dw_;
  const ConvGeometry& c_;
  const Plan& p_;
  const Memory& memory_;
};

/// The splits' sums, in their order, into the first.
void add_splits(const Plan& p, float* sums) {
  parallel_for(p.size, 1 << 13, [&](int64_t begin, int64_t end) {
    for (int64_t split = 1; split < p.splits.parts; ++split) {
      const float* const other = sums + split * p.size;
      for (int64_t i = begin; i < end; ++i) sums[i] += other[i];
    }
  });
}

}  // namespace

bool conv_gemm_grad_weight_supports(const Array& x, const Array& g, const Array& dweight) {
  return has_own_gradient(x, g, dweight);
}

size_t conv_gemm_grad_weight_scratch(const Array& x, const Array& g, const ConvGeometry& geometry,
                                     const Array& dweight) {
  const Sides sides(x, g, geometry, dweight);
  const Plan p(sides.x, sides.g, geometry, dweight);
  Scratch count(nullptr);
  Memory(p, in_place(p, dweight), count);
  return count.used();
}

void conv_gemm_grad_weight(const Array& x, const Array& g, const ConvGeometry& geometry, const Array& dweight,
                           void* scratch) {
  const Sides sides(x, g, geometry, dweight);
  const Plan p(sides.x, sides.g, geometry, dweight);
  Scratch pieces(scratch);
  const Memory memory(p, in_place(p, dweight), pieces);
  const GradWeight work(sides, geometry, dweight, p, memory);
  parallel_jobs(p.jobs(), [&](int64_t job, int thread) { work.run_job(job, thread); });
  if (memory.sums == nullptr) return;
  add_splits(p, memory.sums);
  copy_4d(channels_last(dweight, DType::f32, memory.sums), dweight);
}

}  // namespace ingot::kernels
