#!/usr/bin/env bash
# The slower checks: address and undefined-behaviour sanitizers on memory, files and safetensors, the thread
# sanitizer on parallel code.
# Usage: check.sh [--tidy [--all]]   adds clang-tidy on the files of the last 50 commits, or on all.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_packages scripts/packages.txt
say "asan and ubsan"
build asan test_base test_tensor test_io
ctest --test-dir build/asan --output-on-failure -j 2 -R '^(base|tensor|io)$'
say "tsan"
build tsan test_base
ctest --test-dir build/tsan --output-on-failure -R '^base$'
[ "${1:-}" = "--tidy" ] || exit 0

install_packages scripts/packages-check.txt
say "clang-tidy"
if [ "${2:-}" = "--all" ]; then
  files=$(git ls-files 'src/*.cpp')
else
  base=$(git rev-list --max-count=51 HEAD | tail -n 1)
  files=$(git diff --name-only --diff-filter=d "$base" HEAD -- 'src/*.cpp')
fi
echo "$files" | xargs -r -P 2 -n 4 clang-tidy-19 -p build/release --quiet --warnings-as-errors='*'
