#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ingot/engine.h"
#include "ingot/ops.h"
#include "ingot/threads.h"
#include "ir/node.h"

namespace ingot::testing {

inline Tensor random(const Shape& shape, uint64_t key) { return uniform(shape, -1, 1, RandomKey{key}); }

/// A traced function of inputs whose leading size is n in 1..8.
inline Graph traced(const TracedFunction& fn, const std::vector<Shape>& inputs) {
  std::vector<InputSpec> specs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Shape shape = inputs[i];
    shape[0] = Dim::symbol("n", 4);
    specs.push_back({.name = "x" + std::to_string(i), .shape = shape});
  }
  return trace(fn, specs, {}, {.ranges = {{"n", {.example = 4, .min = 1, .max = 8}}}}).graph;
}

inline Tensors random_inputs(const Graph& graph, int64_t batch, uint64_t key) {
  Tensors out;
  for (const Value* input : graph.inputs()) {
    Shape shape = input->spec.shape;
    for (Dim& d : shape) d = substitute(d, {{"n", batch}});
    out.push_back(cast(random(shape, key + out.size()), input->spec.dtype));
  }
  return out;
}

inline void expect_close(const Tensor& got, const Tensor& want, double rtol, const std::string& what) {
  ASSERT_EQ(to_string(got.shape()), to_string(want.shape())) << what;
  ASSERT_EQ(got.dtype(), want.dtype()) << what;
  const auto a = got.to_vector<double>(), b = want.to_vector<double>();
  double scale = 0;
  for (const double v : b)
    if (std::isfinite(v)) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
    ASSERT_TRUE(same || std::abs(a[i] - b[i]) <= rtol * std::max(scale, 1e-3))
        << what << ": element " << i << " is " << a[i] << ", not " << b[i];
  }
}

inline std::vector<std::vector<float>> values(const Tensors& tensors) {
  std::vector<std::vector<float>> out;
  for (const Tensor& t : tensors) out.push_back(t.to_vector<float>());
  return out;
}

/// The results of an image, whose bits are those that it has alone at any place of any batch, on 1, 2 and 4 threads.
inline std::vector<std::vector<float>> expect_bits_of_the_image_alone(const Engine& engine, const Graph& graph) {
  const int threads = num_threads();
  const Tensors image = random_inputs(graph, 1, 50), others = random_inputs(graph, 7, 60);
  const auto want = values(engine.run(image));
  for (const int count : {1, 2, 4}) {
    set_num_threads(count);
    Context context(engine);
    EXPECT_EQ(values(context.run(image)), want) << count << " threads, alone";
    for (const auto& [at, batch] : {std::pair<int64_t, int64_t>{0, 3}, {2, 3}, {6, 7}, {0, 8}, {3, 8}, {7, 8}}) {
      Tensors images, got;
      for (size_t i = 0; i < image.size(); ++i)
        images.push_back(concat({slice(others[i], 0, 0, at), image[i], slice(others[i], 0, at, batch - 1)}, 0));
      for (const Tensor& out : context.run(images)) got.push_back(slice(out, 0, at, at + 1));
      EXPECT_EQ(values(got), want) << count << " threads, image " << at << " of " << batch;
    }
  }
  set_num_threads(threads);
  return want;
}

/// Runs the engine in one guarded context at these batches, in this order, against the graph as it is.
inline void expect_runs_as(const Engine& engine, const Graph& graph, const std::vector<int64_t>& batches,
                           double rtol = 1e-5) {
  Context context(engine, {.guard = true});
  for (const int64_t batch : batches) {
    const Tensors inputs = random_inputs(graph, batch, 100 + static_cast<uint64_t>(batch));
    const Tensors want = interpret(graph, inputs), got = context.run(inputs);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i)
      expect_close(got[i], want[i], rtol, "batch " + std::to_string(batch) + ", output " + std::to_string(i));
  }
}

inline void expect_compiles(const TracedFunction& fn, const std::vector<Shape>& inputs,
                            const CompileOptions& options = {.time_tactics = false}) {
  const Graph graph = traced(fn, inputs);
  expect_runs_as(compile(graph, options), graph, {1, 3, 8, 2, 3});
}

}  // namespace ingot::testing
