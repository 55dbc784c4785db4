// What a model is made of: its modules, parameters and state, and how to save and load them.
#include <cstdio>

#include "ingot/init.h"
#include "ingot/io.h"
#include "ingot/models.h"

using namespace ingot;

int main() {
  const auto model = make_model("resnet18", {.num_classes = 10});
  init_weights(*model, 0);

  std::printf("children of %s:\n", std::string(model->type_name()).c_str());
  for (const auto& [name, child] : model->named_children())
    std::printf("  %-8s %s\n", name.c_str(), std::string(child->type_name()).c_str());

  std::printf("%zu modules, these in layer2.0:\n", model->modules().size());
  for (const auto& [path, module] : model->submodule("layer2.0").named_modules("layer2.0"))
    std::printf("  %-24s %s\n", path.c_str(), std::string(module->type_name()).c_str());

  int64_t count = 0;
  for (const Tensor& parameter : model->parameters()) count += parameter.numel().value();
  std::printf("%lld parameters, the first ones:\n", static_cast<long long>(count));
  for (const auto& [name, x] : model->submodule("bn1").named_parameters())
    std::printf("  bn1.%-8s %s %s\n", name.c_str(), to_string(x.shape()).c_str(),
                std::string(name_of(x.dtype())).c_str());

  // The state has PyTorch's keys; a file of it is read by anything that reads safetensors.
  const TensorsByName state = model->state_dict();
  save_safetensors("resnet18.safetensors", {state.begin(), state.end()});
  const TensorMap loaded = load_safetensors("resnet18.safetensors").tensors;
  const auto copy = make_model("resnet18", {.num_classes = 10});
  copy->load_state_dict({loaded.begin(), loaded.end()});
  const Tensor x = normal({1, 3, 64, 64}, 0, 1, RandomKey{1});
  const NoGrad no_grad;
  const bool same = model->eval().call({x})[0].to_vector<float>() == copy->eval().call({x})[0].to_vector<float>();
  std::printf("%zu tensors saved and loaded: the copy computes %s\n", state.size(),
              same ? "the same" : "other numbers");

  // What does not fit is refused as a whole; without strict, names may be missing.
  const auto other = make_model("resnet18", {.num_classes = 7});
  try {
    other->load_state_dict(state);
  } catch (const Error& error) {
    std::printf("%s\n", error.what());
  }
  return same && count == 11'181'642 ? 0 : 1;
}
