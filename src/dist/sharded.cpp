#include "ingot/sharded.h"

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/parallel.h"
#include "base/visit_dtype.h"
#include "dist/groups.h"
#include "dist/transport.h"
#include "ingot/data_parallel.h"
#include "ingot/nn/norm.h"
#include "ingot/ops.h"
#include "kernels/elementwise.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

constexpr int64_t kGrain = 16384;  // elements

void check_norms(Module& module) {
  for (const auto& [name, m] : module.named_modules())
    if (const auto* norm = dynamic_cast<const BatchNormBase*>(m))
      CHECK(norm->has_sync(), "{}: batch norm over a rank's own images depends on the number of ranks; synchronise it",
            name.empty() ? std::string(m->type_name()) : name);
}

/// The copy's parameters become the module's memory.
void share_parameters(const Module& module, const Module& copy) {
  const Tensors from = module.parameters(), to = copy.parameters();
  for (size_t i = 0; i < from.size(); ++i) {
    to[i].impl()->storage = from[i].impl()->storage;
    to[i].impl()->offset = from[i].impl()->offset;
    to[i].impl()->strides = from[i].impl()->strides;
  }
}

/// out = parts[0] + parts[1] + ... , times a factor.
template <class T>
void add_in_order(const std::vector<std::byte>& parts, int64_t count, int64_t shards, double factor, Tensor& out) {
  const auto* const in = reinterpret_cast<const T*>(parts.data());
  auto* const sums = out.mutable_data<T>();
  parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T sum = in[i];
      for (int64_t s = 1; s < shards; ++s) sum = T(sum + in[s * count + i]);
      sums[i] = T(sum * T(factor));
    }
  });
}

}  // namespace

struct ShardedParallel::Impl {
  Impl(Module& module, int64_t shards, GroupId group);

  std::vector<LossSum> run(const Forward& forward);
  void gather(size_t param, double factor);
  std::vector<uint8_t> reached();

  int64_t own_shards, all_shards;
  Communicator& ranks;
  std::shared_ptr<Communicator> between, gradients;  // ranks: for shards that meet, and for gradients
  std::vector<std::shared_ptr<Communicator>> worlds;
  std::vector<std::unique_ptr<Module>> copies;  // for all shards but the first
  std::vector<Module*> modules;                 // by shard
  std::vector<Tensors> params;                  // by shard
};

ShardedParallel::Impl::Impl(Module& module, int64_t shards, GroupId id)
    : own_shards(shards),
      all_shards(shards * group(id).size()),
      ranks(group(id)),
      between(ranks.duplicate()),
      gradients(ranks.duplicate()) {
  CHECK(shards >= 1, "a rank has {} shards, it must have at least 1", shards);
  check_norms(module);
  begin_as_first_rank(module, id);
  modules.push_back(&module);
  for (int64_t s = 1; s < shards; ++s) {
    copies.push_back(module.clone());
    share_parameters(module, *copies.back());
    modules.push_back(copies.back().get());
  }
  for (Module* m : modules) params.push_back(m->parameters());
  for (auto& transport : thread_transports(static_cast<int>(shards), between.get()))
    worlds.push_back(std::make_shared<Communicator>(std::move(transport), ranks.options()));
}

/// Forward and backward of every shard. The shard that fails first says why.
std::vector<LossSum> ShardedParallel::Impl::run(const Forward& forward) {
  std::vector<LossSum> losses(modules.size());
  std::vector<std::exception_ptr> errors(modules.size());
  std::atomic<size_t> first{modules.size()};
  const bool training = modules[0]->is_training();
  const auto one = [&](size_t s) {
    const SerialScope serial;
    const ThreadRank own(worlds[s]);
    try {
      modules[s]->train(training);
      for (Tensor& p : params[s]) p.set_grad({});
      const LossSum loss = forward(*modules[s], static_cast<int64_t>(s));
      ingot::backward(loss.sum);
      losses[s] = {detach(loss.sum), loss.denominator};
    } catch (const std::exception& error) {
      errors[s] = std::current_exception();
      size_t none = modules.size();
      first.compare_exchange_strong(none, s);
      worlds[s]->fail_others(fmt::format("shard {} failed: {}", worlds[s]->rank(), error.what()));
    }
  };
  std::vector<std::thread> threads;
  for (size_t s = 0; s < modules.size(); ++s) threads.emplace_back(one, s);
  for (std::thread& thread : threads) thread.join();
  if (first < errors.size()) std::rethrow_exception(errors[first]);
  return losses;
}

/// Whether any shard's loss reaches each parameter.
std::vector<uint8_t> ShardedParallel::Impl::reached() {
  std::vector<uint8_t> out(params[0].size());
  for (size_t p = 0; p < out.size(); ++p)
    for (const Tensors& of_shard : params) out[p] |= of_shard[p].grad().defined() ? 1 : 0;
  gradients->all_reduce(out.data(), static_cast<int64_t>(out.size()), DType::u8, ReduceOp::max).wait();
  return out;
}

void ShardedParallel::Impl::gather(size_t param, double factor) {
  Tensor& x = params[0][param];
  const int64_t count = x.numel();
  const size_t bytes = static_cast<size_t>(count) * size_of(x.dtype());
  std::vector<std::byte> mine(bytes * params.size()), all(mine.size() * static_cast<size_t>(ranks.size()));
  for (size_t s = 0; s < params.size(); ++s) {
    Tensor part = empty(x.shape(), x.dtype(), x.layout());
    if (const Tensor grad = params[s][param].grad(); grad.defined())
      copy_into(part, grad);
    else
      fill(part, 0);
    std::memcpy(&mine[s * bytes], array_of(part).data, bytes);
  }
  gradients->all_gather(mine.data(), all.data(), static_cast<int64_t>(mine.size()), DType::u8).wait();
  Tensor sum = empty(x.shape(), x.dtype(), x.layout());
  visit_floating(x.dtype(),
                 [&]<class T>(std::type_identity<T>) { add_in_order<T>(all, count, all_shards, factor, sum); });
  x.set_grad(sum);
}

ShardedParallel::ShardedParallel(Module& module, int64_t shards, GroupId group)
    : impl_(std::make_unique<Impl>(module, shards, group)) {}
ShardedParallel::~ShardedParallel() = default;

double ShardedParallel::backward(const Forward& forward) {
  Impl& p = *impl_;
  const std::vector<LossSum> losses = p.run(forward);
  std::vector<double> mine, all(static_cast<size_t>(2 * p.all_shards));
  for (const LossSum& loss : losses) {
    mine.push_back(loss.sum.item<double>());
    mine.push_back(loss.denominator.item<double>());
  }
  p.gradients->all_gather(mine.data(), all.data(), static_cast<int64_t>(mine.size()), DType::f64).wait();
  double sum = 0, denominator = 0;
  for (size_t i = 0; i < all.size(); i += 2) sum += all[i], denominator += all[i + 1];
  const auto reached = p.reached();
  for (size_t i = 0; i < reached.size(); ++i) {
    if (reached[i] == 0)
      p.params[0][i].set_grad({});
    else
      p.gather(i, denominator == 0 ? 0 : 1 / denominator);
    for (size_t s = 1; s < p.params.size(); ++s) p.params[s][i].set_grad({});
  }
  return denominator == 0 ? 0 : sum / denominator;
}

Traffic ShardedParallel::traffic() const { return impl_->gradients->traffic(); }

}  // namespace ingot
