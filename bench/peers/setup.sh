#!/usr/bin/env bash
# Installs the peers that the benchmarks run beside Ingot into a virtual environment (default: build/peers) and writes
# DIR/env.sh: read it (`. DIR/env.sh`) before a benchmark. Nothing that Ingot or its tests need comes from here.
# PyPI's PyTorch is a CUDA build; of CUDA only the libraries that it cannot be loaded without are installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
dir=$(realpath -m "${1:-build/peers}")
python3 -m venv "$dir"
. "$dir/bin/activate"
pip install -q onnxruntime openvino ncnn pnnx onnx
pip install -q numpy pillow safetensors sympy networkx jinja2 filelock typing_extensions fsspec
pip install -q --no-deps torch torchvision nvidia-cufile nvidia-cusparselt-cu13 nvidia-nvshmem-cu13 nvidia-nccl-cu13
libs=$(find "$dir" \( -name 'libcufile.so.0' -o -name 'libcusparseLt.so.0' -o -name 'libnvshmem_host.so.3' \
  -o -name 'libnccl.so.2' \) -exec dirname {} \; | sort -u | paste -sd:)
printf '. %q\nexport LD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n' "$dir/bin/activate" "$libs" > "$dir/env.sh"
. "$dir/env.sh"
python3 - <<'END'
import ncnn, onnx, onnxruntime, openvino, torch, torchvision
for package in (torch, torchvision, onnxruntime, openvino, ncnn, onnx):
    print(package.__name__, package.__version__)
END
