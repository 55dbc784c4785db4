#include "conv_blocked.h"

#include <dnnl.hpp>
#include <unordered_map>

#include "base/check.h"

using namespace ingot;
using dnnl::memory;
using kernels::ConvArgs;

namespace {

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

/// As it lies; a weight's outputs are split into groups, if there are some.
memory::desc desc_of(const Array& a, int64_t groups = 1) {
  memory::dims sizes(a.shape.begin(), a.shape.begin() + a.rank), strides(a.strides.begin(), a.strides.begin() + a.rank);
  if (groups > 1) {
    sizes[0] /= groups;
    sizes.insert(sizes.begin(), groups);
    strides.insert(strides.begin(), strides[0] * sizes[1]);
  }
  return {sizes, memory::data_type::f32, strides};
}

memory::desc any(const memory::desc& desc) { return {desc.dims(), desc.data_type(), memory::format_tag::any}; }

}  // namespace

struct BlockedConv::Impl {
  Impl(ConvPass pass, const ConvArgs& a)
      : engine(dnnl::engine::kind::cpu, 0),
        stream(engine),
        x(desc_of(a.x), engine, a.x.data),
        weight(desc_of(a.weight, a.geometry.groups), engine, a.weight.data),
        y(desc_of(a.y), engine, a.y.data) {
    const dnnl::convolution_forward::primitive_desc forward(forward_desc(a), attributes(a), engine);
    if (pass == ConvPass::forward) {
      arguments = {{DNNL_ARG_SRC, copied(x, forward.src_desc())},
                   {DNNL_ARG_WEIGHTS, copied(weight, forward.weights_desc())}};
      if (a.bias) arguments[DNNL_ARG_BIAS] = {desc_of(a.bias), engine, a.bias.data};
      set_result(dnnl::convolution_forward(forward), DNNL_ARG_DST, forward.dst_desc(), y);
      return;
    }
    const auto [strides, dilations, begin, end] = geometry(a);
    const memory::desc any_x = any(x.get_desc()), any_weight = any(weight.get_desc()), any_y = any(y.get_desc());
    if (pass == ConvPass::input) {
      const dnnl::convolution_backward_data::primitive_desc desc(
          {kDirect, any_x, any_weight, any_y, strides, dilations, begin, end}, engine, forward);
      arguments = {{DNNL_ARG_DIFF_DST, copied(y, desc.diff_dst_desc())},
                   {DNNL_ARG_WEIGHTS, copied(weight, desc.weights_desc())}};
      set_result(dnnl::convolution_backward_data(desc), DNNL_ARG_DIFF_SRC, desc.diff_src_desc(), x);
    } else {
      const dnnl::convolution_backward_weights::primitive_desc desc(
          {kDirect, any_x, any_weight, any_y, strides, dilations, begin, end}, engine, forward);
      arguments = {{DNNL_ARG_DIFF_DST, copied(y, desc.diff_dst_desc())}, {DNNL_ARG_SRC, copied(x, desc.src_desc())}};
      set_result(dnnl::convolution_backward_weights(desc), DNNL_ARG_DIFF_WEIGHTS, desc.diff_weights_desc(), weight);
    }
  }

  struct Geometry {
    memory::dims strides, dilations, begin, end;
  };
  static Geometry geometry(const ConvArgs& a) {
    const ConvGeometry& g = a.geometry;
    return {{g.stride.h, g.stride.w},
            {g.dilation.h - 1, g.dilation.w - 1},
            {g.padding.top, g.padding.left},
            {g.padding.bottom, g.padding.right}};
  }
  static dnnl::primitive_attr attributes(const ConvArgs& a) {
    dnnl::primitive_attr attr;
    if (a.activation == Activation::none) return attr;
    CHECK(a.activation == Activation::relu, "only ReLU is fused");
    dnnl::post_ops ops;
    ops.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    attr.set_post_ops(ops);
    return attr;
  }
  dnnl::convolution_forward::desc forward_desc(const ConvArgs& a) const {
    const auto [strides, dilations, begin, end] = geometry(a);
    const memory::desc any_x = any(x.get_desc()), any_weight = any(weight.get_desc()), any_y = any(y.get_desc());
    if (!a.bias)
      return {dnnl::prop_kind::forward_training, kDirect, any_x, any_weight, any_y, strides, dilations, begin, end};
    return {dnnl::prop_kind::forward_inference,
            kDirect,
            any_x,
            any_weight,
            desc_of(a.bias),
            any_y,
            strides,
            dilations,
            begin,
            end};
  }

  memory copied(memory& from, const memory::desc& desc) {
    memory to(desc, engine);
    reorder(from, to);
    return to;
  }
  void reorder(memory& from, memory& to) {
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
  }
  void set_result(dnnl::primitive made, int argument, const memory::desc& desc, const memory& place) {
    primitive = std::move(made);
    result = memory(desc, engine);
    arguments[argument] = result;
    destination = place;
  }

  dnnl::engine engine;
  dnnl::stream stream;
  memory x, weight, y;  // the arguments' own
  dnnl::primitive primitive;
  std::unordered_map<int, memory> arguments;
  memory result, destination;
};

BlockedConv::BlockedConv(ConvPass pass, const ConvArgs& a) : impl_(std::make_unique<Impl>(pass, a)) {}
BlockedConv::~BlockedConv() = default;

void BlockedConv::run() {
  impl_->primitive.execute(impl_->stream, impl_->arguments);
  impl_->stream.wait();
}

void BlockedConv::copy_result() { impl_->reorder(impl_->result, impl_->destination); }
