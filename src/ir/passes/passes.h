#pragma once

#include "base/check.h"
#include "ir/node.h"

namespace ingot {

struct ConvFusedAttrs;

/// A rewriting of the graph that keeps what it computes. Returns whether anything changed.
struct Pass {
  std::string_view name;
  bool (*run)(Graph&, Report&);
};
std::span<const Pass> inference_passes();

bool fold_constants(Graph& graph, Report& report);
bool recognise_activations(Graph& graph, Report& report);
bool merge_views(Graph& graph, Report& report);
bool drop_identities(Graph& graph, Report& report);
bool merge_common_subexpressions(Graph& graph, Report& report);
bool fold_pad(Graph& graph, Report& report);
bool fold_conv_batch_norm(Graph& graph, Report& report);
bool fold_batch_norm_conv(Graph& graph, Report& report);
bool fuse_conv_add(Graph& graph, Report& report);
bool fuse_conv_activation(Graph& graph, Report& report);
bool fuse_depthwise_pointwise(Graph& graph, Report& report);
bool merge_sibling_convolutions(Graph& graph, Report& report);
bool fuse_batch_norm_relu(Graph& graph, Report& report);
bool permute_flatten(Graph& graph, Report& report);
bool remove_dead_nodes(Graph& graph, Report& report);

/// What a matcher found, or why there is nothing to do.
template <class T>
class Match {
 public:
  Match(T found) : found_(std::move(found)) {}
  Match(std::string reason) : reason_(std::move(reason)) {}
  Match(const char* reason) : reason_(reason) {}
  explicit operator bool() const { return found_.has_value(); }
  const T& operator*() const { return *found_; }
  const T* operator->() const { return &*found_; }
  const std::string& reason() const { return reason_; }

 private:
  std::optional<T> found_;
  std::string reason_;
};

// ---- What several passes ask and do.

/// Whether operand `operand` of `reader` is the only place where the value is read.
bool is_only_read_by(const Graph& graph, const Value& value, const Node& reader, size_t operand);
/// conv2d or conv2d_fused.
bool is_conv(const Node& node);
/// Operands without those at the end that are none.
std::vector<Value*> trimmed(std::vector<Value*> operands);
/// Of either; conv2d has no activation.
ConvFusedAttrs attrs_of_conv(const Node& conv);
/// Whether the gradient's values of a node are read, as in a traced training step.
bool saved_are_read(const Node& node);
bool is_constant_or_absent(const Value* value);
/// The one number that a constant holds in all its elements.
std::optional<double> uniform_value(const Value* value);
/// Operand i as a tensor; undefined where it is absent.
Tensor constant_of(const Node& node, size_t i);
/// A new constant named after an old one: "conv1.weight" gives "conv1.weight.folded".
Value& add_derived_constant(Graph& graph, const Tensor& data, const std::string& name);
/// All readers of the node's result read the new value instead, which takes its name; the node goes.
void replace(Graph& graph, Node& node, Value& with);

/// An inference batch norm as y = scale * x + shift per channel, in f64.
struct ChannelAffine {
  Tensor scale, shift;
};
/// Refuses parameters that are no constants, and scales that are not finite.
Match<ChannelAffine> affine_of(const Node& batch_norm);

}  // namespace ingot
