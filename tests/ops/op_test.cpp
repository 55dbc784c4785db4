// Runs every row of the op tables through everything that an op has to do.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "base/isa.h"
#include "base/parallel.h"
#include "ops/op_row.h"
#include "ops/ops.h"
#include "tensor/each_element.h"
#include "tensor/impl.h"

namespace ingot::test {
namespace {

std::vector<OpRow> all_rows() {
  std::vector<OpRow> out;
  for (auto rows : {elementwise_rows(), shape_rows(), reduction_rows(), convolution_rows(), product_rows(),
                    normalisation_rows(), pooling_rows(), loss_rows()})
    out.insert(out.end(), rows.begin(), rows.end());
  return out;
}

double unit(DType dtype) { return dtype == DType::f64 ? 1e-12 : dtype == DType::f32 ? 2e-6 : 1.6e-2; }

Tensor make_input(const Input& input, std::vector<int64_t> shape, DType dtype, uint64_t salt) {
  const Shape s(std::vector<Dim>(shape.begin(), shape.end()));
  const RandomKey key = fold_in(random_key(7, "op rows"), salt);
  switch (input.kind) {
    case Input::any:
      return cast(uniform(s, -2, 2, key, DType::f64), dtype);
    case Input::positive:
    case Input::fixed_positive:
      return cast(uniform(s, 0.3, 2, key, DType::f64), dtype);
    case Input::index:
      return cast(floor(uniform(s, 0, static_cast<double>(input.below), key, DType::f64)), DType::i64);
    case Input::boolean:
      break;
  }
  return uniform(s, -1, 1, key, DType::f64) > 0.0;
}

Tensors make_inputs(const OpRow& row, DType dtype) {
  Tensors out;
  for (size_t i = 0; i < row.inputs.size(); ++i)
    out.push_back(make_input(row.inputs[i], row.inputs[i].shape, dtype, i));
  return out;
}

/// The same values in another place: every second element of a larger tensor along each dimension.
Tensor spread(const Tensor& x) {
  Shape wide = x.shape();
  for (Dim& d : wide) d = d * 2 + 1;
  Tensor buffer = full(wide, 77, x.dtype());
  Tensor y = buffer;
  for (int64_t d = 0; d < x.rank(); ++d) y = slice(y, d, 1, 2 * x.size(d).value() + 1, 2);
  copy_into(y, x);
  return y;
}

/// The same values with the other layout.
Tensor other_layout(const Tensor& x) {
  Tensor y =
      empty(x.shape(), x.dtype(), x.layout() == Layout::channels_last ? Layout::row_major : Layout::channels_last);
  copy_into(y, x);
  return y;
}

Tensor reversed_strides(const Tensor& x) {
  if (x.rank() < 2) return x;
  return transpose(contiguous(transpose(x, 0, -1)), 0, -1);
}

void expect_near(const Plain& got, const Plain& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.shape, want.shape) << what;
  double scale = 1;
  for (const double v : want.values)
    if (std::isfinite(v)) scale = std::max(scale, std::fabs(v));
  for (size_t i = 0; i < want.values.size(); ++i) {
    if (std::isnan(want.values[i])) {
      EXPECT_TRUE(std::isnan(got.values[i])) << what << " at " << i;
    } else {
      ASSERT_NEAR(got.values[i], want.values[i], tolerance * scale) << what << " at " << i;
    }
  }
}

void expect_near(const Tensors& got, const Tensors& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) expect_near(plain(got[i]), plain(want[i]), tolerance, what);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const Tensor x = clone(a), y = clone(b);
  return std::memcmp(array_of(x).data, array_of(y).data, static_cast<size_t>(x.numel().value()) * size_of(x.dtype())) ==
         0;
}

/// Keeps every call that it sees.
class Calls : public Recorder {
 public:
  struct Kept {
    const OpDef* op;
    Attrs attrs;
    Tensors in, out, saved;
  };
  void record(const Call& call) override {
    const auto copy = [](std::span<const Tensor> all) { return Tensors(all.begin(), all.end()); };
    calls.push_back({&call.op, call.attrs, copy(call.in), copy(call.out), copy(call.saved)});
  }
  std::vector<Kept> calls;
};

class OpTest : public testing::TestWithParam<OpRow> {
 protected:
  const OpRow& row() const { return GetParam(); }
  void SetUp() override { threads_ = num_threads(); }
  void TearDown() override { set_num_threads(threads_); }
  int threads_ = 1;
};

TEST_P(OpTest, AgreesWithTheReferenceForEveryDtype) {
  for (const DType dtype : row().dtypes) {
    const Tensors in = make_inputs(row(), dtype);
    std::vector<Plain> plain_in;
    for (const Tensor& x : in) plain_in.push_back(plain(x));
    const Tensors out = row().run(in);
    const auto want = row().reference(plain_in);
    ASSERT_EQ(out.size(), want.size());
    for (size_t i = 0; i < out.size(); ++i)
      expect_near(plain(out[i]), want[i], unit(dtype) * row().tolerance,
                  row().name + " " + std::string(name_of(dtype)));
  }
}

TEST_P(OpTest, TakesAnyStrides) {
  for (const DType dtype : row().dtypes) {
    const Tensors in = make_inputs(row(), dtype), want = row().run(in);
    for (const auto& vary : {spread, other_layout, reversed_strides}) {
      Tensors strided;
      for (const Tensor& x : in) strided.push_back(vary(x));
      expect_near(row().run(strided), want, unit(dtype) * row().tolerance, row().name);
    }
  }
}

TEST_P(OpTest, TakesBroadcastInputs) {
  for (size_t i = 0; i < row().inputs.size(); ++i) {
    Tensors in = make_inputs(row(), DType::f32);
    if (in[i].rank() == 0) continue;
    const Shape full = in[i].shape();
    in[i] = expand(slice(in[i], -1, 0, 1), full);
    Tensors dense = in;
    dense[i] = clone(in[i]);
    expect_near(row().run(in), row().run(dense), unit(DType::f32) * row().tolerance, row().name);
  }
}

TEST_P(OpTest, TakesAnEmptyBatch) {
  if (!row().batched) return;
  for (const DType dtype : row().dtypes) {
    Tensors in = make_inputs(row(), dtype);
    const Dim batch = in[0].size(0);
    for (size_t i = 0; i < in.size(); ++i)
      if (in[i].rank() == in[0].rank() && in[i].size(0) == batch &&
          row().inputs[i].shape[0] == row().inputs[0].shape[0])
        in[i] = slice(in[i], 0, 0, 0);
    for (const Tensor& y : row().run(in)) EXPECT_EQ(y.numel(), 0) << row().name;
  }
}

// What an engine does: each op evaluated into a slice of a larger buffer, whose other elements stay as they were.
TEST_P(OpTest, WritesIntoStridedSlices) {
  for (const DType dtype : row().dtypes) {
    Calls seen;
    {
      const RecorderScope scope(seen);
      row().run(make_inputs(row(), dtype));
    }
    for (const auto& call : seen.calls) {
      std::vector<Array> in, out;
      Tensors buffers, places, want = call.out;
      want.insert(want.end(), call.saved.begin(), call.saved.end());
      for (const Tensor& x : call.in) in.push_back(array_of(x));
      for (const Tensor& y : want) {
        places.push_back(spread(zeros(y.shape(), y.dtype())));
        out.push_back(array_of(places.back()));
      }
      EvalArgs args{.in = in, .out = out, .attrs = call.attrs};
      std::vector<std::byte> scratch(call.op->scratch ? call.op->scratch(args) + 64 : 0);
      void* aligned = scratch.data();
      size_t space = scratch.size();
      if (!scratch.empty()) args.scratch = std::align(64, scratch.size() - 64, aligned, space);
      call.op->eval(args);
      for (size_t i = 0; i < want.size(); ++i) {
        expect_near(plain(places[i]), plain(want[i]), unit(dtype) * row().tolerance, std::string(call.op->name));
        const Storage& storage = *places[i].impl()->storage;
        Tensor whole =
            make_tensor(places[i].impl()->storage, 0,
                        {static_cast<int64_t>(storage.bytes() / size_of(want[i].dtype()))}, {1}, want[i].dtype());
        const auto values = whole.to_vector<double>();
        const auto untouched = std::count(values.begin(), values.end(), want[i].dtype() == DType::boolean ? 1.0 : 77.0);
        EXPECT_GE(untouched, static_cast<int64_t>(values.size()) - want[i].numel().value())
            << call.op->name << " wrote beside its place";
      }
    }
  }
}

TEST_P(OpTest, GradientsAgreeWithDifferences) {
  if (row().gradient == Gradient::none) return;
  const Tensors in = make_inputs(row(), DType::f64);
  Tensors fixed = in;
  const auto run = [&](const Tensors& some) {
    Tensors all = fixed;
    size_t at = 0;
    for (size_t i = 0; i < all.size(); ++i)
      if (row().inputs[i].differentiable && row().inputs[i].floating()) all[i] = some[at++];
    return row().run(all);
  };
  Tensors differentiable;
  for (size_t i = 0; i < in.size(); ++i)
    if (row().inputs[i].differentiable && row().inputs[i].floating()) differentiable.push_back(in[i]);
  gradcheck(run, differentiable, {.second = row().gradient == Gradient::twice});
  if (row().gradient == Gradient::once) {
    EXPECT_THROW(gradcheck(run, differentiable, {.second = true}), Error);
  }
}

// The tape holds what `keeps` names; everything else may be gone or overwritten by the time of backward.
TEST_P(OpTest, KeepsWhatItsGradientReads) {
  if (row().gradient == Gradient::none) return;
  const auto gradients = [&](bool poison) {
    Tensors in = make_inputs(row(), DType::f64);
    Tensors leaves;
    for (size_t i = 0; i < in.size(); ++i)
      if (row().inputs[i].differentiable && row().inputs[i].floating()) leaves.push_back(in[i].set_requires_grad());
    Calls seen;
    Tensors out;
    {
      const RecorderScope scope(seen);
      out = row().run(in);
    }
    Tensors grads_out, differentiable;
    for (const Tensor& y : out)
      if (y.requires_grad())
        differentiable.push_back(y),
            grads_out.push_back(uniform(y.shape(), 0.5, 1.5, random_key(3, "seed"), DType::f64));
    if (poison) {
      std::set<const Storage*> kept;
      for (const auto& call : seen.calls) {
        if (call.op->vjp == nullptr)
          for (const Tensor& x : call.in)
            if (x.defined()) kept.insert(x.impl()->storage.get());
        const auto keep = [&](const std::vector<int>& which, const Tensors& from) {
          for (const int i : which)
            if (static_cast<size_t>(i) < from.size() && from[static_cast<size_t>(i)].defined())
              kept.insert(from[static_cast<size_t>(i)].impl()->storage.get());
        };
        keep(call.op->keeps.inputs, call.in);
        keep(call.op->keeps.outputs, call.out);
        keep(call.op->keeps.saved, call.saved);
      }
      for (const auto& call : seen.calls)
        for (const Tensors* all : {&call.in, &call.out, &call.saved})
          for (const Tensor& x : *all)
            if (x.defined() && x.dtype() == DType::f64 && !kept.contains(x.impl()->storage.get()))
              each_element(array_of(x), [&](int64_t, int64_t at) { array_of(x).as<double>()[at] = std::nan(""); });
    }
    seen.calls.clear();
    return grad(differentiable, leaves, grads_out);
  };
  const Tensors want = gradients(false), got = gradients(true);
  for (size_t i = 0; i < want.size(); ++i)
    if (want[i].defined()) {
      EXPECT_TRUE(same_bits(got[i], want[i]))
          << row().name << ": the gradient of input " << i << " reads what is not kept";
    }
}

TEST_P(OpTest, GivesTheSameBits) {
  for (const DType dtype : row().dtypes) {
    std::map<int, Tensors> results;
    for (const int threads : {1, 2}) {
      set_num_threads(threads);
      results[threads] = row().run(make_inputs(row(), dtype));
      const Tensors again = row().run(make_inputs(row(), dtype));
      for (size_t i = 0; i < again.size(); ++i)
        EXPECT_TRUE(same_bits(again[i], results[threads][i])) << row().name << " at " << threads << " threads";
    }
    if (row().onednn_split) continue;
    for (size_t i = 0; i < results[1].size(); ++i)
      EXPECT_TRUE(same_bits(results[1][i], results[2][i])) << row().name << ": 1 and 2 threads differ";
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, OpTest, testing::ValuesIn(all_rows()), [](const auto& info) { return info.param.name; });

// Every op of the table is reached by some row.
TEST(OpTable, EveryOpHasARow) {
  std::set<std::string_view> reached;
  for (const OpRow& row : all_rows()) {
    Calls seen;
    const RecorderScope scope(seen);
    Tensors in = make_inputs(row, DType::f64), leaves;
    for (size_t i = 0; i < in.size(); ++i)
      if (row.inputs[i].differentiable && row.inputs[i].floating()) leaves.push_back(in[i].set_requires_grad());
    Tensors out = row.run(in), differentiable, seeds;
    for (const Tensor& y : out)
      if (y.requires_grad()) differentiable.push_back(y), seeds.push_back(ones(y.shape(), y.dtype()));
    if (!differentiable.empty()) grad(differentiable, leaves, seeds);
    for (const auto& call : seen.calls) reached.insert(call.op->name);
  }
  for (const OpDef* op : all_ops()) EXPECT_TRUE(reached.contains(op->name)) << op->name << " is reached by no row";
}

}  // namespace
}  // namespace ingot::test
