#!/usr/bin/env bash
# From nothing to a trained, fused, checked and measured network. Installs Debian packages, builds, trains on
# Fashion-MNIST, compiles an engine, compares and measures both, and writes a report to runs/demo.
# Usage: demo.sh [OPTIONS OF ingot train]
# A second run builds what changed and goes on with the training in runs/demo where it stopped, at its end if it is
# done. `demo.sh --overwrite` trains anew; `demo.sh --set epochs=2` trains shorter.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_packages scripts/packages.txt
build release ingot

out=runs/demo
if [ $# -eq 0 ] && [ -e "$out/config.yaml" ]; then
  say "$out holds a run: going on with it (demo.sh --overwrite trains anew)"
  set -- --resume
fi

# Each command as a user would type it.
run() {
  printf '\n$ ingot'
  printf ' %q' "$@"
  printf '\n'
  ingot "$@"
}
say "the commands that follow can be repeated, after these two:"
printf '$ cd %q\n$ PATH=$PWD/build/release:$PATH\n' "$PWD"
PATH=$PWD/build/release:$PATH

run train configs/fashion_mnist.yaml --out "$out" "$@"
run eval "$out" --save-images "$out/images" --count 8
run build "$out" -o "$out/model.ingot"
run compare "$out" "$out/model.ingot"
run bench "$out" "$out/model.ingot" --duration 2
images=("$out"/images/000[01]_*.png)
run predict "$out/model.ingot" "${images[@]:0:2}"
run report "$out"
