#include "fuzz/fuzz.h"
#include "ingot/train.h"

namespace ingot::fuzz {

std::vector<std::string> seeds() {
  return {R"(model: {type: small_cnn, widths: [4, 8], dropout: 0.5}
data:
  type: fashion_mnist
  validation: 100
  augment:
    - {type: RandomCrop, padding: 2}
    - {type: RandomHorizontalFlip}
loss: {type: cross_entropy, label_smoothing: 0.1}
optimizer: &o {type: SGD, lr: 0.1, momentum: 0.9, nesterov: true}
scheduler:
  - {type: LinearLR, total_iters: 1}
  - {type: CosineAnnealingLR, T_max: null}
epochs: 3
seed: 7
)",
          R"(_base_: base.yaml
model:
  type: resnet18
  init_cfg:
    - {type: Kaiming, layer: _ConvNd, mode: fan_in, override: {name: conv1}}
    - {type: Normal, layer: [Linear], bias_prob: 0.1, override: [{name: fc, type: Pretrained, checkpoint: x}]}
    - {type: Pretrained, checkpoint: "x.pth", prefix: backbone}
data: {type: idx, root: "{{env:HOME:/tmp}}/x", class_names: [a, 'b', "c\n"]}
optimizer: {type: AdamW, lr: 1.e-3, betas: [0.9, .999]}
clip_grad_norm: ~
)",
          R"(model: {type: resnet18}
data: {type: image_folder, root: x, channels: gray, resize: [40, 50], center_crop: 32, mean: 0.5, std: [.2]}
optimizer: {type: Adam}
)",
          R"(model: {type: lenet}
data: {type: csv, root: x, shape: [1, 28, 28], delimiter: "\t", header: false, target: "-1", on_error: skip}
optimizer: {type: Adagrad}
)",
          R"(model: {type: vgg11}
data: {type: cifar100, root: x, labels: coarse, resize: 36, center_crop: [32, 32], augment: [{type: RandomCrop}]}
optimizer: {type: SGD, lr: 1}
)"};
}

void read(std::string_view input) {
  const std::string text = to_yaml(load_train_config(MemoryFile(input).path()));
  const TrainConfig again = require_success([&] { return load_train_config(MemoryFile(text).path()); });
  require(to_yaml(again) == text, "a config, written and read back, is another");
}

}  // namespace ingot::fuzz
