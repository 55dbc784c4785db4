"""Trajectories of optimisers, schedules, clipping, and states of optimisers."""

import copy
import math

import torch
from torch import nn

from .cases import FOLDER, Cases

STEPS = 500  # of schedules


def wave(count, frequency=1.0, phase=0.0):
    return torch.tensor([2 * math.sin(1.3 * frequency * i + phase) for i in range(count)], dtype=torch.float64)


class PlainOptimizer:
    """For what PyTorch has not, or has wrong: calls update(theta, g, state, t) for every parameter that has a gradient."""

    def __init__(self, params, **options):
        self.params, self.states = params, [{} for _ in params]
        for name, value in options.items():
            setattr(self, name, value)

    @torch.no_grad()
    def step(self):
        for theta, state in zip(self.params, self.states):
            if theta.grad is not None:
                state["t"] = state.get("t", 0) + 1
                self.update(theta, theta.grad, state)


class NAdam(PlainOptimizer):
    """Dozat 2016 as PyTorch 2 has it; 1.13 multiplies mu_t into the product of the next step twice."""

    def update(self, theta, g, state):
        t, zero = state["t"], torch.zeros_like(theta)
        g = g + self.weight_decay * theta
        mu, after = (0.9 * (1 - 0.5 * 0.96 ** (i * self.momentum_decay)) for i in (t, t + 1))
        state["product"] = product = state.get("product", 1) * mu
        state["m"] = 0.9 * state.get("m", zero) + 0.1 * g
        state["v"] = 0.999 * state.get("v", zero) + 0.001 * g * g
        along = (1 - mu) / (1 - product) * g + after / (1 - product * after) * state["m"]
        theta -= self.lr * along / ((state["v"] / (1 - 0.999**t)).sqrt() + 1e-8)


class Lion(PlainOptimizer):
    """Chen et al. 2023, algorithm 2."""

    def update(self, theta, g, state):
        (b1, b2), m = self.betas, state.get("m", torch.zeros_like(theta))
        theta -= self.lr * (torch.sign(b1 * m + (1 - b1) * g) + self.weight_decay * theta)
        state["m"] = b2 * m + (1 - b2) * g


class Lamb(PlainOptimizer):
    """You et al. 2019, algorithm 2, with a bound of nothing on the norms' ratio."""

    always_adapt = False

    def update(self, theta, g, state):
        t, zero = state["t"], torch.zeros_like(theta)
        state["m"] = 0.9 * state.get("m", zero) + 0.1 * g
        state["v"] = 0.999 * state.get("v", zero) + 0.001 * g * g
        d = state["m"] / (1 - 0.9**t) / ((state["v"] / (1 - 0.999**t)).sqrt() + 1e-6) + self.weight_decay * theta
        adapts = self.weight_decay != 0 or self.always_adapt
        theta -= self.lr * (theta.norm() / d.norm() if adapts and theta.norm() > 0 and d.norm() > 0 else 1) * d


def trajectories(tensors):
    """Two parameters (the second without gradient in the first three steps) after every tenth of 200 steps."""
    torch.set_default_dtype(torch.float64)  # in which ASGD keeps its numbers
    optim = torch.optim
    runs = {
        "sgd": (optim.SGD, dict(lr=0.1)),
        "sgd_momentum": (optim.SGD, dict(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.05)),
        "sgd_nesterov": (optim.SGD, dict(lr=0.05, momentum=0.8, weight_decay=0.01, nesterov=True)),
        "sgd_maximize": (optim.SGD, dict(lr=0.05, momentum=0.8, weight_decay=0.01, maximize=True)),
        "adagrad": (optim.Adagrad, dict(lr=0.2)),
        "adagrad_options": (optim.Adagrad, dict(lr=0.2, lr_decay=0.1, weight_decay=0.02,
                                                initial_accumulator_value=0.3, maximize=True)),
        "adam": (optim.Adam, dict()),
        "adam_options": (optim.Adam, dict(lr=0.05, betas=(0.8, 0.95), weight_decay=0.03)),
        "adam_amsgrad": (optim.Adam, dict(lr=0.05, eps=1e-3, amsgrad=True, maximize=True)),
        "adamw": (optim.AdamW, dict(lr=0.05)),
        "adamw_amsgrad": (optim.AdamW, dict(lr=0.05, weight_decay=0.3, amsgrad=True, maximize=True)),
        "adadelta": (optim.Adadelta, dict(lr=0.7, rho=0.8, eps=1e-3, weight_decay=0.02)),
        "rmsprop": (optim.RMSprop, dict(lr=0.05, alpha=0.9, weight_decay=0.02)),
        "rmsprop_momentum": (optim.RMSprop, dict(lr=0.02, momentum=0.8)),
        "rmsprop_centered": (optim.RMSprop, dict(lr=0.02, eps=1e-2, centered=True, maximize=True)),
        "rmsprop_centered_momentum": (optim.RMSprop, dict(lr=0.01, momentum=0.5, centered=True)),
        "rprop": (optim.Rprop, dict(lr=0.1, etas=(0.6, 1.3), step_sizes=(0.01, 0.3))),
        "asgd": (optim.ASGD, dict(lr=0.1, lambd=0.05, t0=40, weight_decay=0.02)),
        "adamax": (optim.Adamax, dict(lr=0.05, betas=(0.8, 0.9), weight_decay=0.02, maximize=True)),
        "nadam": (NAdam, dict(lr=0.05, weight_decay=0.02, momentum_decay=0.04)),
        "radam": (optim.RAdam, dict(lr=0.05, betas=(0.9, 0.95), weight_decay=0.02)),
        "lion": (Lion, dict(lr=0.05, betas=(0.8, 0.95), weight_decay=0.1)),
        "lamb": (Lamb, dict(lr=0.05, weight_decay=0.1)),
        "lamb_always_adapts": (Lamb, dict(lr=0.05, weight_decay=0.0, always_adapt=True)),
        "lamb_without_decay": (Lamb, dict(lr=0.05, weight_decay=0.0)),
    }
    for name, (kind, options) in runs.items():
        a, b = wave(5).requires_grad_(), wave(4, 0.9, 0.4).requires_grad_()
        optimizer = kind([a, b], **options)
        direction = -1 if options.get("maximize") else 1
        rows = []
        for step in range(200):
            for theta in (a, b) if step >= 3 else (a,):
                theta.grad = direction * (torch.cos(2 * theta.detach() + step) + 0.5 * theta.detach())
            optimizer.step()
            if step % 10 == 9:
                rows.append(torch.cat([a, b]).detach().clone())
        tensors[name] = torch.stack(rows)
    torch.set_default_dtype(torch.float32)


def schedules(tensors):
    from torch.optim import lr_scheduler as s

    kinds = {
        "step": lambda o: s.StepLR(o, 7, 0.5),
        "multi_step": lambda o: s.MultiStepLR(o, [3, 3, 7, 90], 0.5),
        "exponential": lambda o: s.ExponentialLR(o, 0.97),
        "constant": lambda o: s.ConstantLR(o, 0.25, 40),
        "linear": lambda o: s.LinearLR(o, 0.1, 0.8, 60),
        "cosine": lambda o: s.CosineAnnealingLR(o, 50, 0.01),
        "lambda": lambda o: s.LambdaLR(o, lambda t: 1 / (1 + t)),
        "multiplicative": lambda o: s.MultiplicativeLR(o, lambda t: 1 - 1 / (t + 20)),
        "polynomial": lambda o: s.PolynomialLR(o, 80, 1.7),
        "restarts": lambda o: s.CosineAnnealingWarmRestarts(o, 30, 1, 0.02),
        "longer_restarts": lambda o: s.CosineAnnealingWarmRestarts(o, 10, 3),
        "one_cycle": lambda o: s.OneCycleLR(o, 0.8, STEPS),
        "three_phases": lambda o: s.OneCycleLR(o, 0.8, STEPS, pct_start=0.2, anneal_strategy="linear", div_factor=10,
                                               final_div_factor=100, three_phase=True, base_momentum=0.7),
        "cyclic": lambda o: s.CyclicLR(o, 0.1, 0.6, step_size_up=20, step_size_down=35),
        "cyclic_halved": lambda o: s.CyclicLR(o, 0.1, 0.6, step_size_up=40, mode="triangular2", base_momentum=0.5),
        "cyclic_shrunk": lambda o: s.CyclicLR(o, 0.1, 0.6, step_size_up=40, mode="exp_range", gamma=0.99,
                                              cycle_momentum=False),
        "chained": lambda o: s.ChainedScheduler([s.ConstantLR(o, 0.2, 25), s.StepLR(o, 40, 0.7),
                                                 s.CosineAnnealingLR(o, 200, 0.001)]),
        "sequential": lambda o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1, 10), s.CosineAnnealingLR(o, 90)], [10]),
        "two_at_once": lambda o: [s.LinearLR(o, 0.1, 1, 20), s.ExponentialLR(o, 0.98)],
    }
    for name, make in kinds.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4, momentum=0.9)
        made = make(optimizer)
        made = made if isinstance(made, list) else [made]
        rates, momenta = [], []
        for t in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            if t + 1 < STEPS:  # one cycle has no more
                optimizer.step()
                for schedule in made:
                    schedule.step()
        tensors[name] = torch.tensor(rates, dtype=torch.float64)
        if len(set(momenta)) > 1:
            tensors[name + "/momentum"] = torch.tensor(momenta, dtype=torch.float64)


def plateaus(tensors):
    """Rates after each measure, and those."""
    from torch.optim.lr_scheduler import ReduceLROnPlateau

    measure = torch.sin(torch.arange(STEPS, dtype=torch.float64) / 9).abs() + torch.arange(STEPS).double() ** -0.5
    measure[0] = 3
    measure[100] = math.nan
    tensors["plateau/measure"] = measure
    for name, options in {"default": {}, "max": dict(mode="max", patience=5, cooldown=7),
                          "abs": dict(threshold_mode="abs", threshold=0.05, factor=0.5, patience=3, min_lr=0.01),
                          "max_abs": dict(mode="max", threshold_mode="abs", patience=0, factor=0.9, eps=1e-3)}.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
        schedule = ReduceLROnPlateau(optimizer, **options)
        rates = []
        for x in measure.tolist():
            schedule.step(x)
            rates.append(optimizer.param_groups[0]["lr"])
        tensors["plateau/" + name] = torch.tensor(rates, dtype=torch.float64)


def clippings(tensors):
    cases = Cases()
    for name, (max_norm, norm_type) in {"small": (0.5, 2.0), "large": (100.0, 2.0), "one": (1.5, 1.0),
                                        "three": (0.5, 3.0), "infinity": (0.5, math.inf)}.items():
        parameters = [torch.zeros(3, 4, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)]
        for i, p in enumerate(parameters):
            p.grad = cases.normal(f"{name}/{i}", *p.shape)
            tensors[f"clip/{name}/in{i}"] = p.grad.clone()
        tensors[f"clip/{name}/norm"] = nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)
        for i, p in enumerate(parameters):
            tensors[f"clip/{name}/out{i}"] = p.grad


def optimizers():
    """Each optimizer's state_dict after seven steps, the parameters then, and those of the five steps that follow. Two
    groups of one parameter; the second has no gradient in the first three steps."""
    torch.set_default_dtype(torch.float64)
    optim = torch.optim
    runs = {
        "SGD": (optim.SGD, dict(lr=0.05, momentum=0.8, weight_decay=0.01, nesterov=True), dict(lr=0.02)),
        "SGD_plain": (optim.SGD, dict(lr=0.05), dict(lr=0.02)),
        "Adagrad": (optim.Adagrad, dict(lr=0.2, lr_decay=0.1, initial_accumulator_value=0.3), dict(lr=0.1)),
        "Adadelta": (optim.Adadelta, dict(lr=0.7, rho=0.8, eps=1e-3), dict(weight_decay=0.02)),
        "RMSprop": (optim.RMSprop, dict(lr=0.01, momentum=0.5, centered=True), dict(alpha=0.9)),
        "RMSprop_plain": (optim.RMSprop, dict(lr=0.01), dict(alpha=0.9)),
        "Rprop": (optim.Rprop, dict(lr=0.1, etas=(0.6, 1.3), step_sizes=(0.01, 0.3)), dict(lr=0.05)),
        "ASGD": (optim.ASGD, dict(lr=0.1, lambd=0.05, t0=3), dict(alpha=0.6)),
        "Adam": (optim.Adam, dict(lr=0.05, betas=(0.8, 0.95), weight_decay=0.03), dict(lr=0.01)),
        "Adam_amsgrad": (optim.Adam, dict(lr=0.05, amsgrad=True, maximize=True), dict(lr=0.01)),
        "AdamW": (optim.AdamW, dict(lr=0.05), dict(weight_decay=0.3)),
        "Adamax": (optim.Adamax, dict(lr=0.05, betas=(0.8, 0.9)), dict(weight_decay=0.02)),
        "NAdam": (optim.NAdam, dict(lr=0.05, momentum_decay=0.04), dict(weight_decay=0.02)),
        "RAdam": (optim.RAdam, dict(lr=0.05, betas=(0.9, 0.95)), dict(betas=(0.8, 0.7))),
    }
    saved = {}
    for name, (kind, options, second) in runs.items():
        params = [wave(5).requires_grad_(), wave(4, 0.9, 0.4).requires_grad_()]
        optimizer = kind([{"params": params[:1]}, {"params": params[1:], **second}], **options)
        rows = []
        for step in range(12):
            if step == 7:
                saved[name] = copy.deepcopy({"params": [p.detach() for p in params],
                                             "optimizer": optimizer.state_dict()})
                if name == "NAdam":  # see the class above; PyTorch's state is what it should be
                    optimizer = plain_nadam(optimizer)
            for p in params[:1] if step < 3 else params:
                p.grad = torch.cos(2 * p.detach() + step) + 0.5 * p.detach()
            optimizer.step()
            if step >= 7:
                rows.append(torch.cat(params).detach().clone())
        saved[name]["next"] = torch.stack(rows)
    torch.save(saved, FOLDER / "optimizers.pth")
    torch.set_default_dtype(torch.float32)


def plain_nadam(optimizer):
    """Goes on from the state of PyTorch's."""

    class Both:
        def __init__(self):
            self.parts = []

        def step(self):
            for part in self.parts:
                part.step()

    both = Both()
    for group in optimizer.param_groups:
        part = NAdam(group["params"], lr=group["lr"], weight_decay=group["weight_decay"],
                     momentum_decay=group["momentum_decay"])
        for theta, state in zip(group["params"], part.states):
            old = optimizer.state[theta]
            state.update(t=int(old["step"]), product=old["mu_product"].item(), m=old["exp_avg"], v=old["exp_avg_sq"])
        both.parts.append(part)
    return both


def valley(x):
    """Rosenbrock's function, in a chain."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def bowl(x):
    return (torch.arange(1, x.numel() + 1) * x**2 / 2 + 0.1 * x**4 - x).sum() + 0.3 * (x[1:] * x[:-1]).sum()


def lbfgs(tensors):
    """Parameters and the loss before each of twelve steps."""
    runs = {"bowl": (bowl, dict(max_iter=4)), "short": (bowl, dict(max_iter=4, history_size=2, lr=0.6)),
            "valley": (valley, dict(max_iter=5, line_search_fn="strong_wolfe")),
            "once": (valley, dict(max_iter=1, history_size=3, line_search_fn="strong_wolfe")),
            "to_the_end": (valley, dict(max_iter=40, line_search_fn="strong_wolfe"))}
    for name, (function, options) in runs.items():
        params = [wave(2).requires_grad_(), wave(4, 0.9, 0.4).requires_grad_()]
        optimizer = torch.optim.LBFGS(params, **options)

        def closure():
            optimizer.zero_grad()
            loss = function(torch.cat(params))
            loss.backward()
            return loss

        rows = []
        for _ in range(12):
            x = torch.cat(params).detach().clone()
            rows.append(torch.cat([x, optimizer.step(closure).detach()[None]]))
        tensors["lbfgs/" + name] = torch.stack(rows)
