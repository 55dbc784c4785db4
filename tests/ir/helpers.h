#pragma once

#include <gmock/gmock.h>

#include <string>

#include "error_of.h"
#include "ir/node.h"
#include "ir/passes/passes.h"

namespace ingot::test {

/// Values for every `const` line of a graph's text; what is named like a variance is positive.
std::map<std::string, Tensor> random_constants(const std::string& text);
/// The text with such constants.
Graph graph_of(const std::string& text);
/// Inputs for the graph at its sizes' examples.
Tensors random_inputs(const Graph& graph, uint64_t seed = 7);
/// f32 everywhere made f64.
std::string in_f64(std::string text);
/// A graph's text after defaults are filled in, for comparing with to_string.
std::string normal_text(const std::string& text, const Graph& like);

/// |a - b| <= tolerance * max(1, largest |b|), element by element.
void expect_near(const Tensors& a, const Tensors& b, double tolerance);
/// That both graphs give the same numbers: to 1e-5 in f32, to 1e-12 in f64.
void expect_same_results(const Graph& a, const Graph& b);

/// A pass, a graph before it and after it (without what it left dead).
struct Rewrite {
  const char* name;
  bool (*pass)(Graph&, Report&);
  const char *before, *after;
};
/// In f32 and f64: the text, soundness, the same numbers, and that a second run finds nothing more.
void check(const Rewrite& row);

/// A graph that a pass must leave alone, and part of the reason that it gives.
struct Refusal {
  const char* name;
  bool (*pass)(Graph&, Report&);
  const char *text, *reason;
};
void check(const Refusal& row);

}  // namespace ingot::test
