#include "train/attention_config.h"

#include "train/config_section.h"

namespace ingot {
namespace {

ConfigSchema count_or_null() { return count().or_null(); }

}  // namespace

inline constexpr Named<NonLocalMode> kNonLocalModes[] = {{"embedded_gaussian", NonLocalMode::embedded_gaussian},
                                                         {"dot_product", NonLocalMode::dot_product}};
inline constexpr Named<AttentionPosition> kPositions[] = {{"conv", AttentionPosition::conv},
                                                          {"inner", AttentionPosition::inner},
                                                          {"residual", AttentionPosition::residual},
                                                          {"output", AttentionPosition::output},
                                                          {"stage", AttentionPosition::stage}};
template <>
struct ConfigCodec<NonLocalMode> : NamedCodec<NonLocalMode, kNonLocalModes> {};
template <>
struct ConfigCodec<AttentionPosition> : NamedCodec<AttentionPosition, kPositions> {};
/// [height, width]
template <>
struct ConfigCodec<Pair> {
  static ConfigSchema schema() { return ConfigSchema::list_of(count(), 2); }
  static Pair read(const ConfigNode& node) { return {node.items()[0].as_int(), node.items()[1].as_int()}; }
  static ConfigNode write(Pair value) { return ConfigCodec<std::vector<int64_t>>::write({value.h, value.w}); }
};

template <>
struct Section<SEOptions> : SEOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config = std::tuple{optional_key("reduction", &Section::reduction, count),
                                            optional_key("identity_start", &Section::identity_start)};
};
template <>
struct Section<ECAOptions> : ECAOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config = std::tuple{optional_key("kernel_size", &Section::kernel_size, count_or_null),
                                            optional_key("identity_start", &Section::identity_start)};
};
template <>
struct Section<CBAMOptions> : CBAMOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config = std::tuple{optional_key("reduction", &Section::reduction, count),
                                            optional_key("kernel_size", &Section::kernel_size, count),
                                            optional_key("identity_start", &Section::identity_start)};
};
template <>
struct Section<BAMOptions> : BAMOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config = std::tuple{optional_key("reduction", &Section::reduction, count),
                                            optional_key("dilation", &Section::dilation, count),
                                            optional_key("identity_start", &Section::identity_start)};
};
template <>
struct Section<CoordAttentionOptions> : CoordAttentionOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config = std::tuple{optional_key("reduction", &Section::reduction, count),
                                            optional_key("identity_start", &Section::identity_start)};
};
template <>
struct Section<GlobalContextOptions> : GlobalContextOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config = std::tuple{optional_key("reduction", &Section::reduction, count)};
};
template <>
struct Section<NonLocalOptions> : NonLocalOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config =
      std::tuple{optional_key("reduction", &Section::reduction, count), optional_key("mode", &Section::mode),
                 optional_key("sub_sample", &Section::sub_sample)};
};
template <>
struct Section<SelectiveKernelOptions> : SelectiveKernelOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config = std::tuple{
      optional_key("branches", &Section::branches, count), optional_key("reduction", &Section::reduction, count),
      optional_key("least", &Section::least, count), optional_key("groups", &Section::groups, count_or_null)};
};
template <>
struct Section<SimAMOptions> : SimAMOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config = std::tuple{optional_key("lambda", &Section::lambda, not_negative)};
};
template <>
struct Section<TripletAttentionOptions> : TripletAttentionOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config = std::tuple{optional_key("kernel_size", &Section::kernel_size, count),
                                            optional_key("identity_start", &Section::identity_start)};
};
template <>
struct Section<MHSAOptions> : MHSAOptions {
  static constexpr std::string_view kType = kName;
  static constexpr auto config =
      std::tuple{optional_key("heads", &Section::heads, count), optional_key("size", &Section::size)};
};

/// What all kinds have.
template <>
struct Section<AttentionOptions> {
  std::optional<AttentionPosition> position;
  std::vector<int64_t> stages;
  static constexpr auto config =
      std::tuple{optional_key("position", &Section::position),
                 optional_key("stages", &Section::stages, [] { return ConfigSchema::list_of(count()).or_one(); })};
};

using Common = Section<AttentionOptions>;
using Map = SectionWith<AttentionKind, Common>;

ConfigSchema ConfigCodec<AttentionOptions>::schema() { return Map::schema(); }
AttentionOptions ConfigCodec<AttentionOptions>::read(const ConfigNode& node) {
  const auto common = read_config<Common>(node);
  return {read_config<AttentionKind>(node), common.position, common.stages};
}
ConfigNode ConfigCodec<AttentionOptions>::write(const AttentionOptions& value) {
  return Map::write(value.kind, {value.position, value.stages});
}

}  // namespace ingot
