#!/usr/bin/env bash
# One study on several GPUs of several nodes, by Slurm; a job that is pre-empted goes on when it is started again.
#
#   sbatch slurm.sh train variational --data /shared/images --batch-size 1024 --epochs 100 --out /shared/runs/images
#
# One task for each GPU: under Slurm, JAX gives each process the one device of its SLURM_LOCALID, and leaves the others
# of the node idle where there are fewer tasks. The batch size is a multiple of the number of GPUs. --out lies where
# every node can read it.
#SBATCH --job-name=ae-jax
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
set -u

# --signal tells this shell two minutes before the end, and pre-emption does likewise. Each process saves what it has,
# and 143 is the exit code of one that ended by SIGTERM: the job then asks for its turn once more.
step= told=
trap 'told=1; [ -z "$step" ] || kill -TERM "$step" 2>/dev/null' TERM
srun --kill-on-bad-exit=1 python -m ae_jax "$@" --distributed --resume &
step=$!
[ -z "$told" ] || kill -TERM "$step" # it came before the step did

told=1
while [ -n "$told" ]; do # a signal ends wait with 143 too, whatever comes of the step
    told=
    wait "$step"
    code=$?
done

if [ "$code" -eq 143 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
