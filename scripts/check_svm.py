#!/usr/bin/python3
"""Compares the linear SVMs that Ingot trains with LIBLINEAR's.

Usage: check_svm.py [--program build/release/ingot] [--config configs/svm.yaml] [--out FOLDER] [CASE...]

Needs Debian 12's python3-sklearn, which has LIBLINEAR, and dataset-fashion-mnist. CASE is one of ovr_hinge, ovr_squared,
cs_hinge, cs_squared; without any, all four. For each the command trains, and LIBLINEAR on the same images; this script
computes the objective 1/2 ||w||^2 + C * sum of losses of both, in f64, from their weights, and fails where Ingot's is
more than 0.1% above LIBLINEAR's. Below it may be: LIBLINEAR stops by its own tolerance or after its last iteration.

LIBLINEAR has no Crammer-Singer with squared hinge. There, and everywhere else beside the comparison, the proof is
the dual objective, no weights being below it: this script computes it too, in f64, from the multipliers in the run's
last checkpoint, after looking at their bounds, and fails where the gap is above 0.1%.
"""

import argparse
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from sklearn.svm import LinearSVC

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")
TOLERANCE = 1e-3
SAMPLES = 10000
C = 1.0
# Whether Crammer-Singer, whether squared, and LIBLINEAR's tolerance and iterations: minutes each.
CASES = {
    "ovr_hinge": (False, False, dict(tol=1e-3, max_iter=5000)),
    "ovr_squared": (False, True, dict(tol=1e-3, max_iter=3000)),
    "cs_hinge": (True, False, dict(tol=1e-1, max_iter=20000)),
    "cs_squared": (True, True, None),
}
DTYPES = {"F64": np.float64, "F32": np.float32}


def read_idx(name):
    data = gzip.open(IMAGES / name).read()
    sizes = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)


def load_data():
    """Pixels in [0, 1] and the feature that is always 1; classes."""
    x = read_idx("train-images-idx3-ubyte.gz")[:SAMPLES].reshape(SAMPLES, -1) / 255.0
    return np.hstack([x, np.ones((SAMPLES, 1))]), read_idx("train-labels-idx1-ubyte.gz")[:SAMPLES].astype(int)


def read_tensors(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header, out = json.loads(data[8 : 8 + size]), {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] in DTYPES:
            begin, end = (8 + size + at for at in entry["data_offsets"])
            out[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"]).astype(float)
    return out


def objective(w, x, t, crammer_singer, squared):
    s = x @ w.T
    own = s[np.arange(len(t)), t]
    if crammer_singer:
        s[np.arange(len(t)), t] = -np.inf
        loss = np.maximum(0, 1 + s.max(1) - own)
    else:
        loss = np.maximum(0, 1 + s)
        loss[np.arange(len(t)), t] = np.maximum(0, 1 - own)
    return 0.5 * (w * w).sum() + C * (loss**2 if squared else loss).sum()


def dual(alpha, x, t, crammer_singer, squared):
    """Of the multipliers of the margins; no weights have a smaller objective."""
    sums = alpha.sum(1)
    assert alpha.min() >= 0, "a multiplier is negative"
    if not squared:
        assert (sums if crammer_singer else alpha).max() <= C * (1 + 1e-12), "a multiplier is above C"
    by_scores = alpha.copy()
    own = alpha[np.arange(len(t)), t]
    if crammer_singer:
        assert not own.any(), "a class has a margin to itself"
    by_scores[np.arange(len(t)), t] = -sums if crammer_singer else -own
    w = by_scores.T @ x
    value = sums.sum() - 0.5 * (w * w).sum()
    if squared:
        value -= ((sums if crammer_singer else alpha) ** 2).sum() / (4 * C)
    return value


def train(program, config, out, crammer_singer, squared):
    start = time.time()
    subprocess.run(
        [program, "train", config, "--out", out, "--overwrite", "--set", f"data.train_samples={SAMPLES}",
         "--set", f"loss.C={C}", "--set", f"loss.squared={str(squared).lower()}",
         "--set", f"loss.multi_class={'crammer_singer' if crammer_singer else 'one_vs_rest'}"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tensors = read_tensors(pathlib.Path(out) / "last.safetensors")
    w = np.hstack([tensors["model.fc.weight"], tensors["model.fc.bias"][:, None]])
    return w, tensors.get("optimizer.0.alpha"), time.time() - start


def liblinear(x, t, crammer_singer, squared, options):
    start = time.time()
    model = LinearSVC(C=C, loss="squared_hinge" if squared else "hinge", random_state=0,
                      multi_class="crammer_singer" if crammer_singer else "ovr", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not reach its tolerance
        model.fit(x[:, :-1], t)
    return np.hstack([model.coef_, model.intercept_[:, None]]), np.max(model.n_iter_), time.time() - start


def check(name, args, folder, x, t):
    crammer_singer, squared, options = CASES[name]
    w, alpha, seconds = train(args.program, args.config, folder / name, crammer_singer, squared)
    ours, good = objective(w, x, t, crammer_singer, squared), True
    print(f"{name:12} ingot      {ours:10.3f}  {seconds:6.1f} s", end="")
    if alpha is not None:
        below = dual(alpha, x, t, crammer_singer, squared)
        good = ours - below <= TOLERANCE * ours
        print(f"  dual {below:10.3f}  gap {100 * (1 - below / ours):.4f}%", end="")
    print(flush=True)
    if options is not None:
        theirs, iterations, seconds = liblinear(x, t, crammer_singer, squared, options)
        theirs = objective(theirs, x, t, crammer_singer, squared)
        good = good and ours <= theirs * (1 + TOLERANCE)
        print(f"{name:12} LIBLINEAR  {theirs:10.3f}  {seconds:6.1f} s  {iterations} iterations, ingot's is "
              f"{100 * (ours / theirs - 1):+.4f}%", flush=True)
    elif alpha is None:
        sys.exit("LIBLINEAR has no Crammer-Singer with squared hinge, and this optimiser no multipliers: no proof")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/ingot")
    parser.add_argument("--config", default=ROOT / "configs/svm.yaml")
    parser.add_argument("--out", help="where the runs stay; without it they are thrown away")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    args = parser.parse_args()
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; the cases are {', '.join(CASES)}")
    x, t = load_data()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(args.out or scratch)
        bad = [name for name in args.cases or CASES if not check(name, args, folder, x, t)]
    if bad:
        sys.exit(f"more than {100 * TOLERANCE}% off: {', '.join(bad)}")
    print("all are within 0.1%")


if __name__ == "__main__":
    main()
