#include "kernels/conv_onednn.h"

#include <bit>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "base/isa.h"
#include "kernels/conv_activation.h"
#include "kernels/conv_onednn_layout.h"
#include "kernels/conv_problem.h"

namespace ingot::kernels {

using namespace onednn;
using dnnl::memory;

namespace {

struct ConvPlan {
  Primitive conv, reorder;      // no conv: the plain kernel; no reorder: the weights fit as they are
  memory::desc weight;          // the layout that conv wants
  DType dtype = DType::f32;     // what conv computes in
  bool activate_after = false;  // the activation is not fused
};

void append_activation(dnnl::post_ops& ops, Activation activation, float alpha, float beta) {
  using enum dnnl::algorithm;
  const auto add = [&](dnnl::algorithm algorithm, float a = 0, float b = 0) { ops.append_eltwise(1, algorithm, a, b); };
  switch (activation) {
    case Activation::none:
      return;
    case Activation::relu:
      return add(eltwise_relu);
    case Activation::relu6:
      return add(eltwise_clip, 0, 6);
    case Activation::leaky_relu:
      return add(eltwise_relu, alpha);
    case Activation::elu:
      return add(eltwise_elu, alpha);
    case Activation::sigmoid:
      return add(eltwise_logistic);
    case Activation::tanh:
      return add(eltwise_tanh);
    case Activation::silu:
      return add(eltwise_swish, 1);
    case Activation::gelu:
      return add(eltwise_gelu_erf);
    case Activation::hardswish:
      return add(eltwise_hardswish);
    case Activation::hardsigmoid:
      add(eltwise_linear, alpha, beta);
      return add(eltwise_clip, 0, 1);
    case Activation::mish:
      return add(eltwise_mish);
  }
}

// The residual is added by a sum over y, which holds it beforehand: faster than a binary post-op, for which the
// AVX-512 convolutions leave their best implementation, and right when the residual is y's own memory.
dnnl::primitive_attr attributes(const ConvArgs& a, bool with_activation) {
  dnnl::post_ops ops;
  if (a.residual) ops.append_sum();
  if (with_activation) append_activation(ops, a.activation, static_cast<float>(a.alpha), static_cast<float>(a.beta));
  auto attr = user_scratch();
  attr.set_post_ops(ops);
  return attr;
}

/// Whether some result along one dimension is computed from padding alone.
bool some_window_is_padding(int64_t size, int64_t results, int64_t kernel, int64_t stride, int64_t dilation,
                            int64_t pad) {
  const auto meets_data = [&](int64_t result) {
    for (int64_t k = 0; k < kernel; ++k)
      if (const int64_t at = result * stride - pad + k * dilation; at >= 0 && at < size) return true;
    return false;
  };
  for (int64_t i = 0; i < results; ++i)
    if (!meets_data(i)) return true;
  return false;
}
bool some_window_is_padding(const ConvArgs& a) {
  const ConvGeometry& g = a.geometry;
  return some_window_is_padding(a.x.shape[2], a.y.shape[2], a.weight.shape[2], g.stride.h, g.dilation.h,
                                g.padding.top) ||
         some_window_is_padding(a.x.shape[3], a.y.shape[3], a.weight.shape[3], g.stride.w, g.dilation.w,
                                g.padding.left);
}

using Forward = dnnl::convolution_forward;

// oneDNN 2.6's brgemm convolution reads through a null address where it adds to y and a window is padding alone.
void avoid_brgemm(Forward::primitive_desc& chosen) {
  while (chosen && std::string_view(chosen.impl_info_str()).starts_with("brgconv:"))
    if (!chosen.next_impl()) chosen = {};
}

ConvPlan choose_in(DType dtype, const ConvArgs& a) {
  std::vector<int> arguments{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD};
  if (a.bias) arguments.push_back(DNNL_ARG_BIAS);
  const auto desc = forward_desc(ConvProblem(dtype, a.x, a.weight, a.y, a.geometry), static_cast<bool>(a.bias));
  for (const bool fused : {true, false}) {
    Forward::primitive_desc chosen(desc, attributes(a, fused), engine(), /*allow_empty=*/true);
    if (a.residual && some_window_is_padding(a)) avoid_brgemm(chosen);
    if (auto conv = make_primitive<Forward>(chosen, arguments))
      return {.conv = conv, .weight = chosen.weights_desc(), .dtype = dtype, .activate_after = !fused};
  }
  return {};
}

ConvPlan choose(const ConvArgs& a) {
  if (a.y.dtype == DType::f64 || a.x.numel() == 0 || a.weight.numel() == 0) return {};
  for (const DType dtype : {DType::bf16, DType::f32}) {
    if (dtype == DType::bf16 && (a.y.dtype != dtype || !has_bf16())) continue;
    if (ConvPlan plan = unless_refused([&] { return choose_in(dtype, a); }); plan.conv) return plan;
  }
  return {};
}

Key forward_key(Op op, const ConvArgs& a) {
  Key key = conv_key(op, a.x, a.weight, a.y, a.geometry);
  key.add(a.bias ? 1 : 0).add(a.residual ? 1 : 0).add(static_cast<int64_t>(a.activation));
  return key.add(std::bit_cast<int64_t>(a.alpha)).add(std::bit_cast<int64_t>(a.beta));
}

void add_reorder(ConvPlan& plan, const memory::desc& from) {
  if (!same_layout(from, plan.weight)) plan.reorder = make_reorder(from, plan.weight);
}

// Weights of another dtype, or with elements that share an address, go through a dense copy before oneDNN sees them.
bool needs_dense_weight(const Array& weight, DType dtype) { return weight.dtype != dtype || is_broadcast(weight); }

std::shared_ptr<const ConvPlan> plan_for(const ConvArgs& a) {
  Key key = forward_key(kConv, a);
  for (int d = 0; d < a.weight.rank; ++d) key.add(a.weight.strides[d]);
  return cached_plan<ConvPlan>(key, [&] {
    ConvPlan plan = choose(a);
    if (!plan.conv) return plan;
    const bool dense = needs_dense_weight(a.weight, plan.dtype);
    add_reorder(plan, weight_desc(dense ? channels_last(a.weight, plan.dtype, nullptr) : a.weight, a.geometry.groups));
    return plan;
  });
}

std::shared_ptr<const ConvPlan> plan_for(const ConvArgs& a, const PackedLayout& layout) {
  Key key = forward_key(kConvPacked, a);
  key.add(layout.key(0)).add(layout.key(1));
  return cached_plan<ConvPlan>(key, [&] {
    ConvPlan plan = choose(a);
    const ConvProblem problem(plan.dtype, a.x, a.weight, a.y, a.geometry);
    if (plan.conv) add_reorder(plan, layout.desc(problem.weight));
    return plan;
  });
}

struct Buffers {
  Array x, y, dense_weight;
  void *weight = nullptr, *bias = nullptr, *conv_scratch = nullptr, *reorder_scratch = nullptr;
};

// oneDNN's SSE convolutions fault on a bias that is not on a 16-byte boundary, which scratch is.
bool bias_fits(const Array& bias) {
  return active_isa() > Isa::baseline && bias.dtype == DType::f32 && (bias.shape[0] == 1 || bias.strides[0] == 1);
}

Buffers place(const ConvArgs& a, const ConvPlan& plan, bool packed, Scratch& scratch) {
  Buffers b{.x = staged(a.x, plan.dtype, scratch), .y = staged(a.y, plan.dtype, scratch)};
  b.dense_weight = a.weight;
  if (!packed && needs_dense_weight(a.weight, plan.dtype))
    b.dense_weight = channels_last(a.weight, plan.dtype, scratch.take(a.weight.numel() * size_of(plan.dtype)));
  b.weight = plan.reorder ? scratch.take(plan.weight.get_size()) : b.dense_weight.data;
  if (a.bias) b.bias = bias_fits(a.bias) ? a.bias.data : scratch.take(a.y.shape[1] * sizeof(float));
  b.conv_scratch = scratch.take(plan.conv.scratch_bytes());
  b.reorder_scratch = scratch.take(plan.reorder.scratch_bytes());
  return b;
}

void copy_bias(const Array& bias, void* to) {
  const Array from{.data = bias.data,
                   .dtype = bias.dtype,
                   .rank = 4,
                   .shape = {1, bias.shape[0], 1, 1},
                   .strides = {0, bias.strides[0], 0, 0}};
  copy_4d(from, channels_last(from, DType::f32, to));
}

template <class T>
void activate_all(const ConvArgs& a, T* y, int64_t count) {
  constexpr int64_t kGrain = 4096;
  parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      y[i] = T(activate<float>(a.activation, y[i], static_cast<float>(a.alpha), static_cast<float>(a.beta)));
  });
}

// `packed` stands for the weights where it is not null; the plan then reads its layout.
void run(const ConvArgs& a, const ConvPlan& plan, const void* packed, void* memory) {
  Scratch scratch(memory);
  const Buffers b = place(a, plan, packed != nullptr, scratch);
  stage(a.x, b.x);
  if (a.residual && a.residual.data != b.y.data) stage(a.residual, b.y);
  if (a.bias && !bias_fits(a.bias)) copy_bias(a.bias, b.bias);
  void* weight = packed != nullptr ? const_cast<void*>(packed) : b.dense_weight.data;
  if (packed == nullptr && weight != a.weight.data) copy_4d(a.weight, b.dense_weight);
  if (plan.reorder) {
    plan.reorder.run({{weight, b.weight, b.reorder_scratch}});
    weight = b.weight;
  }
  const std::array<void*, 5> addresses{b.x.data, weight, b.y.data, b.conv_scratch, b.bias};
  plan.conv.run({addresses.data(), a.bias ? size_t{5} : size_t{4}});
  if (plan.activate_after && a.activation != Activation::none)
    b.y.dtype == DType::f32 ? activate_all(a, b.y.as<float>(), b.y.numel())
                            : activate_all(a, b.y.as<bf16>(), b.y.numel());
  stage(b.y, a.y);
}

size_t scratch_bytes(const ConvArgs& a, const ConvPlan& plan, bool packed) {
  if (!plan.conv) return 0;
  Scratch scratch(nullptr);
  place(a, plan, packed, scratch);
  return scratch.used();
}

}  // namespace

size_t conv_onednn_scratch(const ConvArgs& args) {
  return args.y.numel() == 0 ? 0 : scratch_bytes(args, *plan_for(args), false);
}

void conv_onednn(const ConvArgs& args, void* scratch) {
  if (args.y.numel() == 0) return;
  const auto plan = plan_for(args);
  plan->conv ? run(args, *plan, nullptr, scratch) : conv2d_reference(args);
}

std::string conv_onednn_implementation(const ConvArgs& args) {
  const auto plan = plan_for(args);
  return plan->conv ? plan->conv.implementation() : "plain";
}

size_t conv_onednn_packed_bytes(const ConvArgs& args) {
  const auto plan = plan_for(args);
  return plan->conv ? kPackedHeader + plan->weight.get_size() : 0;
}

std::string conv_onednn_packed_format(const ConvArgs& args) {
  const auto plan = plan_for(args);
  return plan->conv ? PackedLayout(plan->weight).name() : "plain";
}

void conv_onednn_pack(const ConvArgs& args, void* packed) {
  const auto plan = plan_for(args);
  CHECK(plan->conv, "internal: this convolution has no packed form");
  std::byte* body = PackedLayout(plan->weight).write(packed);
  Array weight = args.weight;
  std::vector<std::byte> dense;
  if (needs_dense_weight(weight, plan->dtype)) {
    dense.resize(weight.numel() * size_of(plan->dtype));
    weight = channels_last(weight, plan->dtype, dense.data());
    copy_4d(args.weight, weight);
  }
  if (!plan->reorder) {
    std::memcpy(body, weight.data, plan->weight.get_size());
    return;
  }
  std::vector<std::byte> scratch(plan->reorder.scratch_bytes());
  plan->reorder.run({{weight.data, body, scratch.data()}});
}

void check_conv_onednn_packed(const Array& weight, int64_t groups, std::span<const std::byte> packed,
                              std::string_view format) {
  CHECK(packed.size() >= kPackedHeader, "packed weights of {} bytes have no header", packed.size());
  const PackedLayout layout = PackedLayout::read(packed.data());
  CHECK(layout.name() == format, "packed weights are '{}', not '{}'", layout.name(), format);
  // Padding only adds to the elements, so a size that fits the bytes cannot overflow below.
  CHECK(static_cast<uint64_t>(weight.numel()) <= packed.size(), "packed weights are {} bytes, too few", packed.size());
  const size_t bytes = kPackedHeader + layout.desc(grouped_dims(weight, groups)).get_size();
  CHECK(bytes == packed.size(), "packed weights are {} bytes, '{}' takes {}", packed.size(), format, bytes);
}

void conv_onednn_unpack(const void* packed, int64_t groups, const Array& weight) {
  const auto from = PackedLayout::read(packed).desc(grouped_dims(weight, groups));
  const Primitive reorder = make_reorder(from, weight_desc(weight, groups));
  std::vector<std::byte> scratch(reorder.scratch_bytes());
  auto* body = const_cast<std::byte*>(static_cast<const std::byte*>(packed)) + kPackedHeader;
  reorder.run({{body, weight.data, scratch.data()}});
}

size_t conv_onednn_packed_scratch(const ConvArgs& args, const void* packed) {
  return args.y.numel() == 0 ? 0 : scratch_bytes(args, *plan_for(args, PackedLayout::read(packed)), true);
}

void conv_onednn_packed(const ConvArgs& args, const void* packed, void* scratch) {
  if (args.y.numel() == 0) return;
  const auto plan = plan_for(args, PackedLayout::read(packed));
  CHECK(plan->conv, "internal: this convolution has no packed form");
  run(args, *plan, static_cast<const std::byte*>(packed) + kPackedHeader, scratch);
}

}  // namespace ingot::kernels
