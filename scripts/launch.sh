#!/usr/bin/env bash
# Runs ingot, or another program, on several ranks of this machine, which may have fewer CPUs than ranks.
# Usage: launch.sh -n RANKS train CONFIG [OPTION...]
#        launch.sh -n RANKS PROGRAM [ARGUMENT...]     a PROGRAM has a slash in its name
# MPIRUN_OPTIONS are given to mpirun too.
set -euo pipefail
build=$(dirname "${BASH_SOURCE[0]}")/../build/release
[ "${1:-}" = "-n" ] && [ $# -ge 3 ] || { sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
command -v mpirun >/dev/null || { echo "launch.sh: there is no mpirun; Debian has it in openmpi-bin" >&2; exit 2; }
# Ranks may outnumber the CPUs, and are not bound to one: each takes its share of all of them. Within a host, messages
# are copied through shared memory: reading another process's memory asks for a right that containers often lack. A rank that is told
# to end has 10 s to save.
options=(-n "$2" --oversubscribe --bind-to none --mca btl_vader_single_copy_mechanism none
  --mca odls_base_sigkill_timeout 10)
[ "$(id -u)" -ne 0 ] || options+=(--allow-run-as-root)
shift 2
case "$1" in
  */*) program=() ;;
  *) program=("$build/ingot") ;;
esac
# shellcheck disable=SC2086
exec mpirun "${options[@]}" ${MPIRUN_OPTIONS:-} "${program[@]}" "$@"
