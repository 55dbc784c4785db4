"""Ops, losses and batch norm: values and gradients in f64."""

import torch
import torch.nn.functional as F
from torch import nn

from .cases import Cases


def convolutions(cases):
    def conv(name, x, weight, bias=True, pads=None, **options):
        def fn(x, w, b=None):
            if pads:  # left, right, top, bottom
                x = F.pad(x, pads)
            return F.conv2d(x, w, b, **options)

        inputs = [cases.normal(name + "/x", *x), cases.normal(name + "/weight", *weight)]
        if bias:
            inputs.append(cases.normal(name + "/bias", weight[0]))
        cases.add("conv2d." + name, fn, *inputs)

    conv("plain", (2, 3, 5, 6), (4, 3, 3, 3), padding=1)
    conv("one_sample", (1, 2, 5, 5), (3, 2, 3, 3))
    conv("pointwise", (2, 5, 3, 4), (6, 5, 1, 1))
    conv("stride", (2, 3, 7, 8), (4, 3, 3, 5), stride=(2, 3), padding=(1, 2), bias=False)
    conv("groups", (2, 4, 5, 5), (6, 2, 3, 3), groups=2, padding=1)
    conv("depthwise", (1, 5, 6, 6), (10, 1, 3, 3), groups=5, stride=2)
    conv("dilation", (1, 2, 9, 8), (3, 2, 3, 2), dilation=(2, 3), padding=(2, 1))
    conv("uneven_padding", (2, 2, 5, 4), (3, 2, 3, 3), pads=(0, 3, 2, 1), stride=2)


def pools(cases):
    def pool(name, fn, *shape):
        cases.add(name, fn, cases.normal(name, *shape))

    pool("max_pool2d.padding", lambda x: F.max_pool2d(x, 3, 2, 1), 2, 3, 7, 6)
    pool("max_pool2d.ceil", lambda x: F.max_pool2d(x, (2, 3), 2, ceil_mode=True), 1, 2, 7, 6)
    pool("max_pool2d.ceil_padding", lambda x: F.max_pool2d(x, 2, 2, 1, ceil_mode=True), 1, 2, 6, 5)
    pool("max_pool2d.dilation", lambda x: F.max_pool2d(x, 2, 1, 1, (2, 3)), 1, 2, 6, 7)
    pool("avg_pool2d.plain", lambda x: F.avg_pool2d(x, (3, 2)), 2, 3, 7, 6)
    for ceil_mode in (False, True):
        for counted in (False, True):
            name = f"avg_pool2d.{'ceil' if ceil_mode else 'floor'}_{'counted' if counted else 'uncounted'}"
            pool(name, lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode, counted), 1, 2, 6, 8)
    for h, w in ((3, 2), (4, 5), (9, 6), (1, 1)):
        pool(f"adaptive_avg_pool2d.{h}x{w}", lambda x: F.adaptive_avg_pool2d(x, (h, w)), 1, 2, 5, 7)


def elementwise(cases):
    def one(name, fn, *shape, scale=1.0):
        cases.add(name, fn, cases.normal(name, *shape, scale=scale))

    one("softmax.last", lambda x: F.softmax(x, -1), 3, 5)
    one("softmax.channels", lambda x: F.softmax(x, 1), 2, 4, 3, 2)
    one("softmax.huge", lambda x: F.softmax(x, -1), 4, 6, scale=1e4)
    one("log_softmax.last", lambda x: F.log_softmax(x, -1), 3, 5)
    one("log_softmax.huge", lambda x: F.log_softmax(x, -1), 4, 6, scale=1e4)
    # Not F.hardsigmoid: in f64 its gradient is that of an f32 1/6.
    functions = {"relu6": F.relu6, "leaky_relu": lambda x: F.leaky_relu(x, 0.2), "elu": lambda x: F.elu(x, 0.7),
                 "sigmoid": torch.sigmoid, "tanh": torch.tanh, "silu": F.silu, "gelu": F.gelu,
                 "hardswish": F.hardswish, "hardsigmoid": lambda x: F.relu6(x + 3) / 6, "mish": F.mish}
    for name, fn in functions.items():
        one(name, fn, 24, scale=4.0)
    cases.add("linear", F.linear, cases.normal("x", 2, 3, 5), cases.normal("w", 4, 5), cases.normal("b", 4))
    one("var", lambda x: torch.var(x, (0, 2), unbiased=True), 3, 4, 5)


def resampling(cases):
    def one(name, fn, *shape):
        cases.add(name, fn, cases.normal(name, *shape))

    for mode, shape, size in (("nearest", (2, 3, 5), 8), ("nearest-exact", (2, 3, 5), 8), ("linear", (2, 3, 5), 8),
                              ("nearest", (1, 2, 4, 5), (7, 3)), ("bilinear", (1, 2, 4, 5), (7, 3)),
                              ("bicubic", (1, 2, 4, 5), (7, 3)), ("trilinear", (1, 2, 3, 4, 2), (5, 3, 4))):
        one(f"interpolate.{mode}.{len(shape) - 2}", lambda x: F.interpolate(x, size, mode=mode), *shape)
    for mode in ("bilinear", "bicubic"):
        one(f"interpolate.{mode}.corners", lambda x: F.interpolate(x, (7, 3), mode=mode, align_corners=True), 1, 2, 4, 5)
        one(f"interpolate.{mode}.scale", lambda x: F.interpolate(x, scale_factor=(1.7, 0.6), mode=mode), 1, 2, 4, 5)
    one("interpolate.nearest.scale", lambda x: F.interpolate(x, scale_factor=2), 1, 2, 3, 2)
    for mode in ("reflect", "replicate", "circular"):
        one(f"pad.{mode}", lambda x: F.pad(x, (2, 1, 1, 3), mode), 1, 2, 4, 5)
    one("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), 1, 8, 2, 3)
    one("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), 1, 2, 4, 6)
    one("channel_shuffle", lambda x: x.view(2, 3, 2, 2, 2).transpose(1, 2).reshape(2, 6, 2, 2), 2, 6, 2, 2)
    one("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), 24)
    one("selu", F.selu, 24)


def losses(cases):
    x, weight = cases.normal("scores", 4, 3, scale=2.0), torch.tensor([0.5, 1.0, 2.0])
    target = torch.tensor([0, 2, 1, 2])
    soft = F.softmax(cases.normal("soft", 4, 3), 1)
    ce = F.cross_entropy
    for reduction in ("none", "mean", "sum"):
        def entry(name, fn, *inputs, wrt=(0,)):
            cases.add(f"{name}.{reduction}", fn, *inputs, wrt=wrt)

        entry("cross_entropy", lambda x, t: ce(x, t, reduction=reduction), x, target)
        entry("cross_entropy.weight", lambda x, t, w: ce(x, t, w, reduction=reduction), x, target, weight)
        entry("cross_entropy.ignore", lambda x, t: ce(x, t, ignore_index=2, reduction=reduction), x, target)
        entry("cross_entropy.smoothing", lambda x, t: ce(x, t, label_smoothing=0.3, reduction=reduction), x, target)
        entry("cross_entropy.everything", lambda x, t, w: ce(
            x, t, w, ignore_index=2, label_smoothing=0.1, reduction=reduction), x, target, weight)
        entry("cross_entropy.soft", lambda x, t: ce(x, t, reduction=reduction), x, soft, wrt=(0, 1))
        entry("cross_entropy.soft_everything", lambda x, t, w: ce(
            x, t, w, label_smoothing=0.2, reduction=reduction), x, soft, weight, wrt=(0, 1))
        entry("cross_entropy.huge", lambda x, t: ce(x, t, reduction=reduction), x * 1e4, target)
        entry("cross_entropy.image", lambda x, t, w: ce(x, t, w, label_smoothing=0.1, reduction=reduction),
              cases.normal("image", 2, 3, 2, 2), torch.tensor([[[0, 1], [2, 2]], [[-100, 1], [0, -100]]]), weight)
        entry("cross_entropy.single", lambda x, t: ce(x, t, reduction=reduction), cases.normal("one", 3), target[1])
        entry("cross_entropy.batch_of_one", lambda x, t, w: ce(x, t, w, reduction=reduction),
              x[:1], target[1:2], weight)
        entry("nll", lambda x, t, w: F.nll_loss(x, t, w, ignore_index=1, reduction=reduction),
              F.log_softmax(x, 1), target, weight)
        entry("mse", lambda x, t: F.mse_loss(x, t, reduction=reduction), x, soft, wrt=(0, 1))
        signs = torch.tensor([[1.0, -1, 1], [-1, -1, 1], [1, 1, 1], [-1, 1, -1]])
        finish = {"none": lambda l: l, "mean": torch.mean, "sum": torch.sum}[reduction]
        entry("hinge", lambda x, y: finish((1 - x * y).clamp(min=0)), x, signs)
        entry("squared_hinge", lambda x, y: finish((1 - x * y).clamp(min=0) ** 2), x, signs)
        for p in (1, 2):
            entry(f"multi_margin.{p}", lambda x, t: F.multi_margin_loss(x, t, p, reduction=reduction), x, target)
            entry(f"multi_margin.{p}.weight", lambda x, t, w: F.multi_margin_loss(
                x, t, p, 0.7, w, reduction=reduction), x, target, weight)

        entry("crammer_singer", lambda x, t: finish(torch.stack([
            (1 + torch.cat([r[:i], r[i + 1:]]).max() - r[i]).clamp(min=0) for r, i in zip(x, t)])), x, target)
        several = torch.tensor([[2, -1, 0], [0, 1, 2], [1, 2, -1], [-1, 2, 1]])
        entry("multilabel_margin", lambda x, t: F.multilabel_margin_loss(x, t, reduction=reduction), x, several)
        entry("multilabel_margin.single", lambda x, t: F.multilabel_margin_loss(x, t, reduction=reduction),
              x[0], several[0])
        other = cases.normal("other", 4, 3)
        entry("hinge_embedding", lambda x, y: F.hinge_embedding_loss(x, y, 0.8, reduction=reduction), x, signs)
        entry("margin_ranking", lambda a, b, y: F.margin_ranking_loss(a, b, y, 0.3, reduction=reduction),
              x, other, signs, wrt=(0, 1))
        entry("cosine_embedding", lambda a, b, y: F.cosine_embedding_loss(a, b, y, 0.2, reduction=reduction),
              x, other, signs[:, 0], wrt=(0, 1))
        entry("soft_margin", lambda x, y: F.soft_margin_loss(x, y, reduction=reduction), x * 10, signs)
        third = cases.normal("third", 4, 3)
        for name, options in {"": {}, ".swap": dict(swap=True, margin=2), ".cubic": dict(p=3, margin=0.5),
                              ".city": dict(p=1, eps=1e-3)}.items():
            entry("triplet" + name, lambda a, p, n: F.triplet_margin_loss(a, p, n, reduction=reduction, **options),
                  x, other, third, wrt=(0, 1, 2))
        p, binary = torch.sigmoid(x), (signs + 1) / 2
        entry("bce", lambda p, t: F.binary_cross_entropy(p, t, reduction=reduction), p, soft)
        entry("bce.weight", lambda p, t, w: F.binary_cross_entropy(p, t, w, reduction=reduction), p, binary, weight)
        entry("bce_logits", lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction=reduction), x, soft)
        entry("bce_logits.huge", lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction=reduction),
              x * 1e4, binary)
        entry("bce_logits.weights", lambda x, t, w, q: F.binary_cross_entropy_with_logits(
            x, t, w, pos_weight=q, reduction=reduction), x, soft, other.abs(), weight)

        def focal(x, t, alpha=0.25, gamma=2.0):
            p = torch.sigmoid(x)
            right = p * t + (1 - p) * (1 - t)
            loss = F.binary_cross_entropy_with_logits(x, t, reduction="none") * (1 - right) ** gamma
            return finish(loss if alpha < 0 else loss * (alpha * t + (1 - alpha) * (1 - t)))

        entry("focal", focal, x, binary)
        entry("focal.plain", lambda x, t: focal(x, t, -1, 0.5), x, soft)
        entry("dice", lambda p, t: finish(1 - (2 * (p * t).sum(1) + 0.5) / (p.sum(1) + t.sum(1) + 0.5)), p, binary)
        entry("l1", lambda x, t: F.l1_loss(x, t, reduction=reduction), x, other, wrt=(0, 1))
        entry("smooth_l1", lambda x, t: F.smooth_l1_loss(x, t, beta=0.7, reduction=reduction), x, other, wrt=(0, 1))
        entry("huber", lambda x, t: F.huber_loss(x, t, delta=0.7, reduction=reduction), x, other, wrt=(0, 1))
        counts = torch.tensor([[0.0, 1, 4], [2, 0.5, 7], [1, 1, 3], [0, 9, 2]])
        entry("poisson", lambda x, t: F.poisson_nll_loss(x, t, reduction=reduction), x, counts)
        entry("poisson.full", lambda x, t: F.poisson_nll_loss(
            x, t, log_input=False, full=True, eps=1e-3, reduction=reduction), x.abs(), counts)
        small = torch.tensor([[0.1, 2, 0], [1e-4, 0.5, 3], [1, 1, 1], [0.2, 0.01, 5]])
        entry("gaussian", lambda x, t, v: F.gaussian_nll_loss(x, t, v, eps=1e-3, reduction=reduction),
              x, other, small, wrt=(0, 1, 2))
        entry("gaussian.shared", lambda x, t, v: F.gaussian_nll_loss(x, t, v, full=True, reduction=reduction),
              x, other, small[:, 1:2], wrt=(0, 1, 2))

    with_zeros = torch.cat([torch.tensor([[0.0, 0.25, 0.75]]), soft[1:]])
    for reduction in ("none", "mean", "sum", "batchmean"):
        cases.add(f"kl_div.{reduction}", lambda x, t: F.kl_div(F.log_softmax(x, 1), t, reduction=reduction),
                  x, with_zeros, wrt=[0])
        cases.add(f"kl_div.log_target.{reduction}", lambda x, t: F.kl_div(
            F.log_softmax(x, 1), t, reduction=reduction, log_target=True), x, torch.log(soft))
    cases.add("entropy", lambda p: -(p * p.log()).sum(1), soft)


def batch_norms(tensors):
    """Three batches in training, then one in eval: outputs, gradients, running statistics after each."""
    layers = {"plain": (nn.BatchNorm2d(3), (4, 3, 3, 2)),
              "cumulative": (nn.BatchNorm2d(3, momentum=None), (4, 3, 3, 2)),
              "options": (nn.BatchNorm2d(2, eps=1e-2, momentum=0.3, affine=False), (3, 2, 2, 2)),
              "untracked": (nn.BatchNorm2d(2, track_running_stats=False), (3, 2, 2, 2)),
              "one_sample": (nn.BatchNorm2d(3), (1, 3, 2, 3)),
              "vectors": (nn.BatchNorm1d(4), (5, 4)),
              "sequences": (nn.BatchNorm1d(3), (2, 3, 4))}
    cases = Cases()
    for name, (norm, shape) in layers.items():
        norm.double()
        for key, parameter in norm.named_parameters():
            parameter.data = cases.normal(f"{name}/{key}", *parameter.shape)
            tensors[f"{name}/{key}"] = parameter
        for step in range(4):
            norm.train(step < 3)
            x = (cases.normal(f"{name}/{step}", *shape) * (step + 1) + step).float().double().requires_grad_()
            y = norm(x)
            grad = cases.normal(f"{name}/{step}/grad", *shape)
            inputs = [x, *norm.parameters()]
            for i, g in enumerate(torch.autograd.grad(y, inputs, grad)):
                tensors[f"{name}/{step}/d{i}"] = g
            tensors.update({f"{name}/{step}/x": x.float(), f"{name}/{step}/y": y, f"{name}/{step}/grad": grad.float()})
            for key, buffer in norm.named_buffers():
                tensors[f"{name}/{step}/{key}"] = buffer.clone()
