#!/usr/bin/env bash
# From a fresh checkout to a first lottery ticket; `--help` says more.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: bash tools/quickstart.sh [arguments of tools/imp_train.py]

From a fresh checkout to a first lottery ticket, on a CPU or a GPU:
  1. makes the virtual environment .venv   (tools/setup_env.sh --help)
  2. draws the small digit scenes data set into data/digit_scenes
  3. trains a small Faster R-CNN on it, prunes it to 80%, trains this ticket,
     the same numbers of weights at other places (shuffle) and the dense net for
     as many steps as both rounds (dense_budget), into work_dirs/quickstart, and
     writes report/index.html there, to look at in a browser
What is done already is not done again. Further arguments go to step 3:
  bash tools/quickstart.sh --work-dir work_dirs/mine
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

"$python" tools/make_digit_scenes.py --out data/digit_scenes
"$python" tools/imp_train.py \
    configs/digit_scenes/faster-rcnn_r18-tiny_fpn_digitscenes.py \
    --work-dir work_dirs/quickstart --rounds 1 --controls shuffle dense_budget "$@"
