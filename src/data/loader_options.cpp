#include "data/loader_options.h"

#include "base/check.h"

namespace ingot {
namespace {

void check_numbers(const DataLoaderOptions& o) {
  CHECK(o.num_workers >= 0, "num_workers is {}, it must not be negative; 0 loads on the caller's thread",
        o.num_workers);
  CHECK(o.timeout >= 0, "timeout is {}, it must not be negative; 0 waits without limit", o.timeout);
  CHECK(!o.batch_size || *o.batch_size >= 1, "batch_size is {}, it must be positive, or nullopt for single samples",
        *o.batch_size);
  CHECK(!o.prefetch_factor || *o.prefetch_factor >= 1,
        "prefetch_factor is {}, it must be positive; batches in work are prefetch_factor * num_workers",
        *o.prefetch_factor);
  CHECK(o.multiprocessing_context.empty(), "multiprocessing_context '{}' has no meaning with threads",
        o.multiprocessing_context);
}

void check_workers(const DataLoaderOptions& o) {
  if (o.num_workers > 0) return;
  CHECK(!o.prefetch_factor, "prefetch_factor is {} but num_workers is 0: only workers prefetch", *o.prefetch_factor);
  CHECK(!o.persistent_workers, "persistent_workers is set but num_workers is 0: there are no workers to keep");
  CHECK(o.timeout == 0, "timeout is {} but num_workers is 0: only batches of workers can be waited for", o.timeout);
}

void check_order(const DataLoaderOptions& o, bool iterable) {
  if (iterable) {
    CHECK(!o.shuffle, "shuffle is set but the data set is iterable: it gives its own order");
    CHECK(!o.sampler, "a sampler is given but the data set is iterable: it gives its own order");
    CHECK(!o.batch_sampler, "a batch_sampler is given but the data set is iterable: it gives its own order");
  }
  CHECK(!o.sampler || !o.shuffle,
        "both sampler and shuffle are given: the sampler is the order; use RandomSampler to shuffle");
  if (o.batch_sampler) {
    CHECK(o.batch_size && *o.batch_size == 1,
          "both batch_sampler and batch_size are given: the batch_sampler decides on the size");
    CHECK(!o.shuffle, "both batch_sampler and shuffle are given: the batch_sampler is the order");
    CHECK(!o.sampler, "both batch_sampler and sampler are given: the batch_sampler is the order");
    CHECK(!o.drop_last, "both batch_sampler and drop_last are given: the batch_sampler decides on the last batch");
  }
  CHECK(o.batch_size || !o.drop_last, "batch_size is nullopt and drop_last is set: there are no batches to drop");
}

void check_parts(const DataLoaderOptions& o, bool iterable) {
  CHECK(o.parts >= 1 && o.part >= 0 && o.part < o.parts, "part is {}, it must be in [0, parts = {})", o.part, o.parts);
  CHECK(o.part_grain >= 1, "part_grain is {}, it must be positive", o.part_grain);
  if (o.parts == 1) return;
  CHECK(o.batch_size, "batch_size is nullopt and parts is {}: there are no batches to part", o.parts);
  CHECK(!iterable && !o.batch_sampler, "parts is {}, but only a sampler's batches are parted", o.parts);
  CHECK(!o.sampler || (*o.sampler)->world() == 1, "parts is {}, but the sampler gives each of {} ranks a part already",
        o.parts, (*o.sampler)->world());
}

}  // namespace

void check_options(const DataLoaderOptions& options, bool iterable) {
  check_numbers(options);
  check_workers(options);
  check_order(options, iterable);
  check_parts(options, iterable);
}

}  // namespace ingot
