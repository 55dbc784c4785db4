// Trains a small network on points in memory: three arms of a spiral, a class each.
#include <cmath>
#include <cstdio>
#include <numbers>

#include "ingot/data.h"
#include "ingot/init.h"
#include "ingot/losses.h"
#include "ingot/nn.h"
#include "ingot/schedulers.h"

using namespace ingot;

class Net : public ModuleOf<Net> {
 public:
  Net() {
    child("fc1", fc1);
    child("fc2", fc2);
    child("fc3", fc3);
  }
  Tensor forward(const Tensor& x) { return fc3(relu(fc2(relu(fc1(x))))); }

  Linear fc1{2, 64}, fc2{64, 64}, fc3{64, 3};
};

/// Points [count, 2] and their arms [count].
TensorDataset spiral(int64_t count, uint64_t seed) {
  constexpr double kTurns = 0.75, kNoise = 0.05;
  const auto noise = normal({count, 2}, 0, kNoise, random_key(seed, "spiral")).to_vector<float>();
  std::vector<float> points;
  std::vector<int64_t> arms;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t arm = i % 3;
    const double along = static_cast<double>(i) / static_cast<double>(count);
    const double angle = 2 * std::numbers::pi * (kTurns * along + static_cast<double>(arm) / 3);
    const auto at = static_cast<size_t>(2 * i);
    points.push_back(static_cast<float>(along * std::cos(angle)) + noise[at]);
    points.push_back(static_cast<float>(along * std::sin(angle)) + noise[at + 1]);
    arms.push_back(arm);
  }
  return {from_vector(points, {count, 2}), from_vector(arms, {count})};
}

double accuracy(Net& net, const TensorDataset& data) {
  const NoGrad no_grad;
  return mean(cast(eq(argmax(net(data.inputs())), data.targets()), DType::f32)).item<double>();
}

int main() {
  constexpr int64_t kEpochs = 40;
  const TensorDataset train = spiral(1500, 1), test = spiral(300, 2);
  DataLoader loader(train, {.batch_size = 50, .shuffle = true, .num_workers = 1});

  Net net;
  init_weights(net, 0);
  AdamW optimizer(net.parameters(), {.lr = 0.01});
  CosineAnnealingLR schedule(optimizer, kEpochs * loader.size());

  for (int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    double loss_sum = 0;
    for (const Batch& batch : loader.epoch(epoch)) {
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(net(batch.input), batch.target);
      backward(loss);
      clip_grad_norm(net.parameters(), 5);
      optimizer.step();
      schedule.step();
      loss_sum += loss.item<double>();
    }
    if (epoch % 10 == 9)
      std::printf("epoch %2lld  loss %.4f  test accuracy %.3f\n", static_cast<long long>(epoch + 1),
                  loss_sum / static_cast<double>(loader.size()), accuracy(net, test));
  }
  return accuracy(net, test) > 0.9 ? 0 : 1;
}
