#pragma once

#include <string>
#include <vector>

#include "ingot/dim.h"
#include "ingot/error.h"
#include "ingot/shape.h"

namespace ingot {

/// Thrown where a shape rule needs to know how two symbolic sizes relate, e.g. a linear layer that takes 64 * (h//4) *
/// (w//4) features and has 3136. The tracer catches it, fixes these symbols at their examples and traces again.
class UndecidedSize : public Error {
 public:
  UndecidedSize(const std::string& text, std::vector<std::string> symbols)
      : Error(text), symbols_(std::move(symbols)) {}
  const std::vector<std::string>& symbols() const { return symbols_; }

 private:
  std::vector<std::string> symbols_;
};

/// Whether two sizes agree. Numbers and equal expressions are decided; otherwise throws UndecidedSize.
bool equal_sizes(Dim a, Dim b);
bool equal_shapes(const Shape& a, const Shape& b);

std::vector<std::string> symbols_in(Dim dim);
int64_t example_of(std::string_view symbol);

}  // namespace ingot
