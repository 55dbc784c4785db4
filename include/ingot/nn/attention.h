#pragma once

#include <optional>
#include <string>
#include <utility>

#include "ingot/nn/container.h"
#include "ingot/nn/dropout.h"
#include "ingot/nn/linear.h"
#include "ingot/nn/norm.h"

// Attention, Vaswani et al. 2017.
namespace ingot {

/// softmax(q k^T / sqrt(E) + mask) v for q [..., L, E], k [..., S, E], v [..., S, V]; the mask broadcasts to [..., L,
/// S]: bool, true where attention is allowed, or added.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const std::optional<Tensor>& mask = {});

struct MultiheadAttentionOptions {
  double dropout = 0;  // of the attention weights
  bool bias = true;
  bool add_bias_kv = false;           // a learned key and value beside the given ones
  bool add_zero_attn = false;         // a key and value of zeros beside them
  std::optional<int64_t> kdim, vdim;  // none: embed_dim
  bool batch_first = false;           // [N,L,E], else [L,N,E]
};
struct AttentionMasks {
  std::optional<Tensor> key_padding;  // [N,S]: bool, true where a key is NOT to be looked at, or added to the scores
  std::optional<Tensor> attention;    // [L,S] or [N*heads,L,S], likewise
  bool need_weights = true;
  bool average_weights = true;  // over the heads: [N,L,S], else [N,heads,L,S]
};
/// Attention by heads with PyTorch's parameters: in_proj_weight [3E,E] (or q_proj_weight, k_proj_weight and
/// v_proj_weight where kdim or vdim differ), in_proj_bias [3E], bias_k and bias_v [1,1,E], out_proj. Throws Error
/// unless num_heads divides embed_dim.
class MultiheadAttention : public ModuleOf<MultiheadAttention> {
 public:
  MultiheadAttention(int64_t embed_dim, int64_t num_heads, const MultiheadAttentionOptions& options = {});
  /// query [L,N,E], key [S,N,kdim], value [S,N,vdim], or without N, or N first. The result, of query's shape, and the
  /// weights (undefined if not needed).
  std::pair<Tensor, Tensor> forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionMasks& masks = {}) const;
  void reset_parameters(RandomKey key) override;

  int64_t embed_dim, num_heads;
  MultiheadAttentionOptions options;
  std::optional<Tensor> in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, bias_k, bias_v;
  Linear out_proj;

 private:
  Tensor project(const Tensor& x, int64_t part) const;
};

struct TransformerEncoderLayerOptions {
  int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  Activation activation = Activation::relu;
  double layer_norm_eps = 1e-5;
  bool batch_first = false;
  bool norm_first = false;
};
/// x = norm1(x + attention(x)); norm2(x + linear2(activation(linear1(x)))), or with the norms in front of both
/// branches.
class TransformerEncoderLayer : public ModuleOf<TransformerEncoderLayer> {
 public:
  TransformerEncoderLayer(int64_t d_model, int64_t nhead, const TransformerEncoderLayerOptions& options = {});
  Tensor forward(const Tensor& src) { return forward(src, AttentionMasks{}); }
  Tensor forward(const Tensor& src, const AttentionMasks& masks);

  TransformerEncoderLayerOptions options;
  MultiheadAttention self_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1, norm2;
  Dropout dropout1, dropout2;

 private:
  Tensor attend(const Tensor& x, AttentionMasks masks);
  Tensor feed_forward(const Tensor& x);
};

/// Layers one after another, each a copy of the given one, and a norm at the end where one is given.
class TransformerEncoder : public ModuleOf<TransformerEncoder> {
 public:
  TransformerEncoder(const TransformerEncoderLayer& layer, int64_t num_layers, std::optional<LayerNorm> norm = {});
  Tensor forward(const Tensor& src) { return forward(src, AttentionMasks{}); }
  Tensor forward(const Tensor& src, const AttentionMasks& masks);

  ModuleList layers;
  std::optional<LayerNorm> norm;
};

INGOT_INSTANCE class ModuleOf<MultiheadAttention>;
INGOT_INSTANCE class ModuleOf<TransformerEncoderLayer>;
INGOT_INSTANCE class ModuleOf<TransformerEncoder>;

}  // namespace ingot
