#pragma once

#include <string>
#include <vector>

#include "kernels/reference.h"

// Products of matrices that the kernels are tested on.
namespace ingot::kernels {

using Dims = std::vector<int64_t>;

struct Row {
  Dims a, b, y;
};

inline const Row kRows[] = {
    {{1, 1}, {1, 1}, {1, 1}},
    {{2, 3}, {3, 5}, {2, 5}},
    {{7, 13}, {13, 17}, {7, 17}},
    {{17, 14}, {14, 1}, {17, 1}},
    {{1, 130}, {130, 67}, {1, 67}},
    {{64, 33}, {33, 70}, {64, 70}},
    {{129, 65}, {65, 9}, {129, 9}},
    {{3, 7, 13}, {3, 13, 17}, {3, 7, 17}},
    {{3, 7, 13}, {13, 17}, {3, 7, 17}},
    {{13, 17}, {3, 17, 14}, {3, 13, 14}},
    {{2, 1, 7, 13}, {1, 3, 13, 17}, {2, 3, 7, 17}},
    {{2, 3, 5, 14}, {3, 14, 13}, {2, 3, 5, 13}},
    {{2, 3, 5, 14}, {1, 1, 14, 13}, {2, 3, 5, 13}},
    {{5, 0}, {0, 3}, {5, 3}},
};

inline std::string text(const Row& row) {
  std::string text;
  for (const Dims* dims : {&row.a, &row.b, &row.y}) {
    for (const int64_t d : *dims) text += std::to_string(d) + " ";
    text += "| ";
  }
  return text;
}

/// The operand by rows, by columns, with a leading dimension, or with strides that fit no leading dimension.
enum class Form { rows, columns, leading, strided };
constexpr Form kForms[] = {Form::rows, Form::columns, Form::leading, Form::strided};

class Operand {
 public:
  Operand(DType dtype, Dims dims, Form form) : form_(form), box_(dtype, storage(dims, form), layout(form)) {}
  Box& box() { return box_; }
  Array array() const {
    Array array = box_;
    const int r = array.rank - 2, c = array.rank - 1;
    if (form_ == Form::columns) {
      std::swap(array.shape[r], array.shape[c]);
      std::swap(array.strides[r], array.strides[c]);
    }
    if (form_ == Form::strided) array.rank -= 1;  // drops the last dimension, of size 1 and stride 1
    return array;
  }

 private:
  static Dims storage(Dims dims, Form form) {
    if (form == Form::columns) std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
    if (form == Form::strided) dims.push_back(1);
    return dims;
  }
  static Layout layout(Form form) {
    return form == Form::leading || form == Form::strided ? Layout::channel_slice : Layout::row_major;
  }
  Form form_;
  Box box_;
};

}  // namespace ingot::kernels
