#!/usr/bin/env bash
# Two processes of this machine train one study together, each with its own devices: how a cluster is tried at home.
#
#   bash two_processes.sh train variational --data mnist.npz --epochs 50 --out runs/mnist
#
# Takes train, compare or sweep with their options. On a CPU, DEVICES (default 1) is the number of devices of each
# process. Ctrl-C reaches both, which save and end; the same command with --resume goes on.
set -u

address=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print("127.0.0.1:%d" % s.getsockname()[1])')
export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=${DEVICES:-1}"

python -m ae_jax "$@" --distributed "$address,1/2" &
python -m ae_jax "$@" --distributed "$address,0/2"
code=$?
wait
exit "$code"
