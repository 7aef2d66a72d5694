#!/usr/bin/env bash
# Runs the tests in the environment of this checkout; `--help` says more.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: bash tools/run_tests.sh [arguments of pytest]

Runs the tests, and makes the virtual environment first where it is missing
(tools/setup_env.sh --help). Without arguments: all of tests/ but the slow
ones. With arguments:
  bash tools/run_tests.sh tests/core -k masks    some of them
  bash tools/run_tests.sh -m slow                the slow ones
  bash tools/run_tests.sh -m ''                  all of tests/
Up to four files are tested at a time, one more than there are cores, since many tests wait for
processes; -n 0: one after another.
PYTHON and MMLTH_STACK work as in tools/setup_env.sh.
EOF
}

case ${1:-} in
    -h | --help) usage; exit ;;
esac

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
bash tools/setup_env.sh
case ${MMLTH_STACK:-onedl} in
    upstream) python=.venv-upstream/bin/python ;;
    *) python=.venv/bin/python ;;
esac
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"  # else torch's threads of two tests stall each other
workers=$(($(getconf _NPROCESSORS_ONLN) + 1))
exec "$python" -m pytest -m 'not slow' -n "$workers" --maxprocesses 4 --dist loadfile \
    --no-loadscope-reorder "$@"
