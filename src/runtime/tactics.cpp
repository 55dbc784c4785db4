#include "runtime/tactics.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "base/isa.h"
#include "base/math.h"
#include "kernels/conv_depthwise.h"
#include "kernels/conv_gemm.h"
#include "kernels/conv_onednn.h"
#include "kernels/conv_winograd.h"
#include "kernels/elementwise.h"
#include "kernels/matmul_gemm.h"
#include "kernels/matmul_shape.h"
#include "ops/attrs.h"
#include "ops/conv.h"
#include "ops/conv_depthwise_pointwise.h"
#include "ops/conv_siblings.h"
#include "ops/rules.h"

namespace ingot {
namespace {

// ---- Convolutions and linear layers with packed weights: eval packs them at every call.

int64_t groups_of(const Attrs& attrs) { return std::get<Dim>(attrs.field("groups")).value(); }

/// Whether our own convolutions, which take slices, should: without vectors they are slow, and a copy is the lesser
/// evil.
bool is_fast(const Spec& weight) { return weight.dtype == DType::f32 && active_isa() >= Isa::avx2; }
// With groups there may be few outputs a product.
bool takes_slices_ungrouped(const Spec& weight, int64_t groups) { return is_fast(weight) && groups == 1; }

/// oneDNN with the weights in the layout of its choice.
struct OneDnn {
  static constexpr std::string_view kName = "onednn_packed";
  static constexpr bool kFastMath = false, kVaries = true;
  static bool takes_slices(const Spec&, int64_t) { return false; }
  static bool supports(const kernels::ConvArgs& a) { return kernels::conv_onednn_packed_bytes(a) > 0; }
  static size_t scratch(const kernels::ConvArgs& a, const void* packed) {
    return kernels::conv_onednn_packed_scratch(a, packed);
  }
  static void run(const kernels::ConvArgs& a, const void* packed, void* scratch) {
    kernels::conv_onednn_packed(a, packed, scratch);
  }
  static size_t bytes(const kernels::ConvArgs& a) { return kernels::conv_onednn_packed_bytes(a); }
  static std::string form(const kernels::ConvArgs& a) { return kernels::conv_onednn_packed_format(a); }
  static void pack(const kernels::ConvArgs& a, void* packed) { kernels::conv_onednn_pack(a, packed); }
  static void check(const Array& weight, int64_t groups, std::span<const std::byte> packed, std::string_view form) {
    kernels::check_conv_onednn_packed(weight, groups, packed, form);
  }
  static void unpack(const void* packed, int64_t groups, const Array& dense) {
    kernels::conv_onednn_unpack(packed, groups, dense);
  }
};

/// Our own products, whose activations may be slices of a concat's result without being copied.
struct Products {
  static constexpr std::string_view kName = "gemm";
  static constexpr bool kFastMath = false, kVaries = false;
  static bool takes_slices(const Spec& weight, int64_t groups) { return takes_slices_ungrouped(weight, groups); }
  static bool supports(const kernels::ConvArgs& a) { return kernels::conv_gemm_supports(a); }
  static size_t scratch(const kernels::ConvArgs& a, const void*) { return kernels::conv_gemm_scratch(a); }
  static void run(const kernels::ConvArgs& a, const void* packed, void* scratch) {
    kernels::conv_gemm(a, packed, scratch);
  }
  static size_t bytes(const kernels::ConvArgs& a) { return kernels::conv_gemm_packed_bytes(a); }
  static std::string form(const kernels::ConvArgs&) { return kernels::conv_gemm_packed_format(); }
  static void pack(const kernels::ConvArgs& a, void* packed) { kernels::conv_gemm_pack(a, packed); }
  static void check(const Array& weight, int64_t groups, std::span<const std::byte> packed, std::string_view form) {
    kernels::check_conv_gemm_packed(weight, groups, packed, form);
  }
  static void unpack(const void* packed, int64_t groups, const Array& dense) {
    kernels::conv_gemm_unpack(packed, groups, dense);
  }
};

/// The same for as many groups as channels.
struct Depthwise {
  static constexpr std::string_view kName = "depthwise";
  static constexpr bool kFastMath = false, kVaries = false;
  static bool takes_slices(const Spec& weight, int64_t groups) {
    return is_fast(weight) && weight.shape[1] == Dim(1) && weight.shape[0] == Dim(groups);
  }
  static bool supports(const kernels::ConvArgs& a) { return kernels::conv_depthwise_supports(a); }
  static size_t scratch(const kernels::ConvArgs& a, const void*) { return kernels::conv_depthwise_scratch(a); }
  static void run(const kernels::ConvArgs& a, const void* packed, void* scratch) {
    kernels::conv_depthwise(a, packed, scratch);
  }
  static size_t bytes(const kernels::ConvArgs& a) { return kernels::conv_depthwise_packed_bytes(a); }
  static std::string form(const kernels::ConvArgs&) { return kernels::conv_depthwise_packed_format(); }
  static void pack(const kernels::ConvArgs& a, void* packed) { kernels::conv_depthwise_pack(a, packed); }
  static void check(const Array& weight, int64_t groups, std::span<const std::byte> packed, std::string_view form) {
    kernels::check_conv_depthwise_packed(weight, groups, packed, form);
  }
  static void unpack(const void* packed, int64_t, const Array& dense) { kernels::conv_depthwise_unpack(packed, dense); }
};

/// Products with fewer multiplications and more rounding, for 3x3 convolutions and some along one axis.
template <int m>
struct Winograd {
  static constexpr std::string_view kName = m == 2 ? "winograd2" : "winograd4";
  static constexpr bool kFastMath = true, kVaries = false;
  static bool takes_slices(const Spec& weight, int64_t groups) { return takes_slices_ungrouped(weight, groups); }
  static bool supports(const kernels::ConvArgs& a) { return kernels::conv_winograd_supports(m, a); }
  static size_t scratch(const kernels::ConvArgs& a, const void*) { return kernels::conv_winograd_scratch(m, a); }
  static void run(const kernels::ConvArgs& a, const void* packed, void* scratch) {
    kernels::conv_winograd(m, a, packed, scratch);
  }
  static size_t bytes(const kernels::ConvArgs& a) { return kernels::conv_winograd_packed_bytes(m, a); }
  static std::string form(const kernels::ConvArgs& a) {
    return kernels::conv_winograd_packed_format(m, a.geometry.stride.h);
  }
  static void pack(const kernels::ConvArgs& a, void* packed) { kernels::conv_winograd_pack(m, a, packed); }
  static void check(const Array& weight, int64_t groups, std::span<const std::byte> packed, std::string_view form) {
    CHECK(kernels::conv_winograd_filters(m, {weight.shape[2], weight.shape[3]}) && groups == 1,
          "'{}' packs no {}x{} weights of {} groups", form, weight.shape[2], weight.shape[3], groups);
    kernels::check_conv_winograd_packed(m, weight, packed, form);
  }
  static void unpack(const void* packed, int64_t, const Array& dense) {
    kernels::conv_winograd_unpack(m, packed, dense);
  }
};

/// What calls of convolutions have in common.
struct AnyConv {
  static constexpr size_t kWeight = 1;
  static constexpr bool kMayBeSliced = true;
  static bool fits(const EvalArgs&) { return true; }
  static Array weight(const Array& w) { return w; }
  static int64_t groups(const Attrs& attrs) { return groups_of(attrs); }
};

/// A call as the kernels take it.
template <kernels::ConvArgs (*kArgs)(const EvalArgs&)>
struct ConvCall : AnyConv {
  static kernels::ConvArgs args(const EvalArgs& a) { return kArgs(a); }
};

/// A linear layer as a 1x1 convolution: its rows are the pixels of an image one pixel high.
template <kernels::ConvArgs (*kFollows)(const EvalArgs&)>
struct LinearCall {
  static constexpr size_t kWeight = 1;
  static constexpr bool kMayBeSliced = false;  // features are no channels of a concat
  static Array pixels(const Array& x) {
    const int last = x.rank - 1;
    const int64_t features = x.shape[last], rows = features == 0 ? 0 : x.numel() / features;
    const int64_t row = x.strides[last - 1];
    return {.data = x.data,
            .dtype = x.dtype,
            .rank = 4,
            .shape = {1, features, 1, rows},
            .strides = {rows * row, x.strides[last], rows * row, row}};
  }
  /// Whether rows lie at one distance.
  static bool has_even_rows(const Array& x) {
    for (int d = x.rank - 3; d >= 0; --d)
      if (x.shape[d] > 1 && x.strides[d] != x.shape[d + 1] * x.strides[d + 1]) return false;
    return true;
  }
  static bool fits(const EvalArgs& a) { return has_even_rows(a.in[0]) && has_even_rows(a.out[0]); }
  static kernels::ConvArgs args(const EvalArgs& a) {
    kernels::ConvArgs out = kFollows(a);
    out.x = pixels(a.in[0]), out.weight = weight(a.in[1]), out.bias = a.input(2), out.y = pixels(a.out[0]);
    return out;
  }
  static Array weight(const Array& w) {
    return {.data = w.data,
            .dtype = w.dtype,
            .rank = 4,
            .shape = {w.shape[0], w.shape[1], 1, 1},
            .strides = {w.strides[0], w.strides[1], 1, 1}};
  }
  static int64_t groups(const Attrs&) { return 1; }
};
kernels::ConvArgs nothing_follows(const EvalArgs&) { return {}; }
kernels::ConvArgs activation_follows(const EvalArgs& a) {
  kernels::ConvArgs out;
  const auto& attrs = a.as<LinearFusedAttrs>();
  set_activation(out, attrs.activation, attrs.alpha);
  return out;
}

using Conv = ConvCall<conv2d_args>;
using ConvFused = ConvCall<conv2d_fused_args>;
using Linear = LinearCall<nothing_follows>;
using LinearFused = LinearCall<activation_follows>;

template <class Kernel, class Call>
constexpr PackedOperand packed_weight() {
  return {
      .index = Call::kWeight,
      .bytes = [](const EvalArgs& a) { return Kernel::bytes(Call::args(a)); },
      .form = [](const EvalArgs& a) { return Kernel::form(Call::args(a)); },
      .pack = [](const EvalArgs& a, void* packed) { Kernel::pack(Call::args(a), packed); },
      .check = [](const Array& weight, const Attrs& attrs, std::span<const std::byte> packed,
                  std::string_view form) { Kernel::check(Call::weight(weight), Call::groups(attrs), packed, form); },
      .unpack = [](const void* packed, const Attrs& attrs,
                   const Array& dense) { Kernel::unpack(packed, Call::groups(attrs), Call::weight(dense)); },
  };
}
template <class Kernel, class Call>
constexpr PackedOperand kPackedWeight[] = {packed_weight<Kernel, Call>()};

template <class Kernel, class Call>
constexpr Tactic packed_tactic(std::string_view op) {
  return {
      .name = Kernel::kName,
      .op = op,
      .packed = kPackedWeight<Kernel, Call>,
      .fast_math = Kernel::kFastMath,
      .varies = Kernel::kVaries,
      .takes_slices =
          [](const InferArgs& a) {
            return Call::kMayBeSliced && Kernel::takes_slices(a.in[Call::kWeight], Call::groups(a.attrs));
          },
      .supports = [](const EvalArgs& a) { return Call::fits(a) && Kernel::supports(Call::args(a)); },
      // Asked for before any call: a plan from a file may name a tactic that cannot do what it says.
      .scratch =
          [](const EvalArgs& a) {
            const kernels::ConvArgs args = Call::args(a);
            CHECK(args.y.numel() == 0 || (Call::fits(a) && Kernel::supports(args)),
                  "the tactic '{}' does not support this call", Kernel::kName);
            return Kernel::scratch(args, a.in[Call::kWeight].data);
          },
      .eval = [](const EvalArgs& a) { Kernel::run(Call::args(a), a.in[Call::kWeight].data, a.scratch); },
  };
}

// ---- Steps of several convolutions, whose kernels take the whole call.

template <class Call, class Kernel>
bool supports_call(const EvalArgs& a) {
  return Kernel::supports(Call(a));
}
template <class Call, class Kernel>
size_t scratch_of_call(const EvalArgs& a) {
  const Call call(a);
  if (call.is_empty()) return 0;
  CHECK(Kernel::supports(call), "the tactic does not support this call");
  return Kernel::scratch(call);
}
template <class Call, class Kernel>
void run_call(const EvalArgs& a) {
  const Call call(a);
  if (!call.is_empty()) Kernel::run(call, a.scratch);
}

// ---- A depthwise convolution and the 1x1 after it: in one kernel, or one after the other with an array between them.

struct DepthwiseHalf : AnyConv {
  static kernels::ConvArgs args(const EvalArgs& a) { return DepthwisePointwiseCall(a).args.depthwise; }
};
struct PointwiseHalf : AnyConv {
  static constexpr size_t kWeight = 3;
  static kernels::ConvArgs args(const EvalArgs& a) { return DepthwisePointwiseCall(a).args.pointwise; }
  static int64_t groups(const Attrs&) { return 1; }
};

/// A call with its weights as packed.
struct PairCall : DepthwisePointwiseCall {
  const void *first, *second;
  explicit PairCall(const EvalArgs& a)
      : DepthwisePointwiseCall(a), first(args.depthwise.weight.data), second(args.pointwise.weight.data) {}
};

/// Two kernels one after the other.
template <class First, class Second>
struct OneAfterTheOther {
  static bool supports(const PairCall& c) {
    return First::supports(c.args.depthwise) && Second::supports(c.args.pointwise);
  }
  static size_t scratch(const PairCall& c) {
    return c.between_bytes +
           std::max(First::scratch(c.args.depthwise, c.first), Second::scratch(c.args.pointwise, c.second));
  }
  static void run(const PairCall& c, void*) {
    First::run(c.args.depthwise, c.first, c.scratch);
    Second::run(c.args.pointwise, c.second, c.scratch);
  }
};

/// The array between the two stays in the cache.
struct InOne {
  static bool supports(const PairCall& c) { return conv_depthwise_pointwise_supports(c.args); }
  static size_t scratch(const PairCall& c) { return kernels::conv_depthwise_pointwise_scratch(c.args); }
  static void run(const PairCall& c, void* scratch) {
    kernels::conv_depthwise_pointwise(c.args, c.first, c.second, scratch);
  }
};

template <class First, class Second>
constexpr PackedOperand kPackedWeights[] = {packed_weight<First, DepthwiseHalf>(),
                                            packed_weight<Second, PointwiseHalf>()};

/// `Kernel` runs both; their weights are packed for First and Second.
template <class First, class Second, class Kernel = OneAfterTheOther<First, Second>>
constexpr Tactic depthwise_pointwise_tactic(std::string_view name) {
  return {
      .name = name,
      .op = "conv2d_depthwise_pointwise",
      .packed = kPackedWeights<First, Second>,
      .fast_math = First::kFastMath || Second::kFastMath,
      .varies = First::kVaries || Second::kVaries,
      .takes_slices =
          [](const InferArgs& a) {
            return First::takes_slices(a.in[DepthwiseHalf::kWeight], DepthwiseHalf::groups(a.attrs)) &&
                   Second::takes_slices(a.in[PointwiseHalf::kWeight], PointwiseHalf::groups(a.attrs));
          },
      .supports = supports_call<PairCall, Kernel>,
      .scratch = scratch_of_call<PairCall, Kernel>,
      .eval = run_call<PairCall, Kernel>,
  };
}

// ---- Our own products that pack at every call: of operands that both change, or of any strides.

Array no_bias(const EvalArgs&) { return {}; }
Array linear_bias(const EvalArgs& a) { return a.input(2); }
Array as_it_is(const Array& b) { return b; }
void nothing(const EvalArgs&) {}
void activate(const EvalArgs& a) {
  const auto& attrs = a.as<LinearFusedAttrs>();
  if (attrs.activation != Activation::none) kernels::activate(attrs.activation, attrs.alpha, 0, a.out[0], a.out[0]);
}

/// How `b` lies in the second operand, what is added and what follows.
template <Array (*kB)(const Array&), Array (*kBias)(const EvalArgs&), void (*kFollows)(const EvalArgs&)>
constexpr Tactic unpacked_tactic(std::string_view name, std::string_view op) {
  return {
      .name = name,
      .op = op,
      .supports = [](const EvalArgs& a) { return kernels::matmul_gemm_supports(a.in[0], a.in[1], kBias(a), a.out[0]); },
      .scratch =
          [](const EvalArgs& a) {
            CHECK(kernels::matmul_gemm_supports(a.in[0], a.in[1], kBias(a), a.out[0]),
                  "our own products do not support this call: it is not f32");
            return kernels::matmul_gemm_scratch(a.in[0], kB(a.in[1]), kBias(a), a.out[0]);
          },
      .eval =
          [](const EvalArgs& a) {
            kernels::matmul_gemm(a.in[0], kB(a.in[1]), kBias(a), a.out[0], a.scratch);
            kFollows(a);
          },
  };
}

// ---- Convolutions of one x: in one kernel, or one after the other.

template <size_t i>
struct Sibling : AnyConv {
  static constexpr size_t kWeight = weight_of_sibling(i);
  static kernels::ConvArgs args(const EvalArgs& a) { return conv2d_sibling_args(a, i); }
};
template <class Kernel, size_t... i>
constexpr auto packed_siblings(std::index_sequence<i...>) {
  return std::array{packed_weight<Kernel, Sibling<i>>()...};
}
template <class Kernel>
constexpr auto kPackedSiblings = packed_siblings<Kernel>(std::make_index_sequence<Results::kMost>());

/// The siblings of a call with their weights as packed.
struct SiblingsCall {
  SiblingArgs siblings;
  FixedVector<const void*, Results::kMost> packed;

  explicit SiblingsCall(const EvalArgs& a) : siblings(conv2d_siblings_args(a)) {
    for (const kernels::ConvArgs& sibling : siblings) packed.push_back(sibling.weight.data);
  }
  bool is_empty() const {
    return std::all_of(siblings.begin(), siblings.end(),
                       [](const kernels::ConvArgs& sibling) { return sibling.y.numel() == 0; });
  }
};

template <class Kernel>
struct EachAlone {
  static bool supports(const SiblingsCall& c) {
    return std::all_of(c.siblings.begin(), c.siblings.end(), Kernel::supports);
  }
  static size_t scratch(const SiblingsCall& c) {
    size_t most = 0;
    for (size_t i = 0; i < c.siblings.size(); ++i) most = std::max(most, Kernel::scratch(c.siblings[i], c.packed[i]));
    return most;
  }
  static void run(const SiblingsCall& c, void* scratch) {
    for (size_t i = 0; i < c.siblings.size(); ++i) Kernel::run(c.siblings[i], c.packed[i], scratch);
  }
};

struct Together {
  static bool supports(const SiblingsCall& c) { return kernels::conv_gemm_supports_siblings(c.siblings); }
  static size_t scratch(const SiblingsCall& c) { return kernels::conv_gemm_siblings_scratch(c.siblings); }
  static void run(const SiblingsCall& c, void* scratch) { kernels::conv_gemm_siblings(c.siblings, c.packed, scratch); }
};

/// `Kernel` runs them all; their weights are packed for `Packing`.
template <class Packing, class Kernel = EachAlone<Packing>>
constexpr Tactic siblings_tactic(std::string_view name) {
  return {
      .name = name,
      .op = "conv2d_siblings",
      .packed = kPackedSiblings<Packing>,
      .fast_math = Packing::kFastMath,
      .varies = Packing::kVaries,
      .takes_slices =
          [](const InferArgs& a) {
            for (size_t i = 0; i < siblings_of(a.in.size()); ++i)
              if (!Packing::takes_slices(a.in[weight_of_sibling(i)], groups_of(a.attrs))) return false;
            return true;
          },
      .supports = supports_call<SiblingsCall, Kernel>,
      .scratch = scratch_of_call<SiblingsCall, Kernel>,
      .eval = run_call<SiblingsCall, Kernel>,
  };
}

// ---- Concat: parts that were made in their place are there already.

void concat_missing(const EvalArgs& a) {
  const auto dim = static_cast<int>(a.as<DimAttrs>().dim);
  int64_t start = 0;
  for (const Array& part : a.in) {
    const Array place = narrowed(a.out[0], dim, start, part.shape[dim]);
    if (place.data != part.data) kernels::copy(part, place);
    start += part.shape[dim];
  }
}

// Of an op's rows the last that supports a call is chosen where none is timed.
constexpr Tactic kTactics[] = {
    packed_tactic<Winograd<2>, Conv>("conv2d"),
    packed_tactic<Winograd<2>, ConvFused>("conv2d_fused"),
    packed_tactic<Winograd<4>, Conv>("conv2d"),
    packed_tactic<Winograd<4>, ConvFused>("conv2d_fused"),
    packed_tactic<Depthwise, Conv>("conv2d"),
    packed_tactic<Depthwise, ConvFused>("conv2d_fused"),
    packed_tactic<Products, Conv>("conv2d"),
    packed_tactic<Products, ConvFused>("conv2d_fused"),
    packed_tactic<OneDnn, Conv>("conv2d"),
    packed_tactic<OneDnn, ConvFused>("conv2d_fused"),
    depthwise_pointwise_tactic<OneDnn, OneDnn>("onednn_packed+onednn_packed"),
    depthwise_pointwise_tactic<OneDnn, Products>("onednn_packed+gemm"),
    depthwise_pointwise_tactic<Depthwise, OneDnn>("depthwise+onednn_packed"),
    depthwise_pointwise_tactic<Depthwise, Products>("depthwise+gemm"),
    depthwise_pointwise_tactic<Depthwise, Products, InOne>("depthwise_pointwise"),
    siblings_tactic<OneDnn>("onednn_packed"),
    siblings_tactic<Products>("gemm"),
    siblings_tactic<Products, Together>("gemm_siblings"),
    unpacked_tactic<as_it_is, no_bias, nothing>("gemm", "matmul"),
    unpacked_tactic<kernels::transposed, linear_bias, nothing>("gemm_unpacked", "linear"),
    unpacked_tactic<kernels::transposed, linear_bias, activate>("gemm_unpacked", "linear_fused"),
    packed_tactic<Products, Linear>("linear"),
    packed_tactic<Products, LinearFused>("linear_fused"),
    {.name = "in_place",
     .op = "concat",
     .planned = true,
     .supports = [](const EvalArgs&) { return true; },
     .eval = concat_missing},
};

}  // namespace

std::span<const Tactic> all_tactics() { return kTactics; }

const Tactic* find_tactic(const OpDef& op, std::string_view name) {
  if (name == "eval") return nullptr;
  const auto it = std::find_if(std::begin(kTactics), std::end(kTactics),
                               [&](const Tactic& t) { return t.op == op.name && t.name == name; });
  CHECK(it != std::end(kTactics), "{} has no tactic '{}'", op.name, name);
  return &*it;
}

std::span<const PackedOperand> packed_operands(const Tactic* tactic, size_t operands) {
  if (tactic == nullptr) return {};
  const auto end = std::find_if(tactic->packed.begin(), tactic->packed.end(),
                                [&](const PackedOperand& operand) { return operand.index >= operands; });
  return tactic->packed.first(static_cast<size_t>(end - tactic->packed.begin()));
}

// An engine computes by what its tactics say: an eval of it is strict, whatever eager mode is set to.
size_t scratch_bytes(const OpDef& op, const Tactic* tactic, const EvalArgs& args) {
  const StrictMath strict;
  const auto count = tactic != nullptr ? tactic->scratch : op.scratch;
  return count != nullptr ? count(args) : 0;
}

void evaluate(const OpDef& op, const Tactic* tactic, const EvalArgs& args) {
  const StrictMath strict;
  (tactic != nullptr ? tactic->eval : op.eval)(args);
}

}  // namespace ingot
