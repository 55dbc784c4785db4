#include "ingot/module.h"

#include <gmock/gmock.h>

#include "error_of.h"
#include "ingot/ops.h"

namespace ingot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Scale : public ModuleOf<Scale> {
 public:
  explicit Scale(double value = 1) {
    parameter("weight", weight, full({2}, value));
    buffer("count", count, zeros({}, DType::i64), {.zero_if_missing = true});
    buffer("cache", cache, zeros({2}), {.persistent = false});
  }
  Tensor forward(const Tensor& x) const { return x * weight; }
  std::string extra_repr() const override { return "2"; }

  Tensor weight, count, cache;
};

class Pair2 : public ModuleOf<Pair2> {
 public:
  Pair2() {
    parameter("bias", bias, zeros({2}));
    child("first", first);
    child("second", second);
  }
  std::pair<Tensor, Tensor> forward(const Tensor& x, const Tensor& y) { return {first(x) + *bias, second(y)}; }

  std::optional<Tensor> bias;
  Scale first{2}, second{3};
};

class Outer : public ModuleOf<Outer> {
 public:
  Outer() {
    child("pair", pair);
    child("again", pair);
    child("last", last);
    last.weight = pair.first.weight;  // a tie
  }
  Tensor forward(const Tensor& x) {
    auto [a, b] = pair(x, x);
    return last(a + b);
  }
  Pair2 pair;
  Scale last;
};

template <class List>
std::vector<std::string> names(const List& list) {
  std::vector<std::string> found;
  for (const auto& [name, value] : list) found.push_back(name);
  return found;
}

TEST(Module, ListsChildrenAndModulesOnceUnderTheirFirstName) {
  Outer net;
  EXPECT_THAT(names(net.named_children()), ElementsAre("pair", "last"));
  EXPECT_THAT(names(net.named_modules()), ElementsAre("", "pair", "pair.first", "pair.second", "last"));
  EXPECT_THAT(names(net.named_modules("net", false)),
              ElementsAre("net", "net.pair", "net.pair.first", "net.pair.second", "net.again", "net.again.first",
                          "net.again.second", "net.last"));
  EXPECT_EQ(net.modules().front(), &net);
  EXPECT_EQ(&net.submodule("pair.second"), &net.pair.second);
  EXPECT_EQ(error_of([&] { net.submodule("pair.third.x"); }),
            "Outer has no module 'pair.third.x': Pair2 has no child 'third'");
}

TEST(Module, ListsTensorsOnceAndStateUnderEveryName) {
  const Outer net;
  EXPECT_THAT(names(net.named_parameters()), ElementsAre("pair.bias", "pair.first.weight", "pair.second.weight"));
  EXPECT_TRUE(net.named_parameters(false).empty());
  EXPECT_THAT(names(net.pair.named_parameters(false)), ElementsAre("bias"));
  EXPECT_THAT(names(net.named_buffers()), ElementsAre("pair.first.count", "pair.first.cache", "pair.second.count",
                                                      "pair.second.cache", "last.count", "last.cache"));
  EXPECT_THAT(names(net.state_dict()),
              ElementsAre("pair.bias", "pair.first.weight", "pair.first.count", "pair.second.weight",
                          "pair.second.count", "again.bias", "again.first.weight", "again.first.count",
                          "again.second.weight", "again.second.count", "last.weight", "last.count"));
}

TEST(Module, StateAliasesTheLiveTensorsWithoutHistory) {
  Scale scale;
  auto state = scale.state_dict();
  EXPECT_FALSE(state[0].second.requires_grad());
  state[0].second.mutable_data<float>()[1] = 7;
  EXPECT_THAT(scale.weight.to_vector<float>(), ElementsAre(1, 7));
}

TEST(Module, RegistrationRefusesBadNamesAndNonLeaves) {
  struct Open : ModuleOf<Open> {
    using Module::buffer;
    using Module::child;
    using Module::parameter;
    Tensor forward(const Tensor& x) { return x; }
    Tensor a, b;
    Scale scale;
  } m;
  m.parameter("a", m.a, zeros({1}));
  EXPECT_EQ(error_of([&] { m.parameter("", m.b, zeros({1})); }), "Open: a parameter needs a name");
  EXPECT_THAT(error_of([&] { m.child("x.y", m.scale); }), HasSubstr("the name 'x.y' of a child has a '.'"));
  EXPECT_EQ(error_of([&] { m.buffer("a", m.b, zeros({1})); }), "Open: there is a parameter 'a' already");
  m.child("scale", m.scale);
  EXPECT_EQ(error_of([&] { m.parameter("scale", m.b, zeros({1})); }), "Open: there is a child 'scale' already");
  EXPECT_THAT(error_of([&] { m.parameter("b", m.b, m.a * 2); }),
              HasSubstr("the parameter 'b' is a result of other tensors"));
  EXPECT_THAT(error_of([&] { m.parameter("b", m.b, zeros({1}, DType::i64)); }),
              HasSubstr("is i64, it must be floating"));
  EXPECT_THAT(names(m.named_parameters(false)), ElementsAre("a"));
}

TEST(Module, CloneHasItsOwnValuesAndItsOwnTies) {
  Outer net;
  net.eval();
  const auto twin = net.clone();
  EXPECT_FALSE(twin->is_training());
  EXPECT_FALSE(twin->last.weight.same_as(net.last.weight));
  EXPECT_TRUE(twin->last.weight.same_as(twin->pair.first.weight));
  EXPECT_TRUE(twin->last.weight.requires_grad());
  EXPECT_TRUE(twin->state_dict()[1].second.data<float>() == twin->pair.first.weight.data<float>());
  twin->pair.first.weight.mutable_data<float>()[0] = 9;
  EXPECT_EQ(net.pair.first.weight.to_vector<float>()[0], 2);
  const std::unique_ptr<Module> erased = static_cast<const Module&>(net).clone();
  EXPECT_EQ(erased->type_name(), "Outer");
  EXPECT_EQ(names(erased->state_dict()), names(net.state_dict()));
}

TEST(Module, CopySharesTensorsAndNamesItsOwnMembers) {
  Outer net;
  Outer other = net;
  EXPECT_TRUE(other.last.weight.same_as(net.last.weight));
  EXPECT_EQ(&other.submodule("pair"), &other.pair);
  const Outer moved = std::move(other);
  EXPECT_EQ(moved.named_modules()[1].second, &moved.pair);
  EXPECT_EQ(moved.named_parameters().size(), 3u);
}

TEST(Module, MembersThatLieElsewhereAreNotCopied) {
  struct Elsewhere : ModuleOf<Elsewhere> {
    Elsewhere() : held(std::make_shared<Scale>()) { child("held", *held); }
    Tensor forward(const Tensor& x) { return (*held)(x); }
    std::shared_ptr<Scale> held;
  } m;
  EXPECT_THAT(error_of([&] { m.clone(); }), HasSubstr("the child 'held' does not lie in the module itself"));
  struct Sub : Scale {
    int more = 1;
  } sub;
  EXPECT_THAT(error_of([&] { sub.clone(); }), HasSubstr("lacks ModuleOf<Class, Scale>"));
}

TEST(Module, LoadCopiesValuesKeepsTiesAndZeroesWhatIsAllowedToMiss) {
  Outer net;
  fill(net.last.count, 5);
  TensorsByName state;
  for (const auto& [name, x] : net.state_dict())
    if (name != "last.count")
      state.emplace_back(name, full(x.shape(), 4, x.dtype() == DType::f32 ? DType::f64 : x.dtype()));
  const LoadResult result = net.load_state_dict(state);
  EXPECT_TRUE(result.missing.empty());
  EXPECT_THAT(net.last.weight.to_vector<float>(), ElementsAre(4, 4));
  EXPECT_TRUE(net.last.weight.same_as(net.pair.first.weight));
  EXPECT_TRUE(net.last.weight.requires_grad());
  EXPECT_EQ(net.last.count.item<int64_t>(), 0);
}

TEST(Module, LoadListsAllThatIsWrongAndThenCopiesNothing) {
  Pair2 net;
  TensorsByName state{{"bias", ones({2})}, {"first.weight", ones({3})}, {"third", ones({1})}};
  EXPECT_EQ(error_of([&] { net.load_state_dict(state); }),
            "the state does not fit Pair2:\n  missing: second.weight\n  unexpected: third\n"
            "  size mismatch: first.weight is [3] in the state, [2] in the module");
  EXPECT_THAT(error_of([&] { net.load_state_dict(state, false); }), HasSubstr("size mismatch"));
  EXPECT_THAT(net.bias->to_vector<float>(), ElementsAre(0, 0));
  state[1].second = ones({2});
  const LoadResult result = net.load_state_dict(state, false);
  EXPECT_THAT(result.missing, ElementsAre("second.weight"));
  EXPECT_THAT(result.unexpected, ElementsAre("third"));
  EXPECT_THAT(net.bias->to_vector<float>(), ElementsAre(1, 1));
}

TEST(Module, ApplyVisitsChildrenFirstAndModesRecurse) {
  Outer net;
  std::vector<std::string> order;
  net.apply([&](Module& m) { order.emplace_back(m.type_name()); });
  EXPECT_THAT(order, ElementsAre("Scale", "Scale", "Pair2", "Scale", "Outer"));
  net.eval();
  EXPECT_FALSE(net.pair.second.is_training());
  net.train();
  EXPECT_TRUE(net.pair.second.is_training());
  net.requires_grad_(false);
  EXPECT_FALSE(net.pair.bias->requires_grad());
  net.last.weight.set_grad(ones({2}));
  net.zero_grad();
  EXPECT_FALSE(net.last.weight.grad().defined());
}

TEST(Module, ToCastsInPlaceSoThatTiesAndHandlesFollow) {
  Outer net;
  const Tensor held = net.last.weight;
  net.last.weight.set_grad(ones({2}));
  net.to(DType::f64);
  EXPECT_EQ(held.dtype(), DType::f64);
  EXPECT_EQ(held.grad().dtype(), DType::f64);
  EXPECT_TRUE(net.pair.first.weight.same_as(held));
  EXPECT_EQ(net.last.count.dtype(), DType::i64);
  EXPECT_EQ(net.last.cache.dtype(), DType::f64);
  EXPECT_THAT(held.to_vector<double>(), ElementsAre(2, 2));
  EXPECT_TRUE(held.requires_grad());
}

TEST(Module, ErrorsNameThePathOfTheModuleThatRuns) {
  Outer net;
  EXPECT_THAT(error_of([&] { net(ones({3})); }), HasSubstr("[mul] pair.first"));
}

TEST(Module, CallTakesAnyNumberOfTensors) {
  Pair2 pair;
  const Tensors out = pair.call({ones({2}), ones({2})});
  ASSERT_EQ(out.size(), 2u);
  EXPECT_THAT(out[1].to_vector<float>(), ElementsAre(3, 3));
  EXPECT_EQ(error_of([&] { pair.call({ones({2})}); }), "forward of Pair2 does not take 1 tensors");
}

TEST(Module, ForwardHooksReplaceAndRemoveThemselves) {
  Pair2 pair;
  auto pre = pair.on_forward_pre([](const Module&, Tensors& in) { in[0] = in[0] * 10; });
  {
    auto post = pair.on_forward([](const Module& m, const Tensors& in, Tensors& out) {
      EXPECT_EQ(m.type_name(), "Pair2");
      EXPECT_EQ(in.size(), 2u);
      out[1] = in[0];
    });
    const auto [a, b] = pair(ones({2}), ones({2}));
    EXPECT_EQ(a.to_vector<float>()[0], 20);
    EXPECT_EQ(b.to_vector<float>()[0], 10);
  }
  EXPECT_EQ(pair(ones({2}), ones({2})).second.to_vector<float>()[0], 3);
  EXPECT_FALSE(pair.clone()->has_hooks());
  pre.remove();
  EXPECT_FALSE(pair.has_hooks());
}

TEST(Module, BackwardHooksSeeAndReplaceGradients) {
  Pair2 pair;
  Tensor x = ones({2}), y = ones({2});
  x.set_requires_grad();
  y.set_requires_grad();
  int runs = 0;
  auto handle = pair.on_backward([&](const Module&, Tensors& grad_inputs, const Tensors& grad_outputs) {
    ++runs;
    EXPECT_EQ(grad_outputs.at(0).to_vector<float>()[0], 5);
    EXPECT_EQ(grad_inputs.at(0).to_vector<float>()[0], 10);
    grad_inputs[1] = grad_inputs.at(1) * 100;
  });
  const auto [a, b] = pair(x, y);
  backward(sum(a * 5 + b));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(x.grad().to_vector<float>()[0], 10);
  EXPECT_EQ(y.grad().to_vector<float>()[0], 300);
  EXPECT_EQ(pair.bias->grad().to_vector<float>()[0], 5);
  handle.keep();
  EXPECT_TRUE(pair.has_hooks());
}

TEST(Module, ABackwardHookRunsWhereNoInputNeedsAGradient) {
  Scale scale(2);
  int runs = 0;
  auto handle = scale.on_backward([&](const Module&, Tensors& in, const Tensors& out) {
    ++runs;
    EXPECT_TRUE(in.empty());
    EXPECT_EQ(out.at(0).to_vector<float>()[0], 1);
  });
  backward(sum(scale(ones({2}))));
  EXPECT_EQ(runs, 1);
}

TEST(Module, PrintsAsPyTorchDoes) {
  EXPECT_EQ(to_string(Scale()), "Scale(2)");
  EXPECT_EQ(to_string(Outer()),
            "Outer(\n  (pair): Pair2(\n    (first): Scale(2)\n    (second): Scale(2)\n  )\n"
            "  (again): Pair2(\n    (first): Scale(2)\n    (second): Scale(2)\n  )\n  (last): Scale(2)\n)");
}

TEST(Module, TypesAreKnownByTheirNames) {
  const Scale scale;
  EXPECT_TRUE(scale.is_a("Scale"));
  EXPECT_TRUE(scale.is_a("Module"));
  EXPECT_FALSE(scale.is_a("Outer"));
}

}  // namespace
}  // namespace ingot
