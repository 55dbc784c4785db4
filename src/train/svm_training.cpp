#include "train/svm_training.h"

#include "base/check.h"
#include "ingot/autograd.h"
#include "ingot/data_loader.h"
#include "ingot/ops.h"

namespace ingot {
namespace {

constexpr const char* kAlpha = "alpha";
constexpr const char* kSigma = "sigma";

LinearClassifier& linear_of(Module& model) {
  auto* const linear = dynamic_cast<LinearClassifier*>(&model);
  CHECK(linear != nullptr, "an SVM's model is linear, not {}", model.type_name());
  return *linear;
}

/// All of a data set: [N,D] and [N].
std::pair<Tensor, Tensor> in_memory(const DatasetHandle& images, const DataConfig& config) {
  DataLoader loader(images, {.batch_size = images->size(), .num_workers = static_cast<int>(config.num_workers)});
  for (const Batch& batch : loader.epoch(0)) return {contiguous(flatten(batch.input, 1)), batch.target};
  fail("there are no training images");
}

}  // namespace

SvmTraining::SvmTraining(const SvmProblem& problem, Tensor features, Tensor target)
    : problem_(problem), features_(std::move(features)), target_(std::move(target)) {}

std::unique_ptr<SvmTraining> SvmTraining::of(const TrainConfig& config, const DatasetHandle& images, int64_t classes) {
  const auto* problem = std::get_if<SvmConfig>(&config.loss);
  if (problem == nullptr) return nullptr;
  auto [features, target] = in_memory(images, config.data);
  std::unique_ptr<SvmTraining> out(new SvmTraining(*problem, std::move(features), std::move(target)));
  if (const auto* options = std::get_if<SvmSolverOptions>(&config.optimizer))
    out->solver_ = std::make_unique<SvmSolver>(out->features_, out->target_, classes, *problem, *options);
  return out;
}

void SvmTraining::round(Module& model) {
  LinearClassifier& linear = linear_of(model);
  solver_->round(linear.fc.weight, *linear.fc.bias);
}

SvmReport SvmTraining::report(Module& model) const {
  const NoGrad no_grad;
  const Linear& fc = linear_of(model).fc;
  if (solver_) return solver_->report(fc.weight, *fc.bias);
  return svm_report(linear(features_, fc.weight, fc.bias), target_, fc.weight, *fc.bias, problem_);
}

double SvmTraining::mean_loss(const SvmReport& report) const {
  return report.objective / (problem_.C * static_cast<double>(report.samples));
}

OptimizerState SvmTraining::state_dict() const {
  const SvmSolver::State state = solver_->state();
  OptimizerState out;
  out.state[0] = {{kAlpha, state.alpha}, {kSigma, full({}, state.sigma, DType::f64)}};
  return out;
}

void SvmTraining::load_state_dict(const OptimizerState& state) {
  const auto at = state.state.find(0);
  CHECK(at != state.state.end() && at->second.contains(kAlpha) && at->second.contains(kSigma),
        "the checkpoint has no state of the SVM solver");
  solver_->load_state({at->second.at(kAlpha), at->second.at(kSigma).item<double>()});
}

void check_svm(const TrainConfig& config) {
  const bool solver = std::holds_alternative<SvmSolverOptions>(config.optimizer);
  if (!std::holds_alternative<SvmConfig>(config.loss)) {
    CHECK(!solver, "SvmSolver minimises the loss svm and no other");
    return;
  }
  CHECK(config.model.type == "linear", "the loss svm is for the model linear, not {}", config.model.type);
  CHECK(config.data.augment.empty(), "the loss svm is of fixed images: data.augment must be empty");
  CHECK(config.data.on_error == OnError::raise, "the loss svm is of fixed images: data.on_error must be raise");
  const auto refuse_decay = []<class O>(const O& options) {
    if constexpr (requires { options.weight_decay; })
      CHECK(options.weight_decay == 0,
            "the loss svm has the regulariser 1/2 ||w||^2 in it: weight_decay is {}, it must be 0",
            options.weight_decay);
  };
  std::visit(refuse_decay, config.optimizer);
  const SvmProblem& problem = std::get<SvmConfig>(config.loss);
  CHECK(problem.C > 0, "C is {}, it must be positive", problem.C);
  if (const auto* options = std::get_if<SvmSolverOptions>(&config.optimizer))
    static_cast<void>(SvmSolver(zeros({1, 1}), from_vector(std::vector<int64_t>{0}, {1}), 2, problem, *options));
  CHECK(!solver || config.scheduler.empty(), "SvmSolver has no learning rate to schedule");
  CHECK(!solver || !config.average, "SvmSolver has no steps to average over");
  CHECK(!solver || !config.clip_grad_norm, "SvmSolver does not clip gradients");
}

}  // namespace ingot
