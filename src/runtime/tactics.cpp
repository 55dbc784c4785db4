#include "runtime/tactics.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "kernels/elementwise.h"
#include "ops/attrs.h"
#include "ops/conv.h"
#include "ops/rules.h"

namespace ingot {
namespace {

// ---- Convolutions with weights in oneDNN's own layout: eval reorders them at every call.

constexpr int kWeight = 1;

int64_t groups_of(const Attrs& attrs) { return std::get<Dim>(attrs.field("groups")).value(); }

template <kernels::ConvArgs (*kArgs)(const EvalArgs&)>
constexpr Tactic packed_conv(std::string_view op) {
  return {
      .name = "onednn_packed",
      .op = op,
      .packed = kWeight,
      .supports = [](const EvalArgs& a) { return kernels::conv2d_packed_bytes(kArgs(a)) > 0; },
      .scratch = [](const EvalArgs& a) { return kernels::conv2d_packed_scratch(kArgs(a), a.in[kWeight].data); },
      .eval = [](const EvalArgs& a) { kernels::conv2d_packed(kArgs(a), a.in[kWeight].data, a.scratch); },
      .packed_bytes = [](const EvalArgs& a) { return kernels::conv2d_packed_bytes(kArgs(a)); },
      .packed_form = [](const EvalArgs& a) { return kernels::conv2d_packed_format(kArgs(a)); },
      .pack = [](const EvalArgs& a, void* packed) { kernels::conv2d_pack(kArgs(a), packed); },
      .check_packed =
          [](const Array& weight, const Attrs& attrs, std::span<const std::byte> packed, std::string_view form) {
            kernels::check_conv2d_packed(weight, groups_of(attrs), packed, form);
          },
      .unpack = [](const void* packed, const Attrs& attrs,
                   const Array& dense) { kernels::conv2d_unpack(packed, groups_of(attrs), dense); },
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

constexpr Tactic kTactics[] = {
    packed_conv<conv2d_args>("conv2d"),
    packed_conv<conv2d_fused_args>("conv2d_fused"),
    {.name = "in_place", .op = "concat", .supports = [](const EvalArgs&) { return true; }, .eval = concat_missing},
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

size_t scratch_bytes(const OpDef& op, const Tactic* tactic, const EvalArgs& args) {
  const auto count = tactic != nullptr ? tactic->scratch : op.scratch;
  return count != nullptr ? count(args) : 0;
}

void evaluate(const OpDef& op, const Tactic* tactic, const EvalArgs& args) {
  (tactic != nullptr ? tactic->eval : op.eval)(args);
}

}  // namespace ingot
