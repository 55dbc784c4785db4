#include "conv_layers.h"

#include "ingot/models.h"

using namespace ingot;

std::vector<Layer> layers_of(const std::string& net, int64_t batch) {
  const NoGrad no_grad;
  const auto model = make_model(net);
  model->eval();
  std::vector<Layer> layers;
  size_t last = 0;  // met
  const auto sizes = [](const Tensor& t) {
    std::vector<int64_t> out;
    for (const Dim& d : t.shape()) out.push_back(d.value());
    return out;
  };
  for (Module* m : model->modules()) {
    const auto* conv = dynamic_cast<Conv2d*>(m);
    if (conv == nullptr) continue;
    m->on_forward([&, conv](const Module&, const Tensors& in, Tensors& out) {
       const auto& o = conv->options;
       Layer layer{sizes(in[0]), sizes(conv->weight), sizes(out[0]), {o.stride, o.dilation, o.padding, o.groups}};
       const bool is_pointwise = layer.weight[2] == 1 && layer.weight[3] == 1 && layer.geometry.groups == 1;
       if (is_pointwise && !layers.empty() && layers[last].y == layer.x && layers[last].next == 0)
         layers[last].next = layer.y[1];
       for (last = 0; last < layers.size(); ++last) {
         Layer& l = layers[last];
         if (l.x != layer.x || l.weight != layer.weight || l.geometry.stride != layer.geometry.stride) continue;
         ++l.count;
         return;
       }
       layers.push_back(layer);
     }).keep();
  }
  const int64_t side = net == "inception_v3" ? 299 : 224;
  model->call({zeros({batch, 3, side, side})});
  return layers;
}
