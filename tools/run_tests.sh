#!/usr/bin/env bash
# Runs the tests in the environment of this checkout; `--help` says more.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: bash tools/run_tests.sh [arguments of pytest]

Runs the tests, and makes the virtual environment first where it is missing
(tools/setup_env.sh --help). Without arguments: all of tests/ but the slow
ones, and the examples in the docstrings of mmlth. With arguments:
  bash tools/run_tests.sh tests/core -k masks    some of them
  bash tools/run_tests.sh -m slow                the slow ones
  bash tools/run_tests.sh -m ''                  all of tests/
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

if [ $# -eq 0 ]; then
    set -- --doctest-modules tests mmlth/core mmlth/transfer mmlth/models mmlth/datasets
fi
exec "$python" -m pytest -m 'not slow' "$@"
