#!/usr/bin/env bash
# What our own kernels gain, each beside oneDNN or a peer in one run: the sums of the benchmarks, strict and fast.
# On an idle machine about half an hour. Usage: bench_kernels.sh [ROUNDS]
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

rounds=${1:-3}
build release
# sums LINES PROGRAM [ARGUMENT...]: its heading and the last lines that it prints.
sums() {
  local lines=$1
  shift
  say "$*"
  "build/release/$@" | awk -v last="$lines" 'NR <= 2 { print; next } { line[NR] = $0 }
    END { for (i = NR - last + 1; i <= NR; ++i) if (i > 2) print line[i] }'
}

for batch in 1 8; do
  sums 1 bench_conv vgg16 $batch "$rounds"
  sums 2 bench_conv resnet18 $batch "$rounds"
  sums 2 bench_conv resnet50 $batch "$rounds"
done
sums 3 bench_conv_grad resnet18 8 "$rounds"
sums 3 bench_conv_grad resnet50 8 "$rounds"
for batch in 1 8; do sums 2 bench_depthwise mobilenet_v2 $batch; done
sums 3 bench_slices
sums 3 bench_batch_norm
# The peers, where bench/peers/setup.sh has installed them.
if [ -f build/peers/env.sh ]; then
  . build/peers/env.sh
  for net in vgg16 resnet18 resnet50; do sums 2 bench_nets $net; done
  sums 2 bench_train_step small 64
  sums 2 bench_train_step resnet18 8 "$rounds"
  sums 2 bench_train_step resnet50 8 "$rounds"
fi
