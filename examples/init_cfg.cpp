// How a network starts, said in two lines; a module may bring rules of its own.
#include <cstdio>

#include "ingot/init_cfg.h"
#include "ingot/models.h"

using namespace ingot;

/// A classifier that at first gives each class a probability of 1 %.
class Head : public ModuleOf<Head> {
 public:
  Head(int64_t features, int64_t classes) : score(features, classes) {
    child("score", score);
    set_init_cfg({{.type = NormalInit{.std = 0.01}, .layer = {"Linear"}, .bias_prob = 0.01}});
  }
  Tensor forward(const Tensor& x) { return sigmoid(score(x)); }
  Linear score;
};

int main() {
  Sequential net(Conv2d(3, 16, 3), BatchNorm2d(16), ReLU(), AdaptiveAvgPool2d(1), Flatten(), Linear(16, 32), ReLU(),
                 Head(32, 10));
  net.set_init_cfg({{.type = KaimingInit{}, .layer = {"_ConvNd"}},  //
                    {.type = XavierInit{}, .layer = {"Linear"}}});
  init_weights(net, 0);
  for (const auto& [name, x] : net.named_parameters())
    std::printf("%-16s %s\n", name.c_str(), net.init_info(name).c_str());

  const double first = mean(net(normal({8, 3, 16, 16}, 0, 1, RandomKey{1}))).item<double>();
  std::printf("\nprobability of a class at first: %.4f\n", first);

  // What a rule means to set has to be there.
  net.set_init_cfg({{.type = KaimingInit{}, .layer = {"Conv1d"}}});
  try {
    init_weights(net, 0);
  } catch (const Error& error) {
    std::printf("%s\n", error.what());
    return first > 0.0099 && first < 0.0101 ? 0 : 1;
  }
  return 1;
}
