#include "dist/mpi/transport.h"

#include <numeric>

#include "base/check.h"
#include "dist/mpi/watch.h"

namespace ingot {

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail("{}: {}", call, std::string(text, static_cast<size_t>(length)));
}

namespace {

void add_bf16(void* in, void* inout, int* count, MPI_Datatype*) {
  const auto* const a = static_cast<const bf16*>(in);
  auto* const b = static_cast<bf16*>(inout);
  for (int i = 0; i < *count; ++i) b[i] = bf16(float(a[i]) + float(b[i]));
}
void max_bf16(void* in, void* inout, int* count, MPI_Datatype*) {
  const auto* const a = static_cast<const bf16*>(in);
  auto* const b = static_cast<bf16*>(inout);
  for (int i = 0; i < *count; ++i)
    if (float(a[i]) > float(b[i])) b[i] = a[i];
}
MPI_Op make_op(MPI_User_function* function) {
  MPI_Op op = MPI_OP_NULL;
  check_mpi(MPI_Op_create(function, 1, &op), "MPI_Op_create");
  return op;
}

MPI_Op op_of(const CollectiveCall& call) {
  const bool sum = call.op == ReduceOp::sum;
  if (call.dtype != DType::bf16) return sum ? MPI_SUM : MPI_MAX;
  static const MPI_Op bf16_sum = make_op(add_bf16), bf16_max = make_op(max_bf16);
  return sum ? bf16_sum : bf16_max;
}

MPI_Datatype type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return MPI_FLOAT;
    case DType::f64:
      return MPI_DOUBLE;
    case DType::bf16:
      return MPI_UINT16_T;
    case DType::i32:
      return MPI_INT32_T;
    case DType::i64:
      return MPI_INT64_T;
    case DType::u8:
      return MPI_UINT8_T;
    default:
      fail("ranks do not exchange {}", name_of(dtype));
  }
}

class MpiRequest : public CollectiveRequest {
 public:
  MPI_Request request = MPI_REQUEST_NULL;

  bool test() override {
    int done = 0;
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    return done != 0;
  }
};

class MpiTransport : public Transport {
 public:
  MpiTransport(MPI_Comm comm, std::shared_ptr<Watch> watch) : comm_(comm), watch_(std::move(watch)) {
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    check_mpi(MPI_Comm_rank(comm, &rank_), "MPI_Comm_rank");
    check_mpi(MPI_Comm_size(comm, &size_), "MPI_Comm_size");
    world_ranks_.resize(static_cast<size_t>(size_));
    MPI_Group group, world;
    MPI_Comm_group(comm, &group);
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    std::vector<int> ranks(world_ranks_.size());
    std::iota(ranks.begin(), ranks.end(), 0);
    MPI_Group_translate_ranks(group, size_, ranks.data(), world, world_ranks_.data());
    MPI_Group_free(&group);
    MPI_Group_free(&world);
  }
  ~MpiTransport() override {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0 && comm_ != MPI_COMM_WORLD) MPI_Comm_free(&comm_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  bool concurrent() const override {
    int provided = MPI_THREAD_SINGLE;
    MPI_Query_thread(&provided);
    return provided == MPI_THREAD_MULTIPLE;
  }

  std::unique_ptr<CollectiveRequest> start(const CollectiveCall& c) override {
    auto made = std::make_unique<MpiRequest>();
    const auto count = static_cast<int>(c.count);
    const MPI_Datatype type = type_of(c.dtype);
    switch (c.kind) {
      case CollectiveKind::all_reduce:
        check_mpi(MPI_Iallreduce(MPI_IN_PLACE, c.out, count, type, op_of(c), comm_, &made->request), "MPI_Iallreduce");
        break;
      case CollectiveKind::broadcast:
        check_mpi(MPI_Ibcast(c.out, count, type, c.root, comm_, &made->request), "MPI_Ibcast");
        break;
      case CollectiveKind::all_gather:
        check_mpi(MPI_Iallgather(c.in, count, type, c.out, count, type, comm_, &made->request), "MPI_Iallgather");
        break;
      case CollectiveKind::reduce_scatter:
        check_mpi(MPI_Ireduce_scatter_block(c.in, c.out, count, type, op_of(c), comm_, &made->request),
                  "MPI_Ireduce_scatter_block");
        break;
    }
    return made;
  }

  std::shared_ptr<Transport> split(int color, int key) override {
    MPI_Comm part = MPI_COMM_NULL;
    watch_->within_deadline("a new communicator", world_ranks_, [&] {
      check_mpi(MPI_Comm_split(comm_, color < 0 ? MPI_UNDEFINED : color, key, &part), "MPI_Comm_split");
    });
    return part == MPI_COMM_NULL ? nullptr : mpi_transport(part, watch_);
  }

  std::string missing() const override { return watch_->missing(world_ranks_); }
  void set_step(int64_t step) override { watch_->set_step(step); }
  int64_t step() const override { return watch_->step(); }
  void waits_for(const char* what) override { watch_->waits_for(what); }

 private:
  MPI_Comm comm_;
  std::shared_ptr<Watch> watch_;
  int rank_ = 0, size_ = 1;
  std::vector<int> world_ranks_;
};

}  // namespace

std::shared_ptr<Transport> mpi_transport(MPI_Comm comm, std::shared_ptr<Watch> watch) {
  return std::make_shared<MpiTransport>(comm, std::move(watch));
}

}  // namespace ingot
