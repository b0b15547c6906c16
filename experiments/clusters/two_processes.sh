#!/usr/bin/env bash
# Two processes of this machine train one study together, each with its own devices: how a cluster is tried at home.
#
#   bash two_processes.sh train variational --data mnist.npz --epochs 50 --out runs/mnist
#
# Takes train, compare or sweep with their options. The devices are the CPU's, DEVICES (default 1) for each process; two
# processes cannot share a GPU: JAX_PLATFORMS=cuda is for a machine where each sees one of its own. Ctrl-C and SIGTERM
# reach both, which save and end; the same command with --resume goes on.
set -um # -m: each process in a group of its own, which signals reach by the traps below

address=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print("127.0.0.1:%d" % s.getsockname()[1])')
export JAX_PLATFORMS="${JAX_PLATFORMS:-cpu}"
export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=${DEVICES:-1}"

both=() told=
pass_on() {
    told=$1
    [ "${#both[@]}" -eq 0 ] || kill -"$told" "${both[@]}" 2>/dev/null
}
trap 'pass_on INT' INT
trap 'pass_on TERM' TERM
for index in 1 0; do
    python -m ae_jax "$@" --distributed "$address,$index/2" &
    both+=($!)
done
[ -z "$told" ] || pass_on "$told" # it came before both did

told=yes
while [ -n "$told" ]; do # a signal ends wait, and not what it waits for
    told=
    wait "${both[0]}"
    wait "${both[1]}" # the one that prints
    code=$?
done
exit "$code"
