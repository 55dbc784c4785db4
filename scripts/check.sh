#!/usr/bin/env bash
# The slower checks: address, undefined-behaviour and thread sanitizers, clang-tidy.
# Usage: check.sh [--all]   clang-tidy reads the files of the last 50 commits, or all of them.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_packages scripts/packages.txt scripts/packages-check.txt
build asan
say "tests under asan and ubsan"
ASAN_OPTIONS=detect_leaks=1 ctest --test-dir build/asan --output-on-failure -j 2 -LE slow
say "threads under tsan"
build tsan test_base test_data
ctest --test-dir build/tsan --output-on-failure -R '^(base|data)$'
say "clang-tidy"
if [ "${1:-}" = "--all" ]; then
  files=$(git ls-files 'src/*.cpp')
else
  base=$(git rev-list --max-count=51 HEAD | tail -n 1)
  files=$(git diff --name-only --diff-filter=d "$base" HEAD -- 'src/*.cpp')
  [ -n "$files" ] || files=$(git ls-files 'src/*.cpp')
fi
echo "$files" | xargs -r -P 2 -n 4 clang-tidy-19 -p build/release --quiet --warnings-as-errors='*'
