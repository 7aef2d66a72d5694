#!/usr/bin/env bash
# Runs tools/imp_train.py on several GPUs or machines, under torchrun.
set -euo pipefail

usage() {
    cat <<'EOT'
Usage: [NAME=value ...] bash tools/dist_imp.sh CONFIG GPUS [arguments]

Runs tools/imp_train.py CONFIG with GPUS processes on this machine; further
arguments go to imp_train.py. For more machines, run it on each of them with:
  NNODES         number of machines              (default 1)
  NODE_RANK      which of them this is, from 0   (default 0)
  MASTER_ADDR    address of machine 0
  PORT           a free port on machine 0        (default 29500)
On one machine:
  PORT           default: one that is free
  MAX_RESTARTS   how often torchrun starts all processes anew after one died;
                 the job goes on where it was    (default 0)
And on both:
  TORCHRUN_ARGS  further options of torchrun
Uses the active environment's python, or .venv's where none is active.
EOT
}

case ${1:-} in
    -h | --help) usage; exit ;;
esac
if [ $# -lt 2 ]; then
    usage >&2
    exit 2
fi
if [[ ! $2 =~ ^[1-9][0-9]*$ ]]; then
    printf "dist_imp.sh: GPUS is '%s'; it must be a number from 1\n" "$2" >&2
    exit 2
fi
nodes=${NNODES:-1}
if [ "$nodes" != 1 ] && [ -z "${MASTER_ADDR:-}" ]; then
    printf 'dist_imp.sh: NNODES is %s, but MASTER_ADDR is not set: %s\n' "$nodes" \
        'give every machine the address of machine 0' >&2
    exit 2
fi
if [ "$nodes" != 1 ] && [ "${MAX_RESTARTS:-0}" != 0 ]; then
    printf 'dist_imp.sh: MAX_RESTARTS works on one machine; %s\n' \
        'on several give the same command again, or let Slurm requeue the job' >&2
    exit 2
fi

# shellcheck source=tools/find_python.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/find_python.sh"

if [ "$nodes" = 1 ]; then
    # Else the processes of a restart read addresses of dead ones from torchrun's
    # store (pytorch issue 135712).
    export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
    meet=(--rdzv_backend=c10d --rdzv_endpoint="127.0.0.1:${PORT:-0}" --local_addr=127.0.0.1)
else
    meet=(--node_rank="${NODE_RANK:-0}"
          --master_addr="$MASTER_ADDR"
          --master_port="${PORT:-29500}")
fi

# shellcheck disable=SC2086  # TORCHRUN_ARGS are words
exec "$python" -m torch.distributed.run \
    --nnodes="$nodes" \
    --nproc_per_node="$2" \
    --max_restarts="${MAX_RESTARTS:-0}" \
    "${meet[@]}" \
    ${TORCHRUN_ARGS:-} \
    "$root/tools/imp_train.py" "$1" --launcher pytorch "${@:3}"
