#include "kernels/conv_gemm.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "kernels/conv_views.h"
#include "kernels/cut.h"
#include "kernels/gemm.h"
#include "kernels/packed_weights.h"
#include "kernels/scratch.h"

namespace ingot::kernels {
namespace {

/// Of few channels a tap is too short a sum: then a window's row, whose pixels lie side by side in a padded copy of the
/// input rows, is one tap. The weights lie the same.
constexpr int64_t kFewChannels = 8;

using Siblings = std::span<const ConvArgs>;

bool all_of(Siblings siblings, bool (*holds)(const Array&)) {
  return holds(siblings[0].x) && std::all_of(siblings.begin(), siblings.end(), [&](const ConvArgs& a) {
           return holds(a.y) && (!a.residual || holds(a.residual));
         });
}
bool is_empty(Siblings siblings) {
  return std::all_of(siblings.begin(), siblings.end(), [](const ConvArgs& a) { return a.y.numel() == 0; });
}
int64_t outputs_of(const ConvArgs& a) { return a.weight.shape[0] / a.geometry.groups; }  // of one group

/// What follows from the sizes alone.
struct Plan {
  int64_t channels, outputs;          // of one group; of the sibling that has most
  int64_t images, out_width, pixels;  // pixels of an image; all images are one where their pixels lie evenly
  int64_t distance;                   // of pixels, each of which is an output's window, in x; 0 where windows are else
  bool joined;                        // a tap is a window's row
  bool scattered;                     // some y's pixels are not at one distance
  gemm::Weights weights;
  Cut blocks;      // of an image's pixels, into jobs
  int64_t strips;  // of columns of one group and all siblings
  Cut parts;       // of these, into jobs
  int64_t jobs;
  int64_t band_rows, band_width;  // of the padded copy, in pixels

  explicit Plan(Siblings siblings) : outputs(0), scattered(false), strips(0) {
    const ConvArgs& a = siblings[0];
    const ConvGeometry& g = a.geometry;
    const int64_t kh = a.weight.shape[2], kw = a.weight.shape[3];
    channels = a.weight.shape[1];
    for (const ConvArgs& sibling : siblings) {
      outputs = std::max(outputs, outputs_of(sibling));
      strips += gemm::strips_of(outputs_of(sibling));
      scattered |= !has_even_pixels(sibling.y);
    }
    images = a.x.shape[0], out_width = a.y.shape[3], pixels = a.y.shape[2] * out_width;
    distance = reads_own_pixels(a.x, a.weight, g, a.y) && has_even_pixels(a.x) ? pixel_distance(a.x) : 0;
    if (distance > 0 && all_of(siblings, has_even_images)) pixels *= images, images = 1;
    joined = g.groups == 1 && channels <= kFewChannels && g.dilation.w == 1 && kw > 1 && g.padding.left >= 0;
    weights.taps = static_cast<int>(joined ? kh : kh * kw);
    weights.depth = joined ? kw * channels : channels;
    cut(a);
    band_rows = ((blocks.most() + out_width - 2) / out_width) * g.stride.h + (kh - 1) * g.dilation.h + 1;
    band_width = std::max(a.x.shape[3] + g.padding.left, (out_width - 1) * g.stride.w + kw);
  }

 private:
  /// A job's pixels should stay in the second-level cache while the strips pass by, jobs be enough for threads that are
  /// not equally fast, and pointers be made once: by parts of the columns where there are too few pixels only. Depends
  /// on the sizes alone.
  void cut(const ConvArgs& a) {
    constexpr int64_t kBlockFloats = 32 * 1024, kFew = 96, kFewest = 24, kOneBlock = 64, kMost = 1024, kJobs = 16;
    const int64_t planes = std::max<int64_t>(1, images * a.geometry.groups);
    const int64_t read = joined ? weights.depth : channels;  // of a pixel, about
    const int64_t most = distance > 0 ? kMost : std::max(kFewest, kBlockFloats / read), least = std::min(kFew, most);
    const int64_t wanted = std::clamp(planes * pixels / kJobs, least, most);
    blocks = {pixels, pixels <= kOneBlock ? 1 : parts_of(pixels, wanted)};
    parts = {strips, std::min(parts_of(kJobs, planes * blocks.parts), strips)};
    jobs = images * a.geometry.groups * blocks.parts * parts.parts;
  }
};

/// What one thread works in.
struct Room {
  const float** pointers;
  float *sums, *band, *out;  // out: results that are yet to be scattered

  Room(const Plan& p, Scratch& s)
      : pointers(s.array<const float*>(gemm::Panels::size(p.blocks.most(), p.weights.taps))),
        sums(s.array<float>(gemm::sums_size(gemm::panels_of(p.blocks.most())))),
        band(p.joined ? s.array<float>(p.band_rows * p.band_width * p.channels) : nullptr),
        out(p.scattered ? s.array<float>(p.blocks.most() * p.outputs) : nullptr) {}
};
struct Memory {
  float* zeros;
  Rooms<Plan, Room> rooms;

  Memory(const Plan& p, Scratch& s) : zeros(s.array<float>(p.channels)), rooms(p, num_threads(), s) {}
};

/// The pixels of an image from one on, in their order.
class Pixels {
 public:
  Pixels(int64_t first, int64_t width) : width_(width), row_(first / width), column_(first % width) {}
  int64_t row() const { return row_; }
  int64_t column() const { return column_; }
  void advance() {
    if (++column_ == width_) column_ = 0, ++row_;
  }

 private:
  int64_t width_, row_, column_;
};

/// Points a row to each tap's pixel, or to zeros where that is padding.
void point_to_taps(const ConvArgs& a, const float* image, const float* zeros, const Pixels& at,
                   const float** pointers) {
  const ConvGeometry& g = a.geometry;
  const View view = view_of(a.x);
  const int64_t most = gemm::tile().rows, kh = a.weight.shape[2], kw = a.weight.shape[3];
  const int64_t height = a.x.shape[2], width = a.x.shape[3];
  const int64_t left = at.column() * g.stride.w - g.padding.left;
  int64_t y = at.row() * g.stride.h - g.padding.top;
  for (int64_t u = 0; u < kh; ++u, y += g.dilation.h) {
    const bool row_inside = y >= 0 && y < height;
    const float* pixel = image + y * view.row + left * view.pixel;
    for (int64_t v = 0, x = left; v < kw; ++v, x += g.dilation.w, pointers += most) {
      *pointers = row_inside && x >= 0 && x < width ? pixel : zeros;
      pixel += g.dilation.w * view.pixel;
    }
  }
}

/// The input rows that pixels [begin, end) read, padded on all sides, pixels side by side.
void copy_band(const ConvArgs& a, const Plan& p, const float* image, int64_t begin, int64_t end, float* band) {
  const ConvGeometry& g = a.geometry;
  const View v = view_of(a.x);
  const int64_t top = begin / p.out_width * g.stride.h - g.padding.top;
  const int64_t rows =
      ((end - 1) / p.out_width - begin / p.out_width) * g.stride.h + (a.weight.shape[2] - 1) * g.dilation.h + 1;
  std::fill(band, band + rows * p.band_width * p.channels, 0.0f);
  for (int64_t r = 0; r < rows; ++r) {
    if (top + r < 0 || top + r >= a.x.shape[2]) continue;
    const float* from = image + (top + r) * v.row;
    float* to = band + (r * p.band_width + g.padding.left) * p.channels;
    if (v.pixel == p.channels) {
      std::memcpy(to, from, static_cast<size_t>(a.x.shape[3] * p.channels) * sizeof(float));
      continue;
    }
    for (int64_t x = 0; x < a.x.shape[3]; ++x, from += v.pixel, to += p.channels) std::copy_n(from, p.channels, to);
  }
}

/// Some columns of the results of pixels [begin, end) to where they belong.
void scatter(const ConvArgs& a, const Plan& p, const float* from, float* image, int64_t begin, int64_t end,
             int64_t first_column, int64_t end_column) {
  const View v = view_of(a.y);
  Pixels at(begin, p.out_width);
  for (int64_t i = begin; i < end; ++i, from += p.outputs, at.advance())
    std::copy(from + first_column, from + end_column, image + at.row() * v.row + at.column() * v.pixel + first_column);
}

/// Pixels [begin, end) of one group of one image.
struct Block {
  int64_t n, group, begin, end;
};

/// Points rows at what the block's pixels read.
void gather(const ConvArgs& a, const Plan& p, const Block& block, const Room& room, const float* zeros,
            gemm::Panels& rows) {
  const ConvGeometry& g = a.geometry;
  const float* const image = a.x.as<float>() + block.n * a.x.strides[0] + block.group * p.channels;
  rows.cut(block.end - block.begin, p.weights.taps);
  Pixels pixels(block.begin, p.out_width);
  if (p.joined) {
    copy_band(a, p, image, block.begin, block.end, room.band);
    const int64_t first = pixels.row(), most = gemm::tile().rows, tap = g.dilation.h * p.band_width * p.channels;
    rows.fill([&](const float** pointers) {
      const int64_t row = (pixels.row() - first) * g.stride.h, column = pixels.column() * g.stride.w;
      const float* at = room.band + (row * p.band_width + column) * p.channels;
      for (int t = 0; t < p.weights.taps; ++t) pointers[t * most] = at + t * tap;
      pixels.advance();
    });
  } else if (p.distance > 0) {
    const float* at = image + block.begin * p.distance;
    rows.fill([&](const float** pointers) {
      *pointers = at;
      at += p.distance;
    });
  } else {
    rows.fill([&](const float** pointers) {
      point_to_taps(a, image, zeros, pixels, pointers);
      pixels.advance();
    });
  }
}

/// Strips [begin, end) of one sibling's results.
void multiply(const ConvArgs& a, const Plan& p, const Block& block, const gemm::Panels& rows, const float* weights,
              int64_t begin, int64_t end, const Room& room) {
  const int64_t outputs = outputs_of(a), distance = pixel_distance(a.y), column = block.group * outputs;
  const bool scattered = !has_even_pixels(a.y);
  float* const y = a.y.as<float>() + block.n * a.y.strides[0] + column;
  gemm::Output output{.columns = outputs,
                      .data = scattered ? room.out : y + block.begin * distance,
                      .stride = scattered ? outputs : distance,
                      .activation = a.activation,
                      .alpha = a.alpha};
  if (a.bias) output.bias = a.bias.as<float>() + column;
  if (a.residual) {
    output.residual_stride = pixel_distance(a.residual);
    output.residual =
        a.residual.as<float>() + block.n * a.residual.strides[0] + block.begin * output.residual_stride + column;
  }
  gemm::multiply({.rows = &rows,
                  .row_distance = p.distance,
                  .shape = p.weights,
                  .weights = weights + block.group * p.weights.packed_size(outputs),
                  .output = output},
                 begin, end, room.sums);
  const int64_t width = gemm::tile().columns;
  if (scattered) scatter(a, p, room.out, y, block.begin, block.end, begin * width, std::min(outputs, end * width));
}

void run_job(Siblings siblings, std::span<const void* const> packed, const Plan& p, int64_t job, const Memory& memory,
             int thread) {
  const Room room = memory.rooms.of(thread);
  const int64_t groups = siblings[0].geometry.groups, part = job % p.parts.parts, i = job / p.parts.parts;
  const int64_t plane = i / p.blocks.parts;
  const Block block{.n = plane / groups,
                    .group = plane % groups,
                    .begin = p.blocks.begin(i % p.blocks.parts),
                    .end = p.blocks.begin(i % p.blocks.parts + 1)};
  gemm::Panels rows(room.pointers);
  gather(siblings[0], p, block, room, memory.zeros, rows);
  int64_t first = p.parts.begin(part), end = p.parts.begin(part + 1);
  for (size_t k = 0; k < siblings.size(); ++k) {
    const int64_t strips = gemm::strips_of(outputs_of(siblings[k]));
    if (first < strips && end > 0)
      multiply(siblings[k], p, block, rows, packed_body(packed[k]), std::max<int64_t>(0, first), std::min(strips, end),
               room);
    first -= strips, end -= strips;
  }
}

}  // namespace

bool conv_gemm_supports(const ConvArgs& a) { return has_own_form(a) && (!a.residual || has_even_pixels(a.residual)); }

bool conv_gemm_supports_siblings(Siblings siblings) {
  const ConvArgs& a = siblings[0];
  const auto fits = [&](const ConvArgs& b) {
    return conv_gemm_supports(b) && (b.geometry.groups == 1 || siblings.size() == 1) && b.geometry == a.geometry &&
           b.x.data == a.x.data && std::equal(&a.x.shape[0], &a.x.shape[4], &b.x.shape[0]) &&
           std::equal(&a.x.strides[0], &a.x.strides[4], &b.x.strides[0]) &&
           std::equal(&a.weight.shape[1], &a.weight.shape[4], &b.weight.shape[1]);
  };
  return std::all_of(siblings.begin(), siblings.end(), fits);
}

size_t conv_gemm_siblings_scratch(Siblings siblings) {
  if (is_empty(siblings)) return 0;
  const Plan p(siblings);
  Scratch count(nullptr);
  Memory(p, count);
  return count.used();
}

void conv_gemm_siblings(Siblings siblings, std::span<const void* const> packed, void* scratch) {
  if (is_empty(siblings)) return;
  for (const void* weights : packed) packed_body_here(weights);  // refuses those of another tier
  const Plan p(siblings);
  Scratch pieces(scratch);
  const Memory memory(p, pieces);
  std::fill_n(memory.zeros, p.channels, 0.0f);
  parallel_jobs(p.jobs, [&](int64_t job, int thread) { run_job(siblings, packed, p, job, memory, thread); });
}

size_t conv_gemm_scratch(const ConvArgs& args) { return conv_gemm_siblings_scratch({&args, 1}); }
void conv_gemm(const ConvArgs& args, const void* packed, void* scratch) {
  conv_gemm_siblings({&args, 1}, {&packed, 1}, scratch);
}

size_t conv_gemm_unpacked_scratch(const ConvArgs& args) {
  Scratch count(nullptr);
  count.take(conv_gemm_packed_bytes(args));
  return count.used() + conv_gemm_scratch(args);
}

void conv_gemm_unpacked(const ConvArgs& args, void* memory) {
  if (args.y.numel() == 0) return;
  Scratch scratch(memory);
  void* const packed = scratch.take(conv_gemm_packed_bytes(args));
  conv_gemm_pack(args, packed);
  conv_gemm(args, packed, scratch.take(conv_gemm_scratch(args)));
}

}  // namespace ingot::kernels
