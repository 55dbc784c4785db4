#!/usr/bin/env bash
# Installs Debian packages, builds the release preset, runs the test suite and checks the formatting.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

install_packages scripts/packages.txt
build release
say "formatting"
find bench examples include src tests -name '*.cpp' -o -name '*.h' | xargs clang-format-19 --dry-run --Werror
say "tests"
ctest --test-dir build/release --output-on-failure -j 2
