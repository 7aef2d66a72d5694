#!/usr/bin/env bash
# Makes the virtual environment of this checkout; `--help` says more.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: bash tools/setup_env.sh

Makes the virtual environment .venv from tools/requirements.txt, with mmlth in
it (editable). Needs Python 3.10-3.12, a package index and a C++ compiler: MMCV
is compiled, about 16 minutes on two cores, unless pip finds a wheel of it.
All ready, it returns at once; interrupted, it goes on with what was compiled.
To start over: rm -r .venv .venv-setup

Environment variables:
  PYTHON          the Python to make it with, e.g. /path/to/python3.11
  MMLTH_STACK     onedl (default), or upstream: the OpenMMLab releases in
                  tools/requirements-upstream.txt, into .venv-upstream
  PIP_INDEX_URL   the package index, for instance a mirror
  PIP_FIND_LINKS  folders with wheels that pip may take as well
  MAX_JOBS        compile jobs at a time, 2 GB each (default: one a core)
  CXX, CUDA_HOME  the compilers; with a GPU, MMCV's CUDA ops are compiled too
EOF
}

INDEX_HELP='Index not reached? Set PIP_INDEX_URL to a mirror, HTTPS_PROXY to a proxy.'

say() { printf '%s\n' "$*"; }

die() {  # $1: what is wrong; the rest: what was seen, and what to do
    printf 'setup_env.sh: %s\n' "$1" >&2
    shift
    if [ $# -gt 0 ]; then printf '%s\n' "$@" | sed 's/^/  /' >&2; fi
    exit 1
}

choose_stack() {
    case ${MMLTH_STACK:-onedl} in
        onedl) VENV=.venv NEEDS=tools/requirements.txt ;;
        upstream) VENV=.venv-upstream NEEDS=tools/requirements-upstream.txt ;;
        *) die "MMLTH_STACK is '$MMLTH_STACK'; it may be onedl or upstream" ;;
    esac
    PY=$VENV/bin/python
    STATE=$VENV-setup  # logs, marks, and MMCV as far as it is compiled
    LOG=$STATE/pip.log
    MMCV=$(pin '(onedl-)?mmcv')
}

pin() { grep -oE "^($1)==[^; ]+" "$NEEDS"; }  # of a package, e.g. mmcv==2.1.0

version_of() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null; }

# What keeps a Python from being used; nothing if it will do.
fault_of() {
    case $(version_of "$1") in
        3.1[012].*) "$1" -c 'import venv, ensurepip' 2>/dev/null || say "$1 has no venv" ;;
        *) say "$1 is $(version_of "$1" || say 'not there, or broken')" ;;
    esac
}

choose_python() {
    local faults='' candidate fault
    for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.10}; do
        fault=$(fault_of "$candidate")
        if [ -z "$fault" ]; then PYTHON=$candidate; return; fi
        faults+=${faults:+$'\n'}$fault
    done
    die 'needs Python 3.10, 3.11 or 3.12 with venv, but' "$faults" \
        'Get one: apt-get install python3 python3-venv python3-dev, or set PYTHON=/path/to/it'
}

# Runs what writes into the environment. If it is killed, the mark stays: make it anew.
marked() {
    local status=0
    touch "$STATE/busy"
    "$@" || status=$?
    rm "$STATE/busy"
    return "$status"
}

make_venv() {
    if [ -z "$(fault_of "$PY")" ] && [ ! -e "$STATE/busy" ]; then return; fi
    choose_python
    if [ -e "$VENV" ] && [ ! -e "$STATE/ours" ]; then
        die "$VENV is no environment to use, and not made here" "Move it: mv $VENV $VENV-old"
    fi
    say "Making $VENV with $PYTHON ($(version_of "$PYTHON"))"
    touch "$STATE/ours"
    marked "$PYTHON" -m venv --clear "$VENV" >"$LOG" 2>&1 || die_of 'no venv' "$LOG"
}

# Where an installation or a build stands, from its log.
last_step() {
    grep -oE '(Collecting|Downloading) [^ ]+|Installing collected packages|\[[0-9]+/[0-9]+\]' "$1" |
        tail -n 1 | sed -E 's|^.([0-9]+)/([0-9]+).$|\1 of \2 files compiled|' || say 'at work'
}

with_progress() {  # $1: what it does, $2: its log, the rest: the command
    local label=$1 log=$2 status=0
    shift 2
    say "$label (log: $log)"
    : >"$log"
    while sleep 20 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        say "  $SECONDS s  $(last_step "$log")"
    done 9>&- &
    "$@" >"$log" 2>&1 </dev/null || status=$?
    kill $! 2>/dev/null || true
    return "$status"
}

pip() { PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 "$PY" -m pip "$@"; }

# Ends with the lines of a log that say what went wrong, each once.
die_of() {
    local what=$1 log=$2 lines
    shift 2
    lines=$(grep -E '^Looking in|connection broken|[Ee]rror:|ERROR' "$log" |
        sed -E "s/.*connection broken by '(.*)': .*/\1/; s/<[^>]*>: //" |
        awk '!seen[$0]++' | cut -c 1-200 | tail -n 6) || true
    die "$what; the log says:" "${lines:-$(tail -n 5 "$log")}" "Log: $log" "$@"
}

pip_install() {
    local label=$1
    shift
    marked with_progress "$label" "$LOG" pip install "$@" ||
        die_of 'pip failed' "$LOG" "$INDEX_HELP"
}

install_mmcv_wheel() {
    marked pip install --no-deps --only-binary :all: --find-links "$BUILD" "$MMCV" >"$LOG" 2>&1
}

check_compiler() {
    local headers
    headers=$("$PY" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    say '#include <Python.h>' | ${CXX:-c++} -I "$headers" -x c++ -fsyntax-only - 2>"$LOG" ||
        die "pip found no wheel of $MMCV, and here it can't be compiled:" "$(tail -n 3 "$LOG")" \
            'Get a C++ compiler and Python.h: apt-get install g++ python3-dev, or set CXX=...'
}

# Unpacks the source but once: a build broken off goes on with what was compiled.
compile_mmcv() {
    if [ ! -f "$BUILD/unpacked" ]; then
        rm -rf "$BUILD" && mkdir -p "$BUILD/tree"
        pip download --no-deps --no-build-isolation --no-binary :all: -d "$BUILD" "$MMCV" \
            >"$LOG" 2>&1 || die_of "pip got no source of $MMCV" "$LOG" "$INDEX_HELP"
        tar -xzf "$BUILD"/*.tar.gz -C "$BUILD/tree" --strip-components 1
        touch "$BUILD/unpacked"
    fi
    export MAX_JOBS=${MAX_JOBS:-$(getconf _NPROCESSORS_ONLN)}
    # torch compiles with ninja, which lies in the environment's bin
    PATH=$PWD/$VENV/bin:$PATH with_progress "Compiling $MMCV" "$STATE/mmcv.log" \
        pip wheel -v --no-deps --no-build-isolation --no-cache-dir -w "$BUILD" "$BUILD/tree" ||
        die_of "$MMCV did not compile" "$STATE/mmcv.log" 'Memory short? Set MAX_JOBS=1.' \
            "With a GPU: nvcc of torch's CUDA (CUDA_HOME), or CUDA_VISIBLE_DEVICES= for CPU ops"
    rm -rf "$BUILD/unpacked" "$BUILD/tree"
}

state() { say "$(cksum <"$NEEDS") $(version_of "$PY") $PWD"; }  # all that it depends on
is_ready() { [ -f "$STATE/ready" ] && [ "$(cat "$STATE/ready")" = "$(state)" ]; }

# One at a time. What pip started holds the lock too, should this script be killed alone.
take_lock() {
    mkdir -p "$STATE"
    exec 9>"$STATE/lock"
    command -v flock >/dev/null || return 0
    flock -n 9 || { say "Waiting for another set-up of $VENV"; flock 9; }
}

set_up() {
    make_venv
    BUILD=$STATE/$MMCV-$(version_of "$PY" | cut -d . -f 1,2)-$(pin torch)
    pip_install 'Installing build tools' "$(pin setuptools)" "$(pin wheel)" "$(pin ninja)"
    if ! install_mmcv_wheel; then
        check_compiler  # now, not after the long installation
        grep -v "^$MMCV" "$NEEDS" >"$STATE/base.txt"
        pip_install "Installing torch, to compile $MMCV" -r "$STATE/base.txt"
        compile_mmcv
        install_mmcv_wheel || die_of "the wheel of $MMCV can't be installed" "$LOG"
    fi
    pip_install 'Installing torch, MMDetection and the rest' -r "$NEEDS"
    pip_install 'Installing mmlth' --no-deps --no-build-isolation -e "$PWD"
    "$PY" -W ignore -c 'import cv2, mmcv.ops, mmdet, mmlth, yapf' >"$LOG" 2>&1 ||
        die_of "what was installed can't be imported" "$LOG" \
            "libGL missing? apt-get install libgl1 libglib2.0-0. Else: rm -r $VENV, run again"
    state >"$STATE/ready"
}

case ${1:-} in
    '') ;;
    --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
esac
trap 'exit 130' INT  # rather than report what was interrupted as failed
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
choose_stack
is_ready || { take_lock; is_ready || set_up; }
say "Ready: $PY, Python $(version_of "$PY")"
