#include "ingot/nn/visual_attention.h"
#include "networks.h"

namespace ingot::testing {
namespace {

TEST(Attention, EveryKindRunsInAnEngine) {
  const SeedScope seed(2);
  const AttentionKind kinds[] = {SEOptions{.reduction = 4},
                                 ECAOptions{},
                                 CBAMOptions{.reduction = 4},
                                 BAMOptions{.reduction = 4},
                                 CoordAttentionOptions{},
                                 GlobalContextOptions{.reduction = 4},
                                 NonLocalOptions{.sub_sample = true},
                                 SelectiveKernelOptions{.groups = 4},
                                 SimAMOptions{},
                                 TripletAttentionOptions{},
                                 MHSAOptions{.size = Pair(6, 5)}};
  for (const AttentionKind& kind : kinds) {
    const auto module = make_attention(kind, {16, 16});
    module->eval();
    uint64_t key = 0;  // what starts at 0 takes part too
    for (Tensor p : module->parameters()) copy_into(p, random(p.shape(), ++key));
    const InputSpec x{.name = "x", .shape = {Dim::symbol("n", 4), 16, 6, 5}};
    const Traced t = trace([&](const Tensors& in) { return module->call(in); }, {x}, module->named_tensors(),
                           {.ranges = {{"n", {.example = 4, .min = 1, .max = 8}}}});
    EXPECT_TRUE(t.fixed.empty()) << name_of(kind);
    expect_runs_as(compile(t.graph), t.graph, {4, 1, 3});
  }
}

}  // namespace
}  // namespace ingot::testing
