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
# are copied through shared memory: reading another process's memory asks for a right that containers often lack.
options=(-n "$2" --oversubscribe --bind-to none --mca btl_vader_single_copy_mechanism none)
[ "$(id -u)" -ne 0 ] || options+=(--allow-run-as-root)
# What goes wrong in the ranks they say themselves, in a line; what is wrong with the options only mpirun can say.
[ -n "${MPIRUN_OPTIONS:-}" ] || options+=(--quiet)
shift 2
case "$1" in
  */*) program=() ;;
  *) program=("$build/ingot") ;;
esac
[ -x "${program[0]:-$1}" ] || { echo "launch.sh: ${program[0]:-$1} is not a program" >&2; exit 2; }

# At a Ctrl-C mpirun ends its ranks within a second. So it runs apart from the terminal, and ranks are asked to save and
# end by a signal that it hands on to them; the second Ctrl-C ends them. It ends them too when this script is killed.
# shellcheck disable=SC2086
setsid setpriv --pdeathsig TERM mpirun "${options[@]}" ${MPIRUN_OPTIONS:-} "${program[@]}" "$@" &
job=$!

# mpirun 4.1 may lock itself up as it ends, where a rank died while it started (in PMIx_server_finalize). Then it has
# dead ranks that it does not collect, and none that live.
only_dead_ranks() {
  local list pid stat dead=
  for list in /proc/"$job"/task/*/children; do
    for pid in $(<"$list"); do
      read -r stat <"/proc/$pid/stat" || continue
      stat=${stat##*) }
      [ "${stat:0:1}" = Z ] || return 1
      dead=1
    done
  done
  [ "$dead" ]
}
end_when_locked_up() {
  local never seconds=0
  exec {never}<> <(:)  # from which nothing comes: to wait without a process that may be left over
  while kill -0 "$job"; do
    read -rt 1 <&"$never" || true
    if only_dead_ranks; then seconds=$((seconds + 1)); else seconds=0; fi
    [ "$seconds" -lt 4 ] || kill -KILL "$job"
  done
}
end_when_locked_up &>/dev/null &
guard=$!

signal=USR1 told=
tell() {
  kill "-$signal" "$job" 2>/dev/null || true
  signal=TERM told=1
}
trap tell INT TERM
while true; do
  code=0
  wait "$job" || code=$?
  [ -n "$told" ] || break  # else a signal has ended the wait, not the job
  told=
done
kill "$guard" 2>/dev/null || true
# A rank that dies before the ranks know of each other leaves no other word.
[ "$code" -le 128 ] || [ "$code" -eq 130 ] || echo "launch.sh: SIG$(kill -l $((code - 128))) ended a rank" >&2
exit "$code"
