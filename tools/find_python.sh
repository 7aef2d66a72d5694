# Read by the scripts that launch: sets root and python.
# The active environment's python, or that of .venv where none is active.
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
python=python
active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
if [ "${CONDA_DEFAULT_ENV:-}" = base ]; then active=${VIRTUAL_ENV:-}; fi
if [ -z "$active" ] && [ -x "$root/.venv/bin/python" ]; then
    python=$root/.venv/bin/python
fi
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
