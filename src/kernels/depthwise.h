#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ingot/geometry.h"
#include "kernels/conv_views.h"
#include "kernels/depthwise_kernels.h"
#include "kernels/scratch.h"

/// Depthwise correlations of f32, channels-last activations: what conv_depthwise's forward pass and its gradient of the
/// input are made of. The micro-kernel is in depthwise_simd.cpp with what follows the sums (bias, residual,
/// activation), its plain twin in depthwise_plain.cpp.
///
/// Bits: each result is one sum over the rows of its window and the taps of a row, in their order, whatever else runs.
namespace ingot::kernels::depthwise {

int64_t strips_of(int64_t channels);
/// Floats that the weights of so many channels take, see kStrip.
int64_t weights_size(int64_t channels, Pair kernel);

/// y[n,c,i,j] = activation(bias[c] + sum over u, v of x[n, c, i*stride.h + u*dilation.h - top, ...] * weights[c,u,v]
///                         + residual[n,c,i,j])
struct Correlation {
  struct Plane {
    int64_t height, width;
  };
  const float* x = nullptr;
  View x_view{};
  Plane x_size{};
  const float* weights = nullptr;
  Pair kernel, stride, dilation;
  int64_t top = 0, left = 0;  // may be negative
  const float* bias = nullptr;
  const float* residual = nullptr;
  View residual_view{};
  Activation activation = Activation::none;
  double alpha = 0;
  float* y = nullptr;
  View y_view{};
  Plane y_size{};
};

/// The forward pass of a depthwise convolution with these weights.
Correlation correlation_of(const ConvArgs& args, const float* weights);

/// Results beside each other that one call of the micro-kernel makes.
struct ColumnTile {
  int64_t first, column;  // the first result, and where the taps that count begin in x
  int width, begin, end;  // see Tile
  int first_tap, taps;    // those that count; none: all is padding
};

/// What is fetched for the next tile while one is made: nothing where caches hold the activations.
enum class Fetches { none, results, all };
Fetches fetches_of(std::span<const Correlation> correlations, int64_t images, int64_t channels);

/// A correlation whose columns are cut into tiles, which depends on its sizes alone.
class Rows {
 public:
  Rows(const Correlation& correlation, int64_t channels, Fetches fetches, Scratch& scratch);
  /// Fills the scratch.
  void cut();

  int64_t tiles() const { return tiles_; }
  int64_t first_of(int64_t tile) const { return tile < tiles_ ? columns_[tile].first : c_.y_size.width; }

  /// The results of tiles [begin, end) of image n's row. `out` and `residual`: where the row begins.
  struct Piece {
    int64_t n, row, begin, end;
    const float* residual;  // or none
    int64_t residual_pixel;
    float* out;
    int64_t out_pixel;
  };
  void run(const Piece& piece) const;
  /// A whole row, where the correlation has its results.
  void run(int64_t n, int64_t row) const;

 private:
  const Correlation& c_;
  int64_t channels_;
  ColumnTile* columns_;
  int64_t tiles_ = 0;
  Fetches fetches_;
};

/// Runs correlations of one batch and number of channels that read the same x; none has more rows of results
/// than the first.
size_t scratch_bytes(std::span<const Correlation> correlations);
void run(std::span<const Correlation> correlations, int64_t images, int64_t channels, void* scratch);

}  // namespace ingot::kernels::depthwise
