#!/usr/bin/env bash
# The slower checks: all but `quick`, or those that are named.
# Usage: check.sh [--all] [CHECK...]
#   quick  in place of the rest, in a minute: asan on memory, files and the loader, tsan on parallel code and the loader
#   asan   address and undefined-behaviour sanitizers over the whole suite
#   fuzz   every target of tests/fuzz/ for some seconds
#   tsan   thread sanitizer over what runs on threads
#   ranks  ranks that are killed at random, and two hosts of network namespaces
#   wide   random tests with many more cases
#   tidy   clang-tidy on the sources of the last 30 commits; with --all on all, and with slow checks
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# oneDNN's own threads are OpenMP's: of no use beside those of base/parallel.h, and opaque to the thread sanitizer.
export OMP_NUM_THREADS=1
# Tests ask for more memory than there is, and expect an Error.
export ASAN_OPTIONS="allocator_may_return_null=1:strict_string_checks=1" UBSAN_OPTIONS="print_stacktrace=1"
export TSAN_OPTIONS="halt_on_error=1:suppressions=$PWD/tests/tsan.supp"

check_quick() {
  build asan test_base test_tensor test_io test_data
  INGOT_CASES=0.2 ctest --test-dir build/asan --output-on-failure -j 2 -R '^(base|tensor|io|data)$'
  build tsan test_base test_data
  run_tsan test_base
  run_tsan test_data "--gtest_filter=DataLoader*" --gtest_repeat=5
}

check_asan() {
  build asan
  INGOT_CASES=0.5 ctest --test-dir build/asan --output-on-failure -j 2
}

# fuzz_one PROGRAM: from its seeds and from what earlier runs found. A defect's input stays beside the program.
fuzz_one() {
  local corpus="build/asan/corpus/${1##*/}"
  "$1" --seeds "$corpus"
  "$1" -runs=50000 -max_total_time=20 -timeout=10 -seed=1 -artifact_prefix="$1-" "$corpus" >"$1.log" 2>&1 ||
    { tail -n 60 "$1.log" >&2; return 1; }
  echo "${1##*/}: $(tail -n 1 "$1.log")"
}

check_fuzz() {
  build asan fuzz
  export -f fuzz_one
  find build/asan -maxdepth 1 -name 'fuzz_*' -executable | sort | xargs -P 2 -I {} bash -c 'fuzz_one {}'
}

# run_tsan PROGRAM [OPTION...]
run_tsan() {
  local as_usual=()
  # GCC 12's thread sanitizer knows fewer address layouts than newer kernels choose from.
  ! setarch -R true 2>/dev/null || as_usual=(setarch -R)
  say "$*"
  INGOT_CASES=0.1 "${as_usual[@]}" "build/tsan/$1" --gtest_brief=1 "${@:2}"
}

# Kernels run their loops on several threads in few tests, of which the filter names most.
check_tsan() {
  build tsan test_base test_tensor test_kernels test_data test_engine test_dist test_train
  while read -r program options; do
    # shellcheck disable=SC2086
    run_tsan "$program" $options </dev/null
  done <<<"test_base
test_tensor
test_kernels --gtest_filter=*Thread*:*BitsAreThose*:*BitsDependOn*:*TenMillion*
test_data --gtest_filter=DataLoader* --gtest_repeat=20
test_engine
test_dist
test_train --gtest_filter=Trainer*:Ranks*"
}

check_ranks() {
  build release ingot bench_collectives
  scripts/check_kills.sh 6
  scripts/two_hosts.sh
}

check_wide() {
  build release
  # The latter is RapidCheck's own.
  env -u OMP_NUM_THREADS INGOT_CASES=6 RC_PARAMS="max_success=2000" \
    ctest --test-dir build/release --output-on-failure -j 2 -R '^(kernels|ops|nn|ir|runtime|engine)'
}

check_tidy() {
  # Without precompiled headers, which hide what a file forgets to include.
  cmake --preset asan -B build/tidy -D CMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
  local files checks
  if [ "$tidy_all" ]; then
    files=$(git ls-files 'src/*.cpp')
    checks='clang-analyzer-core*,clang-analyzer-cplusplus*,performance-unnecessary-value-param'
  else
    files=$(git diff --name-only --diff-filter=d "$(git rev-list --max-count=31 HEAD | tail -n 1)" HEAD -- 'src/*.cpp')
  fi
  echo "$files" | xargs -r -P 2 -n 4 clang-tidy-19 -p build/tidy --quiet --warnings-as-errors='*' --checks="${checks:-}"
}

tidy_all=
[ "${1:-}" != "--all" ] || { tidy_all=yes; shift; }
[ $# -gt 0 ] || set -- asan fuzz tsan ranks wide tidy
install_packages scripts/packages.txt scripts/packages-check.txt
took=()
for check; do
  say "$check"
  start=$SECONDS
  "check_$check"
  took+=("$check in $((SECONDS - start)) s,")
done
say "passed: ${took[*]}"
