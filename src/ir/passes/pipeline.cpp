#include <algorithm>

#include "base/text.h"
#include "ir/passes/passes.h"

namespace ingot {
namespace {

constexpr Pass kInferencePasses[] = {
    {"fold_constants", fold_constants},
    {"recognise_activations", recognise_activations},  // as exporters write them: x * sigmoid(x)
    {"drop_identities", drop_identities},              // dropout, x*1, reshape to the same shape
    {"merge_views", merge_views},                      // after: what stood between two views is gone
    {"merge_common_subexpressions", merge_common_subexpressions},
    {"remove_dead_nodes", remove_dead_nodes},  // their reading would stand in the way of fusions
    {"fold_pad", fold_pad},
    {"fold_conv_batch_norm", fold_conv_batch_norm},
    {"fold_batch_norm_conv", fold_batch_norm_conv},  // after: it only sees what the former left
    {"fuse_conv_add", fuse_conv_add},
    {"fuse_conv_activation", fuse_conv_activation},              // after add: conv, add, relu is one kernel
    {"fuse_depthwise_pointwise", fuse_depthwise_pointwise},      // after: both have their residual and activation
    {"merge_sibling_convolutions", merge_sibling_convolutions},  // of those that are left
    {"fuse_batch_norm_relu", fuse_batch_norm_relu},              // after all that take a batch norm away
    {"permute_flatten", permute_flatten},
    {"remove_dead_nodes", remove_dead_nodes},
};

}  // namespace

std::span<const Pass> inference_passes() { return kInferencePasses; }

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const Pass& pass : kInferencePasses)
    if (std::find(names.begin(), names.end(), pass.name) == names.end()) names.emplace_back(pass.name);
  return names;
}

Report optimize(Graph& graph, const PassOptions& options) {
  const auto names = pass_names();
  for (const std::string& name : options.disabled)
    CHECK(std::find(names.begin(), names.end(), name) != names.end(), "there is no pass '{}'{}", name,
          did_you_mean(name, names));
#ifdef NDEBUG
  const bool verifies = options.verify_each;
#else
  const bool verifies = true;
#endif
  Report report;
  for (const Pass& pass : kInferencePasses) {
    if (options.disabled.contains(std::string(pass.name))) continue;
    pass.run(graph, report);
    if (!verifies) continue;
    try {
      verify(graph);
    } catch (const Error& e) {
      fail("the pass {} broke the graph: {}", pass.name, e.what());
    }
  }
  return report;
}

}  // namespace ingot
