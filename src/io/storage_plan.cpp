#include "io/storage_plan.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "io/row_major.h"
#include "tensor/impl.h"

namespace ingot {
namespace {

/// The elements that one or several tensors stand for: [begin, end) of a storage, in elements.
struct View {
  Tensor x;
  int64_t begin = 0, end = 0;
  size_t run = 0;
};

View view_of(const Tensor& x) {
  View view{.x = x, .begin = x.impl()->offset, .end = x.impl()->offset};
  if (x.numel() == 0) return view;
  ++view.end;
  for (size_t i = 0; i < x.shape().size(); ++i) view.end += (x.shape()[i].value() - 1) * x.strides()[i];
  return view;
}

auto memory_of(const View& v) { return std::pair(v.x.impl()->storage.get(), v.x.dtype()); }

bool before(const View& a, const View& b) {
  const auto key = [](const View& v) {
    std::vector<int64_t> geometry;
    for (size_t i = 0; i < v.x.shape().size(); ++i) {
      geometry.push_back(v.x.shape()[i].value());
      geometry.push_back(v.x.strides()[i]);
    }
    return std::tuple(memory_of(v), v.begin, v.end, geometry);
  };
  return key(a) < key(b);
}

/// A part of a storage that views cover.
struct Run {
  int64_t begin = 0, end = 0;
  size_t views = 0;
  std::optional<size_t> number;  // among the storages of the file
};

/// Views that overlap get one run, if dense ones cover all of it; other views one each. They are sorted as before()
/// says.
std::vector<Run> runs_of(std::vector<View>& views) {
  std::vector<Run> runs;
  const View* last = nullptr;
  for (View& v : views) {
    if (!v.x.is_dense() || v.x.numel() == 0) continue;
    if (last == nullptr || memory_of(*last) != memory_of(v) || v.begin >= runs.back().end)
      runs.push_back({.begin = v.begin, .end = v.end});
    Run& run = runs.back();
    run.end = std::max(run.end, v.end);
    ++run.views;
    v.run = runs.size() - 1;
    last = &v;
  }
  for (View& v : views) {
    if (v.x.is_dense() && v.x.numel() != 0) continue;
    const auto around = std::find_if(views.begin(), views.end(), [&](const View& w) {
      return w.x.is_dense() && w.x.numel() != 0 && memory_of(w) == memory_of(v) && runs[w.run].begin <= v.begin &&
             v.end <= runs[w.run].end;
    });
    const bool alone = v.x.numel() == 0 || around == views.end();
    v.run = alone ? runs.size() : around->run;
    if (alone) runs.push_back({.begin = v.begin, .end = v.end});
    ++runs[v.run].views;
  }
  return runs;
}

}  // namespace

StoragePlan::StoragePlan(const Tensors& tensors) {
  std::vector<View> views;
  for (const Tensor& x : tensors) views.push_back(view_of(x));
  std::sort(views.begin(), views.end(), before);
  views.erase(std::unique(views.begin(), views.end(), [](const View& a, const View& b) { return !before(a, b); }),
              views.end());
  std::vector<Run> runs = runs_of(views);
  for (const Tensor& x : tensors) {
    const View& view = *std::lower_bound(views.begin(), views.end(), view_of(x), before);
    Run& run = runs[view.run];
    const bool shared = run.views > 1;
    if (!run.number) {
      run.number = storages_.size();
      const std::byte* const all = x.impl()->storage->data();
      const auto width = static_cast<int64_t>(size_of(x.dtype()));
      storages_.push_back({.tensor = x,
                           .bytes = shared ? all + run.begin * width : nullptr,
                           .count = shared ? run.end - run.begin : x.numel().value()});
    }
    places_[x.impl().get()] = {.storage = *run.number,
                               .offset = shared ? view.begin - run.begin : 0,
                               .strides = shared ? x.strides() : strides_for(x.shape(), Layout::row_major)};
  }
}

void StoragePlan::write(const Storage& storage, const ByteSink& sink) const {
  if (storage.bytes == nullptr) return each_row_major_piece(storage.tensor, sink);
  sink({storage.bytes, static_cast<size_t>(storage.count) * size_of(storage.tensor.dtype())});
}

}  // namespace ingot
