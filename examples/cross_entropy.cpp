// Cross-entropy is divergence plus entropy: H(p, q) = KL(p || q) + H(p), for the targets p and the predictions q.
// Only the first part depends on the network, so both have the same gradient.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "ingot/losses.h"

using namespace ingot;

int main() {
  const Shape shape{4, 5};
  const Tensor p = softmax(normal(shape, 0, 2, RandomKey{1}, DType::f64));
  Tensor scores = normal(shape, 0, 2, RandomKey{2}, DType::f64);
  scores.set_requires_grad();

  const Tensor cross = cross_entropy(scores, p, {.reduction = Reduction::none});
  const Tensor divergence = sum(kl_div(log_softmax(scores), p, {.reduction = Reduction::none}), {1});
  const auto both = cross.to_vector<double>(), kl = divergence.to_vector<double>(), h = entropy(p).to_vector<double>();
  double worst = 0;
  std::printf("H(p, q)  =  KL(p || q)  +  H(p)\n");
  for (size_t i = 0; i < both.size(); ++i) {
    std::printf(" %.4f       %.4f       %.4f\n", both[i], kl[i], h[i]);
    worst = std::max(worst, std::abs(both[i] - kl[i] - h[i]));
  }

  const auto a = grad({sum(cross)}, {scores})[0].to_vector<double>();
  const auto b = grad({sum(divergence)}, {scores})[0].to_vector<double>();
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  std::printf("largest difference of the sums and of the gradients: %.0e\n", worst);
  return worst < 1e-12 ? 0 : 1;
}
