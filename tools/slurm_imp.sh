#!/usr/bin/env bash
# Runs tools/imp_train.py under Slurm, with srun.
set -euo pipefail

usage() {
    cat <<'EOT'
Usage: [NAME=value ...] bash tools/slurm_imp.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments]

Runs tools/imp_train.py CONFIG --work-dir WORK_DIR in GPUS processes under
srun; further arguments go to imp_train.py. As MMDetection's slurm_train.sh:
  GPUS           number of processes             (default 8)
  GPUS_PER_NODE  of them on one node             (default 8, at most GPUS)
  CPUS_PER_TASK  cores, and threads, of each process (default 5; OMP_NUM_THREADS
                 sets other threads)
  SRUN_ARGS      further options of srun
and beyond it:
  GRES           what a node must have           (default gpu:GPUS_PER_NODE;
                 GRES= asks for nothing, for nodes without GPUs)
  PORT           a free port on the first node   (default: by the job's number)
Inside of an sbatch script it starts a step of that job, which Slurm can
requeue: docs/distributed.md.
Uses the active environment's python, or .venv's where none is active.
EOT
}

case ${1:-} in
    -h | --help) usage; exit ;;
esac
if [ $# -lt 4 ]; then
    usage >&2
    exit 2
fi
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
gres=${GRES-gpu:$per_node}

# Else every process would start as many threads as the node has cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-${CPUS_PER_TASK:-5}}"

# shellcheck source=tools/find_python.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/find_python.sh"
if [ -n "${PORT:-}" ]; then
    export MASTER_PORT=$PORT
fi

# shellcheck disable=SC2086  # SRUN_ARGS are words
exec srun \
    --partition="$1" \
    --job-name="$2" \
    ${gres:+--gres="$gres"} \
    --ntasks="$gpus" \
    --ntasks-per-node="$per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "$python" -u "$root/tools/imp_train.py" "$3" --work-dir "$4" --launcher slurm "${@:5}"
