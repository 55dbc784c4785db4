#!/usr/bin/python3
"""Writes tests/golden/: what PyTorch computes and saves, for the tests to compare with.

Run it with Debian 12's python3-torch (1.13) and python3-pil (9.4, with libjpeg-turbo) from anywhere. Equal versions of
both give equal bytes.

A case NAME of ops and losses is NAME/in0, in1, ... (of f32's precision, so that f32 reads them exactly), NAME/out,
NAME/grad (the gradient of out) and NAME/d0, ... (the gradient of each input that has one), all computed in f64.
"""

import collections
import io
import json
import math
import pathlib
import struct
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64", torch.uint8: "U8"}


def save(name, tensors):
    header = {"__metadata__": {"made_by": f"scripts/golden.py with PyTorch {torch.__version__}"}}
    data = b""
    for key, x in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        x = x.detach().contiguous()
        raw = bytes(x.flatten().numpy().tobytes())
        header[key] = {"dtype": DTYPES[x.dtype], "shape": list(x.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (FOLDER / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


class Cases(dict):
    """Tensors by name; the random inputs of a case depend on its name alone."""

    def normal(self, name, *shape, scale=1.0):
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        return torch.randn(shape, generator=generator, dtype=torch.float32).double() * scale

    def uniform(self, name, *shape):
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        return torch.rand(shape, generator=generator, dtype=torch.float32).double()

    def add(self, name, fn, *inputs, wrt=None):
        """Records fn(*inputs) and the gradients of the inputs numbered `wrt` (all that are floating, where none)."""
        inputs = [x.float().double() if x.is_floating_point() else x for x in inputs]
        wrt = [i for i, x in enumerate(inputs) if x.is_floating_point()] if wrt is None else wrt
        for i in wrt:
            inputs[i].requires_grad_()
        out = fn(*inputs)
        grad = self.normal(name + "/grad", *out.shape)
        gradients = torch.autograd.grad(out, [inputs[i] for i in wrt], grad)
        for i, x in enumerate(inputs):
            self[f"{name}/in{i}"] = x.float() if x.is_floating_point() else x
        self[f"{name}/out"], self[f"{name}/grad"] = out, grad.float()
        for i, g in zip(wrt, gradients):
            self[f"{name}/d{i}"] = g


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


def layers(tensors):
    """A layer NAME is its state NAME/state/..., NAME/in0, ..., NAME/out, NAME/grad, and the gradients NAME/d0 of the
    first input and NAME/dstate/... of the parameters, in f64."""
    def layer(name, module, *inputs, train=False, call=None):
        module = module.double().train(train)
        for key, parameter in module.state_dict().items():
            if parameter.is_floating_point():
                noise = tensors.normal(f"{name}/{key}", *parameter.shape, scale=0.3)
                parameter.copy_(noise.abs() + 0.5 if key.endswith(("running_var", "norm1.weight")) else noise)
            tensors[f"{name}/state/{key}"] = parameter.detach().clone()
        inputs = [x.detach().clone() for x in inputs]
        if inputs[0].is_floating_point():
            inputs[0].requires_grad_()
        out = (call or (lambda m, *x: m(*x)))(module, *inputs)
        grad = tensors.normal(name + "/grad", *out.shape)
        out.backward(grad)
        for i, x in enumerate(inputs):
            tensors[f"{name}/in{i}"] = x.float() if x.is_floating_point() else x
        tensors[f"{name}/out"], tensors[f"{name}/grad"] = out, grad.float()
        if inputs[0].grad is not None:
            tensors[f"{name}/d0"] = inputs[0].grad
        for key, parameter in module.named_parameters():
            if parameter.grad is not None:
                tensors[f"{name}/dstate/{key}"] = parameter.grad
        for key, buffer in module.named_buffers():
            if train:
                tensors[f"{name}/after/{key}"] = buffer

    def x(*shape):
        return tensors.normal("x" + str(shape), *shape)

    x1, x2, x3 = x(2, 4, 9), x(2, 4, 7, 6), x(2, 4, 5, 6, 4)
    layer("Conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), x1)
    layer("Conv1d.circular", nn.Conv1d(4, 3, 3, padding=1, padding_mode="circular"), x1)
    layer("Conv2d.same", nn.Conv2d(4, 3, (4, 2), padding="same", dilation=(1, 2)), x2)
    layer("Conv2d.reflect", nn.Conv2d(4, 3, 3, padding=(2, 1), stride=2, padding_mode="reflect", bias=False), x2)
    layer("Conv3d", nn.Conv3d(4, 6, (3, 2, 3), stride=(2, 1, 2), padding=(1, 0, 1), groups=2), x3)
    layer("Conv3d.dilated", nn.Conv3d(4, 3, 2, dilation=(2, 1, 1), padding_mode="replicate", padding=1), x3)
    layer("ConvTranspose2d", nn.ConvTranspose2d(4, 6, (3, 2), stride=2, padding=(1, 0), output_padding=1, groups=2), x2)
    layer("ConvTranspose2d.dilated", nn.ConvTranspose2d(4, 3, 3, dilation=3, output_padding=(2, 0), bias=False), x2)
    layer("Linear", nn.Linear(6, 5), x2)
    layer("BatchNorm1d", nn.BatchNorm1d(4), x1, train=True)
    layer("BatchNorm3d", nn.BatchNorm3d(4, momentum=None), x3, train=True)
    layer("BatchNorm3d.eval", nn.BatchNorm3d(4, affine=False), x3)
    layer("LayerNorm", nn.LayerNorm((7, 6)), x2)
    layer("LayerNorm.plain", nn.LayerNorm(6, eps=1e-3, elementwise_affine=False), x2)
    layer("GroupNorm", nn.GroupNorm(2, 4), x2)
    layer("InstanceNorm1d", nn.InstanceNorm1d(4, affine=True), x1, train=True)
    layer("InstanceNorm2d", nn.InstanceNorm2d(4), x2, train=True)
    layer("InstanceNorm2d.tracked", nn.InstanceNorm2d(4, affine=True, track_running_stats=True), x2, train=True)
    layer("InstanceNorm3d.tracked_eval", nn.InstanceNorm3d(4, track_running_stats=True), x3)
    layer("PReLU", nn.PReLU(4), x2)
    layer("PReLU.one", nn.PReLU(), x2)
    layer("Softplus", nn.Softplus(beta=2, threshold=1), x2)
    for ceil in (False, True):
        tag = ".ceil" if ceil else ""
        layer("MaxPool1d" + tag, nn.MaxPool1d(3, 2, padding=1, ceil_mode=ceil), x1)
        layer("MaxPool3d" + tag, nn.MaxPool3d((2, 3, 2), (2, 2, 1), padding=(1, 1, 0), ceil_mode=ceil), x3)
        layer("AvgPool1d" + tag, nn.AvgPool1d(3, 2, padding=1, ceil_mode=ceil), x1)
        layer("AvgPool3d" + tag, nn.AvgPool3d((2, 3, 2), (2, 2, 1), (1, 1, 0), ceil, count_include_pad=not ceil), x3)
        layer("LPPool1d" + tag, nn.LPPool1d(2, 3, 2, ceil_mode=ceil), x1)
        layer("LPPool2d" + tag, nn.LPPool2d(2, (3, 2), 2, ceil_mode=ceil), x2)
    for kind in ("Avg", "Max"):
        layer(f"Adaptive{kind}Pool1d", getattr(nn, f"Adaptive{kind}Pool1d")(4), x1)
        layer(f"Adaptive{kind}Pool2d", getattr(nn, f"Adaptive{kind}Pool2d")((3, 4)), x2)
        layer(f"Adaptive{kind}Pool3d", getattr(nn, f"Adaptive{kind}Pool3d")((2, 4, 3)), x3)
    layer("ReflectionPad1d", nn.ReflectionPad1d((2, 1)), x1)
    layer("ReflectionPad3d", nn.ReflectionPad3d((1, 2, 0, 1, 2, 1)), x3)
    layer("ReplicationPad2d", nn.ReplicationPad2d((1, 2, 3, 0)), x2)
    layer("ConstantPad3d", nn.ConstantPad3d((1, 2, 0, 1, 2, 1), 0.5), x3)
    layer("ZeroPad2d", nn.ZeroPad2d((1, 2, -1, 0)), x2)
    layer("Embedding", nn.Embedding(7, 3, padding_idx=-2), torch.tensor([[1, 5, 6], [1, 0, 5]]))
    q, kv = tensors.normal("query", 3, 2, 8), tensors.normal("key", 5, 2, 8)
    attend = lambda m, *x: m(*x)[0]
    layer("MultiheadAttention", nn.MultiheadAttention(8, 2), q, kv, kv * 0.5, call=attend)
    layer("MultiheadAttention.weights", nn.MultiheadAttention(8, 4, batch_first=True), q, kv[:3], kv[:3],
          call=lambda m, *x: m(*x)[1])
    layer("MultiheadAttention.kdim", nn.MultiheadAttention(8, 2, bias=False, kdim=6, vdim=4), q, kv[..., :6],
          kv[..., :4], call=attend)
    padding = torch.tensor([[False, False, True, False, False], [False, True, False, False, True]])
    causal = torch.ones(3, 5, dtype=torch.bool).triu(2)
    layer("MultiheadAttention.masked", nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True), q, kv, kv,
          call=lambda m, *x: m(*x, key_padding_mask=padding, attn_mask=causal)[0])
    # In training, where PyTorch has no fast path of its own.
    layer("TransformerEncoderLayer", nn.TransformerEncoderLayer(8, 2, 12, dropout=0), q, train=True)
    layer("TransformerEncoderLayer.norm_first", nn.TransformerEncoderLayer(
        8, 2, 12, dropout=0, activation="gelu", batch_first=True, norm_first=True), q, train=True)
    layer("TransformerEncoder", nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 12, dropout=0), 2, nn.LayerNorm(8)), q, train=True)


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


def initialisers(tensors):
    """The mean, the standard deviation and the mean magnitude of values: enough to tell distributions apart."""
    torch.manual_seed(0)

    def note(name, x):
        tensors[name] = torch.stack([x.mean(), x.std(), x.abs().mean()]).double()

    layers = {"linear": nn.Linear(150, 400), "conv": nn.Conv2d(16, 600, (3, 5), groups=2)}
    for name, layer in layers.items():
        note(name + "/weight", layer.weight)
        note(name + "/bias", layer.bias)
    x = torch.empty(256, 64, 3, 3)
    note("xavier_uniform", nn.init.xavier_uniform_(x, 2.0))
    note("xavier_normal", nn.init.xavier_normal_(x))
    note("kaiming_uniform", nn.init.kaiming_uniform_(x, math.sqrt(5)))
    note("kaiming_uniform.fan_out", nn.init.kaiming_uniform_(x, mode="fan_out", nonlinearity="relu"))
    note("kaiming_normal", nn.init.kaiming_normal_(x))
    note("kaiming_normal.fan_out", nn.init.kaiming_normal_(x, 0.2, mode="fan_out"))
    note("normal", nn.init.normal_(x, 1, 3))
    note("uniform", nn.init.uniform_(x, -1, 3))
    note("trunc_normal", nn.init.trunc_normal_(x, 0.5, 2, -1, 2))
    note("caffe2_xavier", nn.init.kaiming_uniform_(x, a=1, mode="fan_in", nonlinearity="leaky_relu"))  # MMEngine's
    note("sparse", nn.init.sparse_(torch.empty(300, 100), 0.35, std=2))


def determined_initialisers(tensors):
    """Orthogonal matrices with the normal ones that they are made of, and what has no random part."""
    for shape, gain in (((5, 3), 1.0), ((3, 5), 1.0), ((4, 4), 2.5), ((4, 2, 3, 3), 1.0), ((40, 40), 1.0)):
        name = "orthogonal/" + "x".join(map(str, shape))
        x = torch.empty(shape, dtype=torch.float64)
        torch.manual_seed(1)
        tensors[name + "/drawn"] = x.new(shape[0], x.numel() // shape[0]).normal_(0, 1)
        torch.manual_seed(1)
        tensors[name + "/out"] = nn.init.orthogonal_(x, gain)
        tensors[name + "/gain"] = torch.tensor(gain, dtype=torch.float64)
    for shape, groups in (((3, 3, 3), 1), ((4, 6, 3, 3), 2), ((6, 2, 4, 5), 3), ((5, 2, 2, 3, 3), 1), ((2, 2, 1, 1), 1)):
        tensors[f"dirac/{'x'.join(map(str, shape))}/{groups}"] = nn.init.dirac_(torch.empty(shape), groups)
    tensors["eye/3x5"], tensors["eye/4x2"] = nn.init.eye_(torch.empty(3, 5)), nn.init.eye_(torch.empty(4, 2))
    for name in ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
                 "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        tensors["gain/" + name] = torch.tensor(nn.init.calculate_gain(name), dtype=torch.float64)
    tensors["gain/leaky_relu/0.2"] = torch.tensor(nn.init.calculate_gain("leaky_relu", 0.2), dtype=torch.float64)


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
        "sequential": lambda o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1, 10), s.CosineAnnealingLR(o, 90)], [10]),
        "two_at_once": lambda o: [s.LinearLR(o, 0.1, 1, 20), s.ExponentialLR(o, 0.98)],
    }
    for name, make in kinds.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
        made = make(optimizer)
        made = made if isinstance(made, list) else [made]
        rates = []
        for _ in range(120):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            for schedule in made:
                schedule.step()
        tensors[name] = torch.tensor(rates, dtype=torch.float64)


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


def checkpoint():
    """Of each kind that a checkpoint may hold; the tests know the numbers."""
    x = torch.arange(24.0)
    tensors = {
        "plain": x.reshape(4, 6),
        "transposed": x.reshape(4, 6).t(),
        "slice": x[5:9],
        "expanded": torch.tensor([7.0]).expand(2, 3),
        "channels_last": torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "flags": torch.tensor([True, False, True]),
        "parameter": nn.Parameter(torch.full((2,), -1.0)),
    }
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32, torch.uint8,
                  torch.int8):
        tensors[str(dtype).split(".")[1]] = torch.arange(5).to(dtype)
    tensors["tied"] = tensors["plain"]
    state = collections.OrderedDict(tensors)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return {"state_dict": state, "epoch": 3, "lr": 0.1, "done": False, "none": None, "text": "h\u00e9llo",
            "numbers": [-1, 255, 65535, -70000, 2**40, -(2**62)], "pair": (1, "two"), "size": torch.Size([2, 3]),
            "dtype": torch.float32, 5: {"nested": [torch.ones(2)]}}


def checkpoints():
    """What torch.save writes: zip archives, the older file, and a newer pickle."""
    torch.save(checkpoint(), FOLDER / "checkpoint.pth")
    torch.save(checkpoint(), FOLDER / "checkpoint_protocol4.pth", pickle_protocol=4)
    legacy = FOLDER / "checkpoint_legacy.pth"
    if not legacy.exists():  # the keys of its storages are addresses, which differ in each run
        torch.save(checkpoint(), legacy, _use_new_zipfile_serialization=False)


def picture(width, height, mode):
    """Gradients, an edge and some noise, which is what decoders and filters can differ in."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(width * height).integers(0, 60, (height, width, 3))
    waves = np.stack([x * 7 + y * 2, 255 - x * 3, (x * y) % 256], 2)
    pixels = np.clip(np.where((x > y)[..., None], waves % 256, 40) + noise, 0, 255).astype(np.uint8)
    if mode == "CMYK":
        return Image.fromarray(np.dstack([pixels, (x * 5 + y).astype(np.uint8)]), mode)
    return Image.fromarray(pixels, "RGB").convert(mode)


def planes(image):
    """[C,H,W]"""
    return torch.from_numpy(np.atleast_3d(np.asarray(image)).transpose(2, 0, 1).copy())


def jpegs(tensors):
    """Files and what Pillow reads from them, as it is and in colour and grey."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees: nobody does it unasked
    kinds = {"420": ("RGB", dict(quality=75)), "422": ("RGB", dict(quality=90, subsampling=1)),
             "444": ("RGB", dict(quality=95, subsampling=0)), "gray": ("L", dict(quality=80)),
             "progressive": ("RGB", dict(quality=75, progressive=True)), "turned": ("RGB", dict(quality=50, exif=exif)),
             "progressive_gray": ("L", dict(quality=60, progressive=True)), "cmyk": ("CMYK", dict(quality=75))}
    for name, (mode, options) in kinds.items():
        file = io.BytesIO()
        picture(37, 29, mode).save(file, "JPEG", **options)
        tensors[f"{name}/file"] = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
        read = Image.open(file)
        tensors[f"{name}/out"] = planes(read if mode == "L" else read.convert("RGB"))
        tensors[f"{name}/gray"] = planes(read.convert("RGB").convert("L"))


def resizes(tensors):
    for mode in ("RGB", "L"):
        image = picture(37, 29, mode)
        tensors[f"resize/{mode}/in"] = planes(image)
        for h, w in ((29, 12), (11, 37), (11, 12), (58, 80), (64, 9), (1, 1), (28, 38)):
            tensors[f"resize/{mode}/{h}x{w}"] = planes(image.resize((w, h), Image.BILINEAR))


def main():
    torch.set_num_threads(1)
    checkpoints()
    FOLDER.mkdir(exist_ok=True)
    files = {"ops": [convolutions, pools, elementwise], "layers": [resampling, layers], "losses": [losses],
             "batch_norm": [batch_norms], "init": [initialisers, determined_initialisers],
             "optim": [trajectories, schedules, clippings], "images": [jpegs, resizes]}
    for name, parts in files.items():
        tensors = Cases()
        for part in parts:
            part(tensors)
        save(name, tensors)


if __name__ == "__main__":
    main()
