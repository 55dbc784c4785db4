#!/usr/bin/env bash
# From nothing to a trained, fused, checked and measured network. Installs Debian packages, builds, trains on
# Fashion-MNIST, compiles an engine, compares and measures both, and writes a report. A second run is incremental.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_packages scripts/packages.txt
build release ingot

run() {
  printf '\n$ ingot %s\n' "$*"
  build/release/ingot "$@"
}

run train configs/fashion_mnist.yaml --out runs/demo --overwrite
run eval runs/demo --save-images runs/demo/images --count 8
run build runs/demo -o runs/demo/model.ingot
run compare runs/demo runs/demo/model.ingot
run bench runs/demo runs/demo/model.ingot --duration 2
run predict runs/demo/model.ingot runs/demo/images/0000_*.png runs/demo/images/0001_*.png
run report runs/demo
