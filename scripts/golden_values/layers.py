"""Layers: the names in their state, results, gradients and moved buffers."""

import torch
from torch import nn


def record(tensors, name, module, *inputs, train=False, call=None):
    """A layer NAME is its state NAME/state/..., NAME/in0, ..., NAME/out, NAME/grad, and the gradients NAME/d0 of the
    first input and NAME/dstate/... of the parameters, in f64."""
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


def layers(tensors):
    def layer(name, module, *inputs, **options):
        record(tensors, name, module, *inputs, **options)

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
