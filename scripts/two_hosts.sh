#!/usr/bin/env bash
# Two hosts on one machine: network namespaces with their own host names, joined by a cable (a veth pair), over which
# Open MPI's TCP runs.
# Usage: two_hosts.sh [-s SHAPE] [CHECK...]                       all checks, or those that are named
#        two_hosts.sh [-s SHAPE] -n RANKS PROGRAM [ARGUMENT...]   runs the program on RANKS ranks of each host
#   bits         deterministic training gives the same bits on one host and on two
#   stopped      a rank of the other host that is stopped is named
#   all_stopped  so are all of them
#   killed       a rank of the other host that is killed is named
#   cut          the other host cannot be reached any more
# SHAPE slows the cable, in tc's words: 'tbf rate 100mbit burst 256kb latency 50ms', or, where the kernel has it,
# 'netem delay 1ms'. Needs root. Says `skipped` where the kernel or the container allows no namespaces.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ingot=$PWD/build/release/ingot
a=ingot_$$_a b=ingot_$$_b
scratch=$(mktemp -d)
export OMP_WAIT_POLICY=passive

shape=()
[ "${1:-}" != "-s" ] || { read -ra shape <<<"$2"; shift 2; }

cleanup() {
  local pids
  pids=$(ip netns pids "$a" 2>/dev/null; ip netns pids "$b" 2>/dev/null)
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
  ip netns del "$a" 2>/dev/null || true
  ip netns del "$b" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT
skip() {
  echo "two_hosts: skipped: $1"
  exit 0
}

# The agent that mpirun starts its daemon on the other host with, in place of ssh: agent HOST COMMAND...
cat >"$scratch/agent" <<EOF
#!/bin/sh
host=\$1
shift
exec ip netns exec ingot_$$_\${host#ingot-} unshare --uts sh -c 'hostname "\$0" && eval "\$*"' "\$host" "\$@"
EOF
chmod +x "$scratch/agent"

connect() {
  command -v ip >/dev/null && command -v unshare >/dev/null || skip "there is no ip or unshare (Debian: iproute2, util-linux)"
  ip netns add "$a" 2>/dev/null && ip netns add "$b" && "$scratch/agent" ingot-a true || skip "no namespaces are allowed here"
  ip link add eth0 netns "$a" type veth peer name eth0 netns "$b" 2>/dev/null || skip "the kernel has no veth"
  local namespace address=1
  for namespace in "$a" "$b"; do
    ip -n "$namespace" link set lo up
    ip -n "$namespace" addr add "10.0.0.$address/24" dev eth0
    ip -n "$namespace" link set eth0 up
    address=$((address + 1))
    [ ${#shape[@]} -eq 0 ] || tc -n "$namespace" qdisc add dev eth0 root "${shape[@]}" 2>/dev/null ||
      skip "tc, or the kernel, does not know '${shape[*]}'"
  done
}

# run RANKS_A RANKS_B PROGRAM [ARGUMENT...]: as many ranks of each host
run() {
  local hosts=ingot-a:$1
  [ "$2" -eq 0 ] || hosts+=,ingot-b:$2
  "$scratch/agent" ingot-a mpirun --quiet --allow-run-as-root --bind-to none --host "$hosts" -n $(($1 + $2)) \
    --mca plm_rsh_agent "$scratch/agent" --mca plm_rsh_no_tree_spawn 1 --mca btl self,vader,tcp --mca btl_tcp_if_include eth0 \
    --mca oob_tcp_if_include eth0 --mca btl_vader_single_copy_mechanism none "${@:3}"
}

connect
if [ "${1:-}" = "-n" ]; then
  run "$2" "$2" "${@:3}"
  exit
fi

. scripts/small_run.sh
write_small_run "$scratch" 3
failed() {
  echo "two_hosts: $1" >&2
  cat "$scratch/log" >&2
  exit 1
}
train() { run "$1" "$2" "$ingot" train "$scratch/config.yaml" --out "$scratch/$3" --deadline 5 "${@:4}" >"$scratch/log" 2>&1; }

check_bits() {
  local name
  train 4 0 one || failed "four ranks of one host failed"
  train 2 2 two || failed "two ranks of each host failed"
  for name in last best; do
    cmp "$scratch/one/$name.safetensors" "$scratch/two/$name.safetensors" || failed "$name.safetensors has other bytes"
  done
  echo "last.safetensors and best.safetensors are the same bytes on one host and on two"
}

# ranks_of NAMESPACE: processes of its ranks
ranks_of() {
  local pid
  for pid in $(ip netns pids "$1"); do
    [ "$(readlink "/proc/$pid/exe")" != "$ingot" ] || echo "$pid"
  done
}

# expect_told EXPRESSION WITHIN HURT...: HURT gets the ranks of the second host, and within so many seconds all ranks
# are gone, one of them having said what matches.
expect_told() {
  train 2 2 hurt --overwrite --set epochs=9000 2>/dev/null &
  local job=$! begin pids left
  until grep -qs 'epoch    2/9000' "$scratch/log"; do sleep 0.1; done
  begin=$SECONDS
  read -ra pids <<<"$(ranks_of "$b" | tr '\n' ' ')"
  "${@:3}" "${pids[@]}"
  until left=$(ranks_of "$a"; ranks_of "$b"); [ -z "$left" ]; do
    [ $((SECONDS - begin)) -le "$2" ] || failed "ranks are there after $((SECONDS - begin)) s: $left"
    sleep 0.1
  done
  # mpirun waits for the daemon of a host that it cannot reach.
  [ "$3" != cut_cable ] || kill -KILL $(ip netns pids "$a")
  ! wait "$job" 2>/dev/null || failed "the job ended as if nothing had happened"
  grep -v 'ingot: epoch\|ingot: deterministic' "$scratch/log" || true
  grep -Eq "$1" "$scratch/log" || failed "no line says $1"
}
stop_last() { kill -STOP "${*: -1}"; }
stop_all() { kill -STOP "$@"; }
kill_last() { kill -KILL "${*: -1}"; }
cut_cable() { ip -n "$b" link set eth0 down; }

there='rank [23] \(pid [0-9]+ on ingot-b\)'
check_stopped() { expect_told "rank 0 waited 5 s .*: $there is stopped in step [0-9]+" 12 stop_last; }
check_all_stopped() { expect_told "rank 0 waited 5 s .*: $there has not been heard of for [0-9.]+ s, it was in step [0-9]+" 12 stop_all; }
check_killed() { expect_told "$there is gone in step [0-9]+" 8 kill_last; }
check_cut() { expect_told "rank 0 waited 5 s .*: $there has not been heard of for [0-9.]+ s, it was in step [0-9]+" 12 cut_cable; }

[ $# -gt 0 ] || set -- bits stopped all_stopped killed cut
for check in "$@"; do
  say "$check"
  "check_$check"
done
