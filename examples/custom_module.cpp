// A module of one's own has state_dict, clone, printing and tracing without further code.
#include <cstdio>

#include "ingot/graph.h"
#include "ingot/init.h"
#include "ingot/nn.h"

using namespace ingot;

/// x + conv(relu(norm(x))), scaled by a learnt number.
class Residual : public ModuleOf<Residual> {
 public:
  explicit Residual(int64_t channels) : norm(channels), conv(channels, channels, 3, {.padding = 1}) {
    child("norm", norm);
    child("conv", conv);
    parameter("scale", scale, ones({1}));
  }
  Tensor forward(const Tensor& x) { return x + scale * conv(relu(norm(x))); }

  BatchNorm2d norm;
  Conv2d conv;
  Tensor scale;
};

int main() {
  Sequential net(Conv2d(3, 8, 3, {.padding = 1}), Residual(8), Residual(8));
  init_weights(net, 0);
  std::printf("%s\n\nits state:\n", net.str().c_str());
  for (const auto& [name, x] : net.state_dict())
    std::printf("  %-28s %s\n", name.c_str(), to_string(x.shape()).c_str());

  // A clone has values of its own.
  const auto copy = net.clone();
  fill(copy->get<Residual>(1).scale, 0);
  std::printf("\nscale of block 1: %g, in the clone %g\n", net.get<Residual>(1).scale.item<double>(),
              copy->get<Residual>(1).scale.item<double>());

  // Errors name the module.
  try {
    net(ones({1, 4, 8, 8}));
  } catch (const Error& error) {
    std::printf("%s\n\n", error.what());
  }

  net.eval();
  const Traced traced =
      trace([&](const Tensors& in) { return net.call(in); }, {{.name = "x", .shape = {Dim::symbol("n", 1), 3, 8, 8}}},
            net.named_tensors(), {.output_names = {"y"}});
  std::printf("%s", to_string(traced.graph).c_str());

  const Tensor x = ones({2, 3, 8, 8});
  const NoGrad no_grad;
  const bool same = interpret(traced.graph, {x})[0].to_vector<float>() == net(x).to_vector<float>();
  return same && copy->get<Residual>(1).scale.item<double>() == 0 && net.get<Residual>(1).scale.item<double>() == 1 ? 0
                                                                                                                    : 1;
}
