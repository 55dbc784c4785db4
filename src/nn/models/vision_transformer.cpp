#include <cmath>

#include "base/check.h"
#include "ingot/models.h"
#include "nn/models/blocks.h"
#include "nn/refuse.h"

namespace ingot {
namespace {

using Options = VisionTransformerOptions;

constexpr double kNormEps = 1e-6;

LayerNorm norm(const Options& o) { return LayerNorm(o.hidden_dim, {.eps = kNormEps}); }

/// x + dropout(attention(ln_1(x))), then x + mlp(ln_2(x)).
class EncoderBlock : public ModuleOf<EncoderBlock> {
 public:
  explicit EncoderBlock(const Options& o)
      : ln_1(norm(o)),
        self_attention(o.hidden_dim, o.num_heads, {.dropout = o.attention_dropout, .batch_first = true}),
        dropout(o.dropout),
        ln_2(norm(o)),
        mlp(Linear(o.hidden_dim, o.mlp_dim), GELU(), Dropout(o.dropout), Linear(o.mlp_dim, o.hidden_dim),
            Dropout(o.dropout)) {
    child("ln_1", ln_1);
    child("self_attention", self_attention);
    child("dropout", dropout);
    child("ln_2", ln_2);
    child("mlp", mlp);
  }
  Tensor forward(const Tensor& x) {
    const Tensor from = ln_1(x);
    const Tensor y = x + dropout(self_attention(from, from, from, AttentionMasks{.need_weights = false}).first);
    return y + mlp(ln_2(y));
  }

  LayerNorm ln_1;
  MultiheadAttention self_attention;
  Dropout dropout;
  LayerNorm ln_2;
  Sequential mlp;
};

int64_t tokens(const Options& o) {
  CHECK(o.patch_size > 0 && o.image_size > 0 && o.image_size % o.patch_size == 0,
        "image_size {} is not a multiple of patch_size {}", o.image_size, o.patch_size);
  const int64_t side = o.image_size / o.patch_size;
  return side * side + 1;  // and the class token
}

/// N(0, 1 / fan_in), bias 0.
void draw_fan_in(const Tensor& weight, const Tensor& bias, RandomKey key) {
  trunc_normal_(weight, {.std = std::sqrt(1 / static_cast<double>(calculate_fan(weight).in))}, key);
  constant_(bias, 0);
}

bool draw(std::string_view name, Module& layer, RandomKey key) {
  constexpr double kMlpBiasStd = 1e-6;
  if (auto* conv = dynamic_cast<Conv2d*>(&layer)) {
    draw_fan_in(conv->weight, *conv->bias, key);
    return true;
  }
  auto* linear = dynamic_cast<Linear*>(&layer);
  if (linear == nullptr) return false;
  if (name == "heads.head") {
    constant_(linear->weight, 0);
    constant_(*linear->bias, 0);
  } else if (name == "heads.pre_logits") {
    draw_fan_in(linear->weight, *linear->bias, key);
  } else if (name.find(".mlp.") != name.npos) {
    xavier_uniform_(linear->weight, 1, parameter_key(key, "weight"));
    normal_(*linear->bias, 0, kMlpBiasStd, parameter_key(key, "bias"));
  } else {
    return false;
  }
  return true;
}

}  // namespace

VitEncoder::VitEncoder(const Options& o) : dropout(o.dropout), ln(norm(o)) {
  parameter("pos_embedding", pos_embedding, empty({1, tokens(o), o.hidden_dim}));
  child("dropout", dropout);
  for (int64_t i = 0; i < o.num_layers; ++i) layers.add(fmt::format("encoder_layer_{}", i), EncoderBlock(o));
  child("layers", layers);
  child("ln", ln);
  draw_initial_values();
}

Tensor VitEncoder::forward(const Tensor& x) { return ln(layers(dropout(x + pos_embedding))); }

void VitEncoder::reset_parameters(RandomKey key) {
  normal_(pos_embedding, 0, 0.02, parameter_key(key, "pos_embedding"));
}

VisionTransformer::VisionTransformer(const Options& o) : VisionTransformer(o, SkipInit()) { draw_initial_values(); }

VisionTransformer::VisionTransformer(const Options& o, const SkipInit&)
    : options(o), conv_proj(o.in_channels, o.hidden_dim, o.patch_size, {.stride = o.patch_size}), encoder(o) {
  if (o.representation_size) {
    heads.add("pre_logits", Linear(o.hidden_dim, *o.representation_size));
    heads.add("act", Tanh());
  }
  heads.add("head", Linear(o.representation_size.value_or(o.hidden_dim), o.num_classes));
  parameter("class_token", class_token, zeros({1, 1, o.hidden_dim}));
  child("conv_proj", conv_proj);
  child("encoder", encoder);
  child("heads", heads);
}

Tensor VisionTransformer::forward(const Tensor& x) {
  const int64_t side = options.image_size;
  require(x.rank() == 4 && x.size(2) == side && x.size(3) == side, "VisionTransformer",
          "x is {}, it must be [N,{},{},{}]", to_string(x.shape()), options.in_channels, side, side);
  const Tensor patches = transpose(flatten(conv_proj(x), 2), 1, 2);
  const Tensor token = expand(class_token, {x.size(0), -1, -1});
  return heads(select(encoder(concat({token, patches}, 1)), 1, 0));
}

void VisionTransformer::reset_parameters(RandomKey key) {
  constant_(class_token, 0);
  draw_layers(*this, key, draw);
}

}  // namespace ingot
