#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <string>

#include "ingot/engine.h"
#include "ingot/ops.h"
#include "runtime/engine_data.h"

namespace ingot::testing {

inline Tensor random(const Shape& shape, uint64_t key) { return uniform(shape, -1, 1, RandomKey{key}); }

/// A network of a convolution, a concat, views, a product: something of each that a plan can say.
inline Engine small_engine() {
  const auto fn = [](const Tensors& in) {
    const Tensor h = relu(conv2d(in[0], random({8, 3, 3, 3}, 1), random({8}, 2), {.padding = 1}));
    const Tensor c = concat({tanh(h), h * 0.5}, 1);
    return Tensors{linear(flatten(max_pool2d(c, {.kernel = 2}), 1), random({5, 64}, 3)), mean(c, {2, 3})};
  };
  const Graph graph = trace(fn, {{"image", DType::f32, {Dim::symbol("n", 2), 3, 4, 4}}}, {},
                            {.ranges = {{"n", {.example = 2, .min = 1, .max = 8}}}, .output_names = {"logits", "mean"}})
                          .graph;
  return compile(graph, {.time_tactics = false,
                         .preprocessing = {"rgb", 1 / 255.0, {0.5, 0.4, 0.3}, {0.1, 0.2, 0.3}, {5}, {4, 4}},
                         .class_names = {"cat", "dog"}});
}

inline std::filesystem::path temporary(const std::string& name) {
  return std::filesystem::path(::testing::TempDir()) / ("ingot_runtime_" + name);
}

inline std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

}  // namespace ingot::testing
