#include "ingot/nn/attention.h"

#include <cmath>

#include "ingot/init.h"
#include "nn/dropout.h"
#include "nn/refuse.h"

namespace ingot {
namespace {

/// What is added to the scores: minus infinity where the bool mask is `hidden`, the mask itself where it is floating.
Tensor added(const Tensor& mask, bool hidden, DType dtype) {
  if (mask.dtype() != DType::boolean) return mask;
  const Tensor least = scalar(-INFINITY, dtype), zero = scalar(0, dtype);
  return hidden ? where(mask, least, zero) : where(mask, zero, least);
}

/// [N,L,heads*D] -> [N,heads,L,D]
Tensor split_heads(const Tensor& x, int64_t heads) {
  return permute(reshape(x, {x.shape()[0], x.shape()[1], heads, x.size(2) / heads}), {0, 2, 1, 3});
}

/// Rows [part * rows, (part + 1) * rows).
Tensor part_of(const Tensor& x, int64_t part, int64_t rows) { return slice(x, 0, part * rows, (part + 1) * rows); }

/// One more key, and where a mask says something of the keys, one more that may be looked at.
Tensor with_key(const Tensor& keys, const Tensor& more) {
  return concat({keys, expand(more, {keys.shape()[0], 1, keys.shape()[2]})}, 1);
}
std::optional<Tensor> with_column(const std::optional<Tensor>& mask) {
  if (!mask) return mask;
  std::vector<int64_t> before(static_cast<size_t>(mask->rank()), 0), after = before;
  after.back() = 1;
  return pad(*mask, before, after);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const std::optional<Tensor>& mask) {
  Tensor scores = matmul(q * (1 / std::sqrt(static_cast<double>(q.size(-1)))), transpose(k, -2, -1));
  if (mask) scores = scores + added(*mask, false, scores.dtype());
  return matmul(softmax(scores, -1), v);
}

MultiheadAttention::MultiheadAttention(int64_t embed, int64_t heads, const MultiheadAttentionOptions& o)
    : embed_dim(embed), num_heads(heads), options(o), out_proj(embed, embed, {.bias = o.bias}) {
  require(embed > 0 && heads > 0 && embed % heads == 0, "MultiheadAttention",
          "embed_dim {} must be divisible by num_heads {}", embed, heads);
  require(o.dropout >= 0 && o.dropout <= 1, "MultiheadAttention", "dropout is {}, it must be between 0 and 1",
          o.dropout);
  const int64_t kdim = o.kdim.value_or(embed), vdim = o.vdim.value_or(embed);
  if (kdim == embed && vdim == embed) {
    parameter("in_proj_weight", in_proj_weight, empty({3 * embed, embed}));
  } else {
    parameter("q_proj_weight", q_proj_weight, empty({embed, embed}));
    parameter("k_proj_weight", k_proj_weight, empty({embed, kdim}));
    parameter("v_proj_weight", v_proj_weight, empty({embed, vdim}));
  }
  if (o.bias) parameter("in_proj_bias", in_proj_bias, zeros({3 * embed}));
  if (o.add_bias_kv) {
    parameter("bias_k", bias_k, empty({1, 1, embed}));
    parameter("bias_v", bias_v, empty({1, 1, embed}));
  }
  child("out_proj", out_proj);
  draw_initial_values();
}

void MultiheadAttention::reset_parameters(RandomKey key) {
  const std::pair<const char*, std::optional<Tensor>*> weights[] = {{"in_proj_weight", &in_proj_weight},
                                                                    {"q_proj_weight", &q_proj_weight},
                                                                    {"k_proj_weight", &k_proj_weight},
                                                                    {"v_proj_weight", &v_proj_weight}};
  for (const auto& [name, weight] : weights)
    if (*weight) xavier_uniform_(**weight, 1, parameter_key(key, name));
  if (in_proj_bias) constant_(*in_proj_bias, 0);
  if (out_proj.bias) constant_(*out_proj.bias, 0);
  if (bias_k) xavier_normal_(*bias_k, 1, parameter_key(key, "bias_k"));
  if (bias_v) xavier_normal_(*bias_v, 1, parameter_key(key, "bias_v"));
}

Tensor MultiheadAttention::project(const Tensor& x, int64_t part) const {
  const std::optional<Tensor>* own[] = {&q_proj_weight, &k_proj_weight, &v_proj_weight};
  const Tensor weight = in_proj_weight ? part_of(*in_proj_weight, part, embed_dim) : **own[part];
  return linear(x, weight, in_proj_bias ? std::optional(part_of(*in_proj_bias, part, embed_dim)) : std::nullopt);
}

std::pair<Tensor, Tensor> MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                      const AttentionMasks& masks) const {
  const bool batched = query.rank() == 3;
  require(batched || query.rank() == 2, "MultiheadAttention", "the query must have 2 or 3 dimensions, it is {}",
          to_string(query.shape()));
  require(key.rank() == query.rank() && value.rank() == query.rank(), "MultiheadAttention",
          "query {}, key {} and value {} must have as many dimensions", to_string(query.shape()),
          to_string(key.shape()), to_string(value.shape()));
  const auto batch_first = [&](const Tensor& x) {
    return !batched ? unsqueeze(x, 0) : options.batch_first ? x : transpose(x, 0, 1);
  };
  const Tensor from = batch_first(query);
  Tensor q = project(from, 0), k = project(batch_first(key), 1), v = project(batch_first(value), 2);
  std::optional<Tensor> attention = masks.attention, padding = masks.key_padding;
  const auto one_more = [&](const Tensor& more_k, const Tensor& more_v) {
    k = with_key(k, more_k);
    v = with_key(v, more_v);
    attention = with_column(attention);
    padding = with_column(padding);
  };
  if (bias_k) one_more(*bias_k, *bias_v);
  if (options.add_zero_attn) one_more(zeros({1, 1, embed_dim}, k.dtype()), zeros({1, 1, embed_dim}, v.dtype()));

  const int64_t head_dim = embed_dim / num_heads;
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
  Tensor scores = matmul(split_heads(q * scale, num_heads), permute(split_heads(k, num_heads), {0, 1, 3, 2}));
  if (attention) {
    const Tensor mask = added(*attention, true, scores.dtype());
    scores =
        scores +
        (mask.rank() == 3 ? reshape(mask, {scores.shape()[0], num_heads, mask.shape()[1], mask.shape()[2]}) : mask);
  }
  if (padding) {
    const Tensor mask = added(batched ? *padding : unsqueeze(*padding, 0), true, scores.dtype());
    scores = scores + unsqueeze(unsqueeze(mask, 1), 1);
  }
  const Tensor weights = dropout_here(softmax(scores, -1), is_training() ? options.dropout : 0);
  const Tensor heads = permute(matmul(weights, split_heads(v, num_heads)), {0, 2, 1, 3});
  Tensor y = reshape(heads, from.shape());
  y = out_proj(y);
  if (batched && !options.batch_first) y = transpose(y, 0, 1);
  if (!batched) y = squeeze(y, 0);
  if (!masks.need_weights) return {y, Tensor()};
  const Tensor shown = masks.average_weights ? mean(weights, {1}) : weights;
  return {y, batched ? shown : squeeze(shown, 0)};
}

TransformerEncoderLayer::TransformerEncoderLayer(int64_t d_model, int64_t nhead,
                                                 const TransformerEncoderLayerOptions& o)
    : options(o),
      self_attn(d_model, nhead, {.dropout = o.dropout, .batch_first = o.batch_first}),
      linear1(d_model, o.dim_feedforward),
      dropout(o.dropout),
      linear2(o.dim_feedforward, d_model),
      norm1(d_model, {.eps = o.layer_norm_eps}),
      norm2(d_model, {.eps = o.layer_norm_eps}),
      dropout1(o.dropout),
      dropout2(o.dropout) {
  child("self_attn", self_attn);
  child("linear1", linear1);
  child("dropout", dropout);
  child("linear2", linear2);
  child("norm1", norm1);
  child("norm2", norm2);
  child("dropout1", dropout1);
  child("dropout2", dropout2);
}

Tensor TransformerEncoderLayer::attend(const Tensor& x, AttentionMasks masks) {
  masks.need_weights = false;
  return dropout1(self_attn(x, x, x, masks).first);
}
Tensor TransformerEncoderLayer::feed_forward(const Tensor& x) {
  return dropout2(linear2(dropout(activate(linear1(x), options.activation))));
}

Tensor TransformerEncoderLayer::forward(const Tensor& src, const AttentionMasks& masks) {
  if (options.norm_first) {
    const Tensor x = src + attend(norm1(src), masks);
    return x + feed_forward(norm2(x));
  }
  const Tensor x = norm1(src + attend(src, masks));
  return norm2(x + feed_forward(x));
}

TransformerEncoder::TransformerEncoder(const TransformerEncoderLayer& layer, int64_t num_layers,
                                       std::optional<LayerNorm> last)
    : norm(std::move(last)) {
  require(num_layers >= 1, "TransformerEncoder", "num_layers is {}, it must be at least 1", num_layers);
  child("layers", layers);
  for (int64_t i = 0; i < num_layers; ++i) layers.append(std::unique_ptr<Module>(layer.clone()));
  if (norm) child("norm", *norm);
}

Tensor TransformerEncoder::forward(const Tensor& src, const AttentionMasks& masks) {
  Tensor x = src;
  for (size_t i = 0; i < layers.size(); ++i) x = layers.get<TransformerEncoderLayer>(static_cast<int64_t>(i))(x, masks);
  return norm ? (*norm)(x) : x;
}

}  // namespace ingot
