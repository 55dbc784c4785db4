#!/usr/bin/env bash
# Kills ranks of training jobs at random, goes on with --resume, and compares what comes out with an undisturbed run of
# one rank: last.safetensors and best.safetensors must be the same bytes.
# Usage: check_kills.sh [KILLS [SEED]]      50 kills and seed 1 unless given
# Each time one of 2 or 4 ranks gets SIGKILL, up to 3 s after the job began: while ranks start, train or write. A job
# must end within 10 s of it. Needs a release build and dataset-fashion-mnist, of which it takes 1024 images.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
kills=${1:-50}
RANDOM=${2:-1}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export OMP_WAIT_POLICY=passive

. scripts/small_run.sh
write_small_run "$scratch" 24

# job RANKS FOLDER [OPTION...]
job() { exec scripts/launch.sh -n "$1" train "$scratch/config.yaml" --out "$2" --deadline 20 "${@:3}" >>"$scratch/log" 2>&1; }
failed() {
  echo "check_kills: $1; the end of the log:" >&2
  tail -n 20 "$scratch/log" >&2
  exit 1
}
compare() {
  local name
  for name in last best; do
    cmp "$scratch/whole/$name.safetensors" "$scratch/run/$name.safetensors" || failed "$name.safetensors has other bytes"
  done
  runs=$((runs + 1))
}
children() { cat "/proc/$1"/task/*/children 2>/dev/null || true; }
# ranks_of LAUNCH_PID: processes that its mpirun started
ranks_of() {
  local child
  for child in $(children "$1"); do
    [ "$(cat "/proc/$child/comm" 2>/dev/null)" != mpirun ] || children "$child"
  done
}

# kill_one LAUNCH_PID: a random rank of the job, as soon as there is one. Fails where the job has ended.
kill_one() {
  local ranks=() after=$((RANDOM % 3000))
  sleep "$(printf '%d.%03d' $((after / 1000)) $((after % 1000)))"
  while [ ${#ranks[@]} -eq 0 ]; do
    kill -0 "$1" 2>/dev/null || return 1
    read -ra ranks <<<"$(ranks_of "$1" | tr '\n' ' ')"
  done
  kill -KILL "${ranks[RANDOM % ${#ranks[@]}]}" 2>/dev/null
}

say "an undisturbed run"
(job 1 "$scratch/whole") || failed "it failed"

say "$kills kills"
begin=$SECONDS done=0 runs=0
while [ "$done" -lt "$kills" ]; do
  how=--overwrite
  [ ! -e "$scratch/run/config.yaml" ] || how=--resume
  job $((RANDOM % 2 * 2 + 2)) "$scratch/run" $how &
  launched=$!
  if kill_one "$launched"; then
    killed=$SECONDS code=0
    wait "$launched" || code=$?
    [ $((SECONDS - killed)) -le 10 ] || failed "the job ended $((SECONDS - killed)) s after the kill"
    case $code in
      137) done=$((done + 1)) ;;
      0) ;;  # it came too late
      *) failed "a job with a killed rank ended with $code" ;;
    esac
  else
    wait "$launched" || failed "a job that nobody killed failed"
    compare
    rm -r "$scratch/run"
  fi
done
if [ -e "$scratch/run/config.yaml" ]; then
  (job 2 "$scratch/run" --resume) || failed "the last job failed"
  compare
fi
echo "$done kills in $runs runs, $((SECONDS - begin)) s: the same bytes as undisturbed"
