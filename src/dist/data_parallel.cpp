#include "ingot/data_parallel.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/hash.h"
#include "dist/buckets.h"
#include "dist/gradient_thread.h"
#include "ingot/ops.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr size_t kMostSums = 16;
// The first bucket's header: denominator, loss, sums, and for each parameter whether the loss reaches it.
constexpr size_t kDenominator = 0, kLoss = 1, kSums = 2, kReached = kSums + kMostSums;

std::string description(const TensorsByName& tensors) {
  std::string text;
  for (const auto& [name, x] : tensors)
    text += fmt::format("{} {} {}\n", name, name_of(x.dtype()), to_string(x.shape()));
  return text;
}

void broadcast_all(const TensorsByName& tensors, Communicator& ranks) {
  for (const auto& [name, x] : tensors) {
    // Through a row-major copy: ranks may hold other layouts.
    Tensor copy = empty(x.shape(), x.dtype(), Layout::row_major), handle = x;
    copy_into(copy, x);
    ranks.broadcast(array_of(copy).data, copy.numel(), copy.dtype(), 0).wait();
    copy_into(handle, copy);
  }
}

}  // namespace

void begin_as_first_rank(Module& module, GroupId id) {
  const TensorsByName parameters = module.named_parameters(), buffers = module.named_buffers();
  check_same_on_ranks("model", description(parameters) + description(buffers), id);
  broadcast_all(parameters, group(id));
  broadcast_all(buffers, group(id));
  CHECK(std::any_of(parameters.begin(), parameters.end(), [](const auto& p) { return p.second.requires_grad(); }),
        "the module has no parameter that requires a gradient");
}

struct DataParallel::Impl {
  Impl(Module& module, const DataParallelOptions& options, GroupId group);
  ~Impl();

  void check_gradients();
  void take_views(bool all = true);
  void begin(double denominator, double loss, std::span<const double> sums);
  void ready(size_t param);
  void launch();
  void finish(std::span<double> sums);
  void rebuild();
  size_t header_size() const { return kReached + params.size(); }

  Module& module;
  DataParallelOptions options;
  Communicator& ranks;                // of the caller's thread
  std::shared_ptr<Communicator> own;  // for the buckets
  std::vector<std::string> names;
  Tensors params;
  std::vector<size_t> hooks, bucket_of;
  std::vector<Bucket> buckets;
  GradientThread thread;

  bool synchronises = true, exchanged = false, rebuilt = false;
  // Of the backward that is under way, and of those in NoSync before it.
  double denominator = 0, loss = 0;
  std::vector<double> sums;
  std::vector<bool> reached, is_ready;
  std::vector<int64_t> missing;  // gradients of each bucket that are still to come
  std::vector<size_t> order;     // in which gradients came
  size_t next = 0;               // bucket to launch
  double mean_loss = 0;
};

DataParallel::Impl::Impl(Module& m, const DataParallelOptions& o, GroupId id)
    : module(m), options(o), ranks(group(id)), own(ranks.duplicate()), thread(own->concurrent()) {
  CHECK(o.first_bucket_bytes > 0 && o.bucket_bytes > 0, "a bucket has {} bytes, it must have more than 0",
        std::min(o.first_bucket_bytes, o.bucket_bytes));
  begin_as_first_rank(m, id);
  for (const auto& [name, x] : m.named_parameters())
    if (x.requires_grad()) names.push_back(name), params.push_back(x);
  std::vector<size_t> backwards(params.size());
  std::iota(backwards.rbegin(), backwards.rend(), size_t{0});
  buckets = make_buckets(params, backwards, static_cast<int64_t>(header_size()), options);
  reached.resize(params.size());
  take_views();
  for (size_t p = 0; p < params.size(); ++p)
    hooks.push_back(on_gradient_ready(params[p], [this, p](const Tensor&) {
      order.push_back(p);
      ready(p);
    }));
}

DataParallel::Impl::~Impl() {
  for (size_t p = 0; p < params.size(); ++p) remove_gradient_ready(params[p], hooks[p]);
}

/// Gradients that the parameters have move into the buckets; with `all`, those that have none become 0 there.
void DataParallel::Impl::take_views(bool all) {
  bucket_of.resize(params.size());
  for (size_t b = 0; b < buckets.size(); ++b)
    for (size_t i = 0; i < buckets[b].params.size(); ++i) {
      const size_t p = buckets[b].params[i];
      bucket_of[p] = b;
      Tensor& view = buckets[b].views[i];
      const Tensor grad = params[p].grad();
      if (grad.defined() ? grad.same_as(view) : !all) continue;
      if (grad.defined())
        copy_into(view, grad);
      else
        fill(view, 0);
      params[p].set_grad(view);
    }
}

void DataParallel::Impl::check_gradients() {
  if (!exchanged) return;
  for (const Tensor& p : params)
    CHECK(!p.grad().defined(), "backward() adds to gradients of all ranks' last batch: call zero_grad() before it");
  exchanged = false;
}

void DataParallel::Impl::begin(double batch_denominator, double batch_loss, std::span<const double> batch_sums) {
  check_gradients();
  take_views();
  denominator += batch_denominator;
  loss += batch_loss;
  sums.resize(std::max(sums.size(), batch_sums.size()));
  for (size_t i = 0; i < batch_sums.size(); ++i) sums[i] += batch_sums[i];
  order.clear();
  next = 0;
  missing.clear();
  for (const Bucket& b : buckets) missing.push_back(static_cast<int64_t>(b.params.size()));
  is_ready.assign(params.size(), false);
}

void DataParallel::Impl::ready(size_t param) {
  if (!synchronises || is_ready[param]) return;
  is_ready[param] = true;
  --missing[bucket_of[param]];
  launch();
}

/// In one order on all ranks.
void DataParallel::Impl::launch() {
  for (; next < buckets.size() && missing[next] == 0; ++next)
    thread.add([this, b = next] { sum_over_ranks(buckets[b], *own, options.compress && b > 0); });
}

void DataParallel::Impl::finish(std::span<double> total) {
  thread.wait();
  const Tensor header = slice(buckets[0].data, 0, 0, static_cast<int64_t>(header_size()));
  const auto numbers = header.to_vector<double>();
  std::copy_n(numbers.begin() + kSums, total.size(), total.begin());
  const double all = numbers[kDenominator];
  mean_loss = all == 0 ? 0 : numbers[kLoss] / all;
  for (Bucket& b : buckets) scale(b, all == 0 ? 0 : 1 / all);
  for (size_t p = 0; p < params.size(); ++p)
    if (numbers[kReached + p] == 0) params[p].set_grad({});
  denominator = loss = 0;
  sums.clear();
  reached.assign(params.size(), false);
  exchanged = true;
}

/// Buckets in the order in which gradients came on rank 0; those that did not come are last.
void DataParallel::Impl::rebuild() {
  rebuilt = true;
  std::vector<int64_t> first(order.begin(), order.end());
  for (size_t p = 0; p < params.size(); ++p)
    if (std::find(order.begin(), order.end(), p) == order.end()) first.push_back(static_cast<int64_t>(p));
  ranks.broadcast(first.data(), static_cast<int64_t>(first.size()), DType::i64, 0).wait();
  buckets = make_buckets(params, {first.begin(), first.end()}, static_cast<int64_t>(header_size()), options);
  take_views(false);
}

DataParallel::DataParallel(Module& module, const DataParallelOptions& options, GroupId group)
    : impl_(std::make_unique<Impl>(module, options, group)) {}
DataParallel::~DataParallel() = default;

double DataParallel::backward(const LossSum& batch, std::span<double> sums) {
  Impl& d = *impl_;
  CHECK(sums.size() <= kMostSums, "{} sums are given, there is room for {}", sums.size(), kMostSums);
  const auto denominator = batch.denominator.item<double>(), loss = batch.sum.item<double>();
  d.begin(denominator, loss, sums);
  const auto on_start = [&](const std::function<bool(const Tensor&)>& reaches) {
    for (size_t p = 0; p < d.params.size(); ++p)
      if (reaches(d.params[p])) d.reached[p] = true;
    if (!d.synchronises) return;
    std::vector<double> header(d.header_size());
    header[kDenominator] = d.denominator;
    header[kLoss] = d.loss;
    std::copy(d.sums.begin(), d.sums.end(), header.begin() + kSums);
    std::copy(d.reached.begin(), d.reached.end(), header.begin() + kReached);
    Tensor place = slice(d.buckets[0].data, 0, 0, static_cast<int64_t>(header.size()));
    copy_into(place, from_vector(header, {static_cast<int64_t>(header.size())}));
    for (size_t p = 0; p < d.params.size(); ++p)
      if (!reaches(d.params[p])) d.ready(p);
  };
  ingot::backward(batch.sum, {}, {.on_start = on_start});
  if (!d.synchronises) return denominator == 0 ? 0 : loss / denominator;
  d.finish(sums);
  if (!d.rebuilt) d.rebuild();
  return d.mean_loss;
}

DataParallel::NoSync::NoSync(DataParallel& parallel) : parallel_(parallel) { parallel_.impl_->synchronises = false; }
DataParallel::NoSync::~NoSync() { parallel_.impl_->synchronises = true; }

void DataParallel::broadcast_buffers() { broadcast_all(impl_->module.named_buffers(), impl_->ranks); }

void DataParallel::check_equal() const {
  const TensorsByName tensors = impl_->module.named_parameters();
  std::vector<uint64_t> mine;
  for (const auto& [name, x] : tensors) {
    const Tensor dense = contiguous(x);
    mine.push_back(hash_bytes(array_of(dense).data, static_cast<size_t>(dense.numel()) * size_of(dense.dtype())));
  }
  const auto count = static_cast<size_t>(impl_->ranks.size());
  std::vector<uint64_t> all(mine.size() * count);
  impl_->ranks.all_gather(mine.data(), all.data(), static_cast<int64_t>(mine.size()), DType::i64).wait();
  for (size_t r = 1; r < count; ++r)
    for (size_t i = 0; i < mine.size(); ++i)
      CHECK(all[r * mine.size() + i] == all[i], "parameters have drifted apart: {} of rank {} is not that of rank 0",
            tensors[i].first, r);
}

Traffic DataParallel::traffic() const { return impl_->own->traffic(); }

std::vector<std::vector<std::string>> DataParallel::buckets() const {
  std::vector<std::vector<std::string>> out;
  for (const Bucket& b : impl_->buckets) {
    out.emplace_back();
    for (const size_t p : b.params) out.back().push_back(impl_->names[p]);
  }
  return out;
}

}  // namespace ingot
