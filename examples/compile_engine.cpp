// From a model to an engine file and back: trace, fuse, save, load, run, compare with eager execution.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "ingot/engine.h"
#include "ingot/init.h"
#include "ingot/models.h"

using namespace ingot;

int main() {
  const auto model = make_model("resnet18", {.num_classes = 10});
  init_weights(*model, 0);
  model->eval();
  const NoGrad no_grad;

  // Traced on shapes alone: the batch stays free, here from 1 to 16.
  const Traced traced = check_trace([&](const Tensors& in) { return model->call(in); },
                                    {{.name = "image", .shape = {Dim::symbol("n", 4), 3, 64, 64}}},
                                    model->named_tensors(), {.ranges = {{"n", {.example = 4, .min = 1, .max = 16}}}});

  BuildReport report;
  compile(traced.graph, {.time_tactics = false}, &report).save("resnet18.ingot");
  for (const char* pass : {"fold_conv_batch_norm", "fuse_conv_add", "fuse_conv_activation"})
    std::printf("%-22s %zu times\n", pass, report.passes.count_applied(pass));
  std::printf("memory at batch 4: arena %zu KiB, %zu KiB without sharing\n", report.memory.peak / 1024,
              report.memory.sum / 1024);

  const Engine engine = Engine::load("resnet18.ingot");
  double worst = 0;
  for (const int64_t batch : {1, 3, 16}) {
    const Tensor x = normal({batch, 3, 64, 64}, 0, 1, RandomKey{7});
    const auto fused = engine.run({x})[0].to_vector<double>();
    const auto eager = model->call({x})[0].to_vector<double>();
    double square = 0, difference = 0;
    for (size_t i = 0; i < eager.size(); ++i) {
      square += eager[i] * eager[i];
      difference += (fused[i] - eager[i]) * (fused[i] - eager[i]);
    }
    const double relative = std::sqrt(difference / square);
    std::printf("batch %2lld: relative RMS difference to eager %.1e\n", static_cast<long long>(batch), relative);
    worst = std::max(worst, relative);
  }
  return worst < 1e-5 ? 0 : 1;
}
