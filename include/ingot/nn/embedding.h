#pragma once

#include <optional>
#include <string>

#include "ingot/module.h"
#include "ingot/ops.h"

namespace ingot {

struct EmbeddingOptions {
  std::optional<int64_t> padding_idx;  // its row starts as zeros and gets no gradient; negative counts from the end
};
/// Rows of weight [num_embeddings, embedding_dim] by index (i64, any shape): [..., embedding_dim]. Starts from N(0,1).
/// Throws Error where an index is outside.
class Embedding : public ModuleOf<Embedding> {
 public:
  Embedding(int64_t num_embeddings, int64_t embedding_dim, const EmbeddingOptions& options = {});
  Tensor forward(const Tensor& index) const;
  void reset_parameters(RandomKey key) override;
  std::string extra_repr() const override;

  int64_t num_embeddings, embedding_dim;
  std::optional<int64_t> padding_idx;
  Tensor weight;
};

INGOT_INSTANCE class ModuleOf<Embedding>;

}  // namespace ingot
