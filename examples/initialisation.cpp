// Why variance is the measure of an initialiser: what 30 layers do to the activations on their way forward and to the
// gradients on their way back. Prints the tables of docs/initialisation.md.
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "ingot/init_cfg.h"
#include "ingot/nn.h"

using namespace ingot;

namespace {

constexpr int kLayers = 30;
constexpr int64_t kWidth = 256, kBatch = 256;

struct Profile {
  std::vector<double> activation, gradient;  // variance by layer: of y = W x, and of the loss's gradient by y
};

double variance(const Tensor& x) { return var(cast(x, DType::f64)).item<double>(); }  // it may be 1e-60

template <class Activation>
Profile measure(const Initializer& how) {
  const SkipInit unset;
  Sequential net;
  for (int i = 0; i < kLayers; ++i) {
    net.append(Linear(kWidth, kWidth));
    net.append(Activation());
  }
  net.set_init_cfg({{.type = how, .layer = {"Linear"}}});
  init_weights(net, 0);

  Profile found{std::vector<double>(kLayers), std::vector<double>(kLayers)};
  std::vector<HookHandle> hooks;
  for (int i = 0; i < kLayers; ++i) {
    const auto at = static_cast<size_t>(i);
    hooks.push_back(net[int64_t{2} * i].on_forward(
        [&found, at](const Module&, const Tensors&, const Tensors& y) { found.activation[at] = variance(y[0]); }));
    hooks.push_back(net[int64_t{2} * i].on_backward(
        [&found, at](const Module&, const Tensors&, const Tensors& dy) { found.gradient[at] = variance(dy[0]); }));
  }
  net.requires_grad_(false);  // only what passes through the layers is wanted
  const Shape shape{kBatch, kWidth};
  Tensor x = normal(shape, 0, 1, RandomKey{1});
  backward(net(x.set_requires_grad()), normal(shape, 0, 1, RandomKey{2}));
  return found;
}

using Columns = std::vector<std::pair<const char*, Profile>>;

template <class Activation>
Columns measure_all() {
  return {{"N(0, 0.01)", measure<Activation>(NormalInit{.std = 0.01})},
          {"Xavier", measure<Activation>(XavierInit{})},
          {"Kaiming", measure<Activation>(KaimingInit{})}};
}

void print_table(const char* title, const Columns& columns) {
  std::printf("%s\n\n| layer |", title);
  for (const char* what : {"y", "dy"})
    for (const auto& [name, profile] : columns) std::printf(" %s: %s |", what, name);
  std::printf("\n|---|");
  for (size_t i = 0; i < columns.size() * 2; ++i) std::printf("---|");
  for (const size_t layer : {1, 5, 10, 15, 20, 25, 30}) {
    std::printf("\n| %zu |", layer);
    for (const auto& [name, profile] : columns) std::printf(" %.1e |", profile.activation[layer - 1]);
    for (const auto& [name, profile] : columns) std::printf(" %.1e |", profile.gradient[layer - 1]);
  }
  std::printf("\n\n");
}

/// Each column by the first letter of its name; a row is four powers of ten.
void print_chart(const Columns& columns) {
  constexpr int kRows = 15, kPowers = 4;
  std::vector<std::string> rows(kRows, std::string(kLayers, ' '));
  for (const auto& [name, profile] : columns)
    for (size_t i = 0; i < kLayers; ++i) {
      const auto row = std::lround(-std::log10(profile.activation[i]) / kPowers);
      if (row >= 0 && row < kRows) rows[static_cast<size_t>(row)][i] = name[0];
    }
  for (int row = 0; row < kRows; ++row)
    std::printf("    1e%-3d |%s\n", -kPowers * row, rows[static_cast<size_t>(row)].c_str());
  std::printf("          +%s\n           layer 1 to %d\n\n", std::string(kLayers, '-').c_str(), kLayers);
}

/// What a layer multiplies the variance by, beside n Var(w) / 2. False where they are not near.
bool print_factors(const Columns& relu) {
  constexpr double kRule[] = {kWidth * 1e-4 / 2, 0.5, 1};
  bool near = true;
  std::printf("ReLU, a layer multiplies the variance by\n\n| | n Var(w) / 2 | measured |\n|---|---|---|\n");
  for (size_t i = 0; i < relu.size(); ++i) {
    const auto& [name, profile] = relu[i];
    const double measured = std::pow(profile.activation.back() / profile.activation.front(), 1.0 / (kLayers - 1));
    std::printf("| %s | %.4f | %.4f |\n", name, kRule[i], measured);
    near = near && std::abs(measured / kRule[i] - 1) < 0.1;
  }
  std::printf("\n");
  return near;
}

}  // namespace

int main() {
  const Columns relu = measure_all<ReLU>();
  print_table("ReLU", relu);
  print_chart(relu);
  const bool near = print_factors(relu);
  print_table("tanh", measure_all<Tanh>());
  return near ? 0 : 1;
}
