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

python -m ae_jax "$@" --distributed "$address,1/2" &
second=$!
python -m ae_jax "$@" --distributed "$address,0/2" &
first=$!

told=1
trap 'told=1; kill -INT "$first" "$second" 2>/dev/null' INT
trap 'told=1; kill -TERM "$first" "$second" 2>/dev/null' TERM
while [ -n "$told" ]; do # a signal ends wait, and not what it waits for
    told=
    wait "$second"
    wait "$first"
    code=$?
done
exit "$code"
