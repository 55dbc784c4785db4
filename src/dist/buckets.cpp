#include "dist/buckets.h"

#include "base/check.h"
#include "ingot/ops.h"
#include "kernels/convert.h"
#include "kernels/elementwise.h"
#include "ops/rules.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr int64_t kAlign = 16;  // elements: views begin at whole cache lines

int64_t rounded_up(int64_t count) { return (count + kAlign - 1) / kAlign * kAlign; }

void fill_bucket(Bucket& bucket, const Tensors& params) {
  const DType dtype = params[bucket.params[0]].dtype();
  int64_t count = rounded_up(bucket.header);
  for (const size_t p : bucket.params) count += rounded_up(params[p].numel());
  bucket.data = zeros({count}, dtype);
  int64_t at = rounded_up(bucket.header);
  for (const size_t p : bucket.params) {
    const Tensor& x = params[p];
    const Tensor like = empty(x.shape(), dtype, x.layout());  // dense, whatever x is
    bucket.views.push_back(make_tensor(bucket.data.impl()->storage, at, x.shape(), like.strides(), dtype));
    at += rounded_up(x.numel());
  }
}

}  // namespace

std::vector<Bucket> make_buckets(const Tensors& params, const std::vector<size_t>& order, int64_t header,
                                 const DataParallelOptions& options) {
  std::vector<Bucket> buckets;
  int64_t bytes = 0;
  for (const size_t p : order) {
    const Tensor& x = params[p];
    const int64_t limit = buckets.size() <= 1 ? options.first_bucket_bytes : options.bucket_bytes;
    if (buckets.empty() || bytes >= limit || params[buckets.back().params[0]].dtype() != x.dtype()) {
      buckets.push_back({.header = buckets.empty() ? header : 0});
      bytes = 0;
    }
    buckets.back().params.push_back(p);
    bytes += x.numel().value() * static_cast<int64_t>(size_of(x.dtype()));
  }
  for (Bucket& bucket : buckets) fill_bucket(bucket, params);
  return buckets;
}

namespace {

/// In pieces that stay in a core's cache from one rank's copy to the next, and of which each is soon through: where
/// ranks come late, only the first piece waits.
void all_reduce_pieces(const Array& data, Communicator& ranks) {
  constexpr int64_t kPieceBytes = int64_t{1} << 20;
  const auto size = static_cast<int64_t>(size_of(data.dtype));
  const int64_t piece = kPieceBytes / size, count = data.shape[0];
  for (int64_t at = 0; at < count; at += piece)
    ranks.all_reduce(data.as<std::byte>() + at * size, std::min(piece, count - at), data.dtype).wait();
}

}  // namespace

void sum_over_ranks(Bucket& bucket, Communicator& ranks, bool compress) {
  const Array data = array_of(bucket.data);
  bucket.data.count_write();
  if (!compress || data.dtype == DType::bf16) return all_reduce_pieces(data, ranks);
  const Tensor packed = empty({data.shape[0]}, DType::bf16);
  const Array bits = array_of(packed);
  kernels::copy(data, bits);
  all_reduce_pieces(bits, ranks);
  kernels::copy(bits, data);
}

void scale(Bucket& bucket, double factor) {
  const Array data = array_of(bucket.data), gradients = narrowed(data, 0, bucket.header, data.shape[0] - bucket.header);
  const Tensor number = scalar(factor, bucket.data.dtype());
  kernels::binary(kernels::Binary::mul, gradients, broadcast_to(array_of(number), gradients), gradients);
  bucket.data.count_write();
}

}  // namespace ingot
