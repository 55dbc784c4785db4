#!/usr/bin/python3
"""Writes tests/golden/: what PyTorch computes and saves, for the tests to compare with.

Run it with Debian 12's python3-torch (1.13) and python3-pil (9.4, with libjpeg-turbo) from anywhere. Equal versions of
both give equal bytes.

A case NAME of ops and losses is NAME/in0, in1, ... (of f32's precision, so that f32 reads them exactly), NAME/out,
NAME/grad (the gradient of out) and NAME/d0, ... (the gradient of each input that has one), all computed in f64.
"""

import torch

from golden_values import attention, files, init, layers, ops, optim
from golden_values.cases import FOLDER, Cases, save


def main():
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    files.checkpoints()
    optim.optimizers()
    parts = {"ops": [ops.convolutions, ops.pools, ops.elementwise], "layers": [ops.resampling, layers.layers],
             "attention": [attention.attention], "losses": [ops.losses], "batch_norm": [ops.batch_norms],
             "init": [init.initialisers, init.determined_initialisers],
             "optim": [optim.trajectories, optim.schedules, optim.plateaus, optim.clippings, optim.lbfgs],
             "images": [files.jpegs, files.resizes]}
    for name, functions in parts.items():
        tensors = Cases()
        for function in functions:
            function(tensors)
        save(name, tensors)


if __name__ == "__main__":
    main()
