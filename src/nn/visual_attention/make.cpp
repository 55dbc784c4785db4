#include "base/overloaded.h"
#include "nn/visual_attention/parts.h"

namespace ingot {
namespace {

using Made = std::unique_ptr<Module>;

Made make_se(const SEOptions& o, int64_t channels) {
  return std::make_unique<SqueezeExcitation>(channels, reduced("SE", channels, o.reduction),
                                             SqueezeExcitationOptions{.identity_start = o.identity_start});
}
Made make_sk(SelectiveKernelOptions o, const AttentionShape& shape) {
  o.groups = o.groups.value_or(shape.groups);
  o.stride = shape.stride;
  return std::make_unique<SelectiveKernel>(shape.in_channels, shape.out_channels, o);
}
Made make_mhsa(MHSAOptions o, const AttentionShape& shape) {
  o.stride = shape.stride;
  return std::make_unique<MHSA>(shape.in_channels, shape.out_channels, o);
}

}  // namespace

std::string_view name_of(const AttentionKind& kind) {
  return std::visit([](const auto& options) { return options.kName; }, kind);
}
bool replaces_conv(const AttentionKind& kind) {
  return replaces_norm(kind) || std::holds_alternative<MHSAOptions>(kind);
}
bool replaces_norm(const AttentionKind& kind) { return std::holds_alternative<SelectiveKernelOptions>(kind); }

std::unique_ptr<Module> make_attention(const AttentionKind& kind, const AttentionShape& shape) {
  const int64_t channels = shape.out_channels;
  return std::visit(
      Overloaded{[&](const SEOptions& o) { return make_se(o, channels); },
                 [&](const ECAOptions& o) -> Made { return std::make_unique<ECA>(channels, o); },
                 [&](const CBAMOptions& o) -> Made { return std::make_unique<CBAM>(channels, o); },
                 [&](const BAMOptions& o) -> Made { return std::make_unique<BAM>(channels, o); },
                 [&](const CoordAttentionOptions& o) -> Made { return std::make_unique<CoordAttention>(channels, o); },
                 [&](const GlobalContextOptions& o) -> Made { return std::make_unique<GlobalContext>(channels, o); },
                 [&](const NonLocalOptions& o) -> Made { return std::make_unique<NonLocal2d>(channels, o); },
                 [&](const SelectiveKernelOptions& o) { return make_sk(o, shape); },
                 [&](const SimAMOptions& o) -> Made { return std::make_unique<SimAM>(o.lambda); },
                 [&](const TripletAttentionOptions& o) -> Made { return std::make_unique<TripletAttention>(o); },
                 [&](const MHSAOptions& o) { return make_mhsa(o, shape); }},
      kind);
}

}  // namespace ingot
