#!/usr/bin/env bash
# Runs tools/imp_train.py on several GPUs or machines, under torchrun.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: [NAME=value ...] bash tools/dist_imp.sh CONFIG GPUS [arguments]

Runs tools/imp_train.py CONFIG with GPUS processes on this machine; further
arguments go to imp_train.py. For more machines, run it on each of them with:
  NNODES       number of machines              (default 1)
  NODE_RANK    which of them this is, from 0   (default 0)
  MASTER_ADDR  address of machine 0            (default 127.0.0.1)
  PORT         a free port on machine 0        (default 29500)
Uses the active environment's python, or .venv's where none is active.
EOF
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

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
python=python
active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
if [ "${CONDA_DEFAULT_ENV:-}" = base ]; then active=${VIRTUAL_ENV:-}; fi
if [ -z "$active" ] && [ -x "$root/.venv/bin/python" ]; then
    python=$root/.venv/bin/python
fi

PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} \
exec "$python" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$2" \
    "$root/tools/imp_train.py" "$1" --launcher pytorch "${@:3}"
