#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>

#include "golden.h"
#include "ingot/graph.h"
#include "ingot/nn.h"

// Layers beside PyTorch's, by scripts/golden.py: the names in their state, results, gradients and moved buffers.
namespace ingot {

struct LayerCase {
  std::string name;
  std::function<std::unique_ptr<Module>()> make;
  bool train = false;
  std::function<Tensor(Module&, const Tensors&)> call = [](Module& m, const Tensors& in) { return m.call(in)[0]; };
};
inline void PrintTo(const LayerCase& c, std::ostream* out) { *out << c.name; }
inline std::string layer_name(const testing::TestParamInfo<LayerCase>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

template <class M, class... A>
std::function<std::unique_ptr<Module>()> layer(A... args) {
  return [=] { return std::make_unique<M>(args...); };
}

/// What tests/golden/FILE.safetensors has of the case, in f64 and f32.
inline void expect_golden_layer(const std::string& file, const LayerCase& c) {
  const TensorMap& all = golden(file);
  const auto below = [&](const std::string& part) {
    TensorsByName found;
    const std::string prefix = c.name + "/" + part + "/";
    for (auto it = all.lower_bound(prefix); it != all.end() && it->first.starts_with(prefix); ++it)
      found.emplace_back(it->first.substr(prefix.size()), it->second);
    return found;
  };
  ASSERT_TRUE(all.contains(c.name + "/out")) << c.name;
  for (const auto& [dtype, tolerance] : {std::pair(DType::f64, 1e-10), std::pair(DType::f32, 2e-5)}) {
    const auto module = c.make();
    module->to(dtype);
    module->train(c.train);
    module->load_state_dict(below("state"));
    Tensors in;
    for (int i = 0; all.contains(fmt::format("{}/in{}", c.name, i)); ++i) {
      const Tensor& x = all.at(fmt::format("{}/in{}", c.name, i));
      in.push_back(is_floating(x.dtype()) ? contiguous(cast(x, dtype)) : x);
    }
    const bool differentiable = all.contains(c.name + "/d0");
    if (differentiable) in[0].set_requires_grad();
    const Tensor out = c.call(*module, in);
    const std::string what = c.name + " in " + std::string(name_of(dtype));
    expect_close(out, all.at(c.name + "/out"), tolerance, what);
    backward(out, cast(all.at(c.name + "/grad"), dtype));
    if (differentiable) expect_close(in[0].grad(), all.at(c.name + "/d0"), tolerance, what + ", gradient");
    size_t gradients = 0;
    for (const auto& [name, parameter] : module->named_parameters()) {
      if (!all.contains(c.name + "/dstate/" + name)) continue;
      ++gradients;
      expect_close(parameter.grad(), all.at(c.name + "/dstate/" + name), tolerance, what + ", gradient of " + name);
    }
    EXPECT_EQ(gradients, below("dstate").size());
    for (const auto& [name, buffer] : below("after"))
      for (const auto& [own, value] : module->named_buffers())
        if (own == name) expect_close(value, buffer, tolerance, what + ", " + name);
  }
}

inline Tensors inputs_of(const std::string& file, const LayerCase& c) {
  Tensors in;
  for (int i = 0; golden(file).contains(fmt::format("{}/in{}", c.name, i)); ++i)
    in.push_back(golden(file).at(fmt::format("{}/in{}", c.name, i)));
  return in;
}

/// Whatever the layer: a deep copy, the printed form, and the graph of a trace with a first size that is open.
inline void expect_copies_prints_and_traces(const std::string& file, const LayerCase& c) {
  const auto module = c.make();
  module->eval();
  const Tensors in = inputs_of(file, c);
  const NoGrad no_grad;
  const Tensor expected = c.call(*module, in);
  const auto same = [&](const Tensor& found) {
    EXPECT_THAT(found.to_vector<float>(), testing::Pointwise(testing::FloatNear(1e-5F), expected.to_vector<float>()));
  };
  const auto copy = module->clone();
  EXPECT_EQ(copy->str(), module->str());
  EXPECT_TRUE(module->str().starts_with(std::string(module->type_name()) + "(")) << module->str();
  for (Tensor& parameter : module->parameters()) fill(parameter, 0);
  same(c.call(*copy, in));

  std::vector<InputSpec> specs;
  for (size_t i = 0; i < in.size(); ++i)
    specs.push_back({.name = fmt::format("x{}", i), .dtype = in[i].dtype(), .shape = in[i].shape()});
  if (in.size() == 1) specs[0].shape[0] = Dim::symbol("n", in[0].size(0));
  const Traced traced =
      check_trace([&](const Tensors& x) { return Tensors{c.call(*copy, x)}; }, specs, copy->named_tensors());
  EXPECT_TRUE(traced.fixed.empty());
  same(interpret(traced.graph, in)[0]);
}

}  // namespace ingot
