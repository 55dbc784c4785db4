// Ingot's half of scripts/check_zoo.py: zoo_check NAME WEIGHTS INPUT RESULTS f32|f64
//
// Reads a network's state, x [N,3,H,W], target [N] and, as "lr.<parameter>", a learning rate for each parameter. Writes
// the scores in eval mode, then of one training step without dropout the loss and the state after it.
#include <cstdio>
#include <string>

#include "ingot/io.h"
#include "ingot/losses.h"
#include "ingot/models.h"
#include "ingot/optim.h"

using namespace ingot;

namespace {

std::unique_ptr<Module> make(const std::string& name, const Tensor& x, const TensorMap& weights) {
  const SkipInit loaded_below;
  ModelOptions options;
  if (has_image_size(name)) options.image_size = x.size(2).value();
  auto model = make_model(name, options);
  model->load_state_dict({weights.begin(), weights.end()});
  return model;
}

void switch_dropout_off(Module& model) {
  for (Module* module : model.modules()) {
    if (auto* dropout = dynamic_cast<Dropout*>(module)) dropout->p = 0;
    if (auto* path = dynamic_cast<DropPath*>(module)) path->p = 0;
  }
}

Tensors all_scores(Module& model, const Tensor& x) {
  if (auto* google = dynamic_cast<GoogLeNet*>(&model)) return google->all_scores(x);
  if (auto* inception = dynamic_cast<Inception3*>(&model)) return inception->all_scores(x);
  return model.call({x});
}

/// Auxiliary scores count less, as in GoogLeNet's paper.
Tensor loss_of(const Tensors& scores, const Tensor& target) {
  constexpr double kAuxWeight = 0.3;
  Tensor loss = cross_entropy(scores[0], target);
  for (size_t i = 1; i < scores.size(); ++i) loss = loss + kAuxWeight * cross_entropy(scores[i], target);
  return loss;
}

TensorMap check(const std::string& name, const TensorMap& weights, const TensorMap& input, DType dtype) {
  const Tensor x = cast(input.at("x"), dtype);
  const auto model = make(name, x, weights);
  model->to(dtype);
  TensorMap results;
  model->eval();
  {
    const NoGrad no_grad;
    results["eval"] = model->call({x})[0];
  }
  model->train();
  switch_dropout_off(*model);
  const Tensor loss = loss_of(all_scores(*model, x), input.at("target"));
  backward(loss);
  std::vector<ParamGroup<SGDOptions>> groups;
  for (const auto& [parameter, value] : model->named_parameters())
    groups.push_back({{value}, {.lr = input.at("lr." + parameter).item<double>()}});
  SGD(groups).step();
  results["loss"] = detach(loss);
  for (const auto& [entry, value] : model->state_dict()) results["after." + entry] = value;
  return results;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 6) return std::fprintf(stderr, "usage: zoo_check NAME WEIGHTS INPUT RESULTS f32|f64\n"), 2;
  const DType dtype = std::string(argv[5]) == "f64" ? DType::f64 : DType::f32;
  save_safetensors(argv[4],
                   check(argv[1], load_safetensors(argv[2]).tensors, load_safetensors(argv[3]).tensors, dtype));
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "zoo_check: %s\n", e.what());
  return 1;
}
