#!/usr/bin/env bash
# Makes the virtual environment of this checkout; `--help` says more.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: bash tools/setup_env.sh

Makes the virtual environment .venv in this checkout from the pinned versions
in tools/requirements.txt, and installs mmlth into it (editable). Needs Python
3.10-3.12, a C++ compiler and a package index. MMCV's C++ ops are compiled,
about 16 minutes on two cores, unless pip finds a wheel of MMCV.

Run again, it returns at once if all is ready; interrupted at any point, it
goes on from there. To start over: rm -r .venv

Environment variables:
  PYTHON           the Python to use, e.g. PYTHON=/path/to/python3.11
  MMLTH_STACK      onedl (default), or upstream: the OpenMMLab releases in
                   tools/requirements-upstream.txt, into .venv-upstream
  PIP_INDEX_URL    the package index pip asks, for instance a mirror
  PIP_FIND_LINKS   folders with wheels that pip may take as well
  MAX_JOBS         compile jobs at a time (default: one a core, memory allowing)
  CXX              the C++ compiler
  FORCE_CUDA=1     compile MMCV's CUDA ops where torch sees no GPU; where it
                   sees one they are compiled anyway, with the nvcc found there
EOF
}

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
STACK=${MMLTH_STACK:-onedl}
CHILD=''
TICK=20  # seconds between two lines of progress

say() { printf '%s\n' "$*"; }

die() {
    printf 'setup_env.sh: %s\n' "$1" >&2
    shift
    if [ $# -gt 0 ]; then printf '%s\n' "$@" | sed '/^ *$/d; s/^ */  /' >&2; fi
    exit 1
}

choose_stack() {
    case $STACK in
        onedl) VENV=.venv REQUIREMENTS=tools/requirements.txt ;;
        upstream) VENV=.venv-upstream
                  REQUIREMENTS=tools/requirements-upstream.txt ;;
        *) die "MMLTH_STACK is '$STACK'; it may be onedl or upstream" ;;
    esac
    STATE=$VENV/.mmlth  # logs, marks, and what is kept of a broken-off build
    LOG=$STATE/setup.log
    MMCV=$(pin '(onedl-)?mmcv')
}

# The pinned requirement of a package, e.g. mmcv==2.1.0
pin() { grep -oE "^($1)==[^; ]+" "$REQUIREMENTS"; }

# ---- which Python -----------------------------------------------------------

# Prints the version, if the given Python runs.
version_of() {
    "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null
}

in_range() {
    case $1 in 3.10.* | 3.11.* | 3.12.*) true ;; *) false ;; esac
}

can_make_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }

# What keeps a Python from being used; nothing if it will do.
fault_of() {
    local version
    if ! version=$(version_of "$1"); then
        say "doesn't run"
    elif ! in_range "$version"; then
        say "is Python $version"
    elif ! can_make_venv "$1"; then
        say "can't make virtual environments (venv, ensurepip missing)"
    fi
}

# The Python itself, where the given one is that of an environment or a shim.
base_of() {
    "$1" -c 'import sys; print(sys._base_executable or sys.executable)'
}

choose_python() {
    local candidate fault tried=()
    local candidates=(python3 python3.12 python3.11 python3.10)
    if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi
    for candidate in "${candidates[@]}"; do
        fault=$(fault_of "$candidate")
        if [ -z "$fault" ]; then
            PYTHON=$(base_of "$candidate")
            return
        fi
        tried+=("$candidate $fault")
    done
    die 'needs Python 3.10, 3.11 or 3.12 with venv; tried:' "${tried[@]}" \
        'Get one: apt-get install python3 python3-venv python3-dev' \
        'or point at one: PYTHON=/path/to/python3.11 bash tools/setup_env.sh'
}

# ---- is it ready ------------------------------------------------------------

# What the environment depends on, as one line; fails if it has no Python.
wanted_state() {
    "$VENV/bin/python" -I -S -c '
import hashlib, platform, sys
digest = hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()
print(digest, platform.python_version(), sys.argv[2])
' "$REQUIREMENTS" "$ROOT" 2>/dev/null
}

holds() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

other_python_asked() {
    [ -n "${PYTHON:-}" ] &&
        [ "$(version_of "$PYTHON")" != "$(version_of "$VENV/bin/python")" ]
}

is_ready() {
    local state
    [ -f "$STATE/ready" ] && state=$(wanted_state) &&
        holds "$STATE/ready" "$state" && ! other_python_asked
}

# ---- one at a time ----------------------------------------------------------

# What pip started keeps the lock too, should this script be killed alone.
take_lock() {
    mkdir -p "$STATE"
    command -v flock >/dev/null || return 0
    exec 9>"$STATE/lock"
    flock -n 9 && return
    local start=$SECONDS
    say "Another set-up of $VENV is at work; waiting for it"
    until flock -w "$TICK" 9; do
        say "  $(elapsed "$start")  still waiting"
    done
}

elapsed() {
    local seconds=$((SECONDS - $1))
    printf '%d:%02d min' $((seconds / 60)) $((seconds % 60))
}

stop_child() {
    trap - INT TERM
    if [ -n "$CHILD" ]; then kill -TERM -- "-$CHILD" 2>/dev/null || true; fi
    die "interrupted; run it again to go on"
}

# Runs a command with its output in a log and a line of progress now and then.
# $1: what it does, $2: the log, the rest: the command
with_progress() {
    local label=$1 log=$2 start=$SECONDS next=$((SECONDS + TICK)) status=0
    shift 2
    say "$label (log: $log)"
    set -m  # a process group of its own, so that all of it can be stopped
    "$@" >"$log" 2>&1 </dev/null &
    CHILD=$!
    set +m
    while kill -0 "$CHILD" 2>/dev/null; do
        sleep 0.3
        if [ "$SECONDS" -ge "$next" ]; then
            say "  $(elapsed "$start")  $(last_step "$log")"
            next=$((SECONDS + TICK))
        fi
    done
    wait "$CHILD" || status=$?
    CHILD=''
    return "$status"
}

# Where a build or an installation stands, from its log.
last_step() {
    local step
    step=$(grep -oE '\[[0-9]+/[0-9]+\]' "$1" | tail -n 1 | tr -d '[]' || true)
    if [ -n "$step" ]; then
        say "${step/\// of } files compiled"
    else
        grep -E '^ *(Collecting|Downloading|Building|Installing|Preparing)' \
            "$1" | tail -n 1 | sed 's/^ *//; s/packages: .*/packages/' |
            cut -c 1-66 || true
    fi
}

# ---- pip --------------------------------------------------------------------

pip() {
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 \
        "$VENV/bin/python" -m pip "$@"
}

# The lines of a log that say what went wrong.
errors_in() {
    local lines
    lines=$(grep -E '(ERROR|[Ee]rror):' "$1" | cut -c 1-300 | tail -n 4 || true)
    say "${lines:-$(tail -n 5 "$1")}"
}

INDEX_HELP='Is the network up? To use a mirror, set PIP_INDEX_URL to its
address (PIP_CERT to its certificate, HTTPS_PROXY to your proxy).'

# Why pip did not reach the index, and which it asked.
index_faults_in() {
    sed -nE "s/^Looking in (indexes: .*)/asked \1/p
        s/.*connection broken by '(.*)': .*/\1/p" "$1" |
        sed -E 's/<[^>]*>: //' | awk '!seen[$0]++'
    errors_in "$1" | tail -n 1
}

check_index() {
    local log=$STATE/index.log
    if pip download --no-deps --no-cache-dir --retries 2 -d "$STATE/index" \
            "$(pin wheel)" >"$log" 2>&1; then
        rm -rf "$STATE/index"
        return
    fi
    die "pip got no packages from the package index:" \
        "$(index_faults_in "$log")" "$INDEX_HELP" "Log: $log"
}

# Marks the time in which a kill may leave packages half written.
pip_install() {
    local label=$1 status=0
    shift
    touch "$STATE/busy"
    with_progress "$label" "$LOG" pip install "$@" || status=$?
    rm "$STATE/busy"
    if [ "$status" -ne 0 ]; then
        die "pip failed; it said:" "$(errors_in "$LOG")" "Log: $LOG" \
            "If it could not reach the package index: $INDEX_HELP"
    fi
}

# ---- the virtual environment ------------------------------------------------

# An environment that this script didn't make is added to, never removed.
is_foreign() {
    [ -e "$VENV/bin/python" ] || [ -L "$VENV/bin/python" ] || return 1
    [ ! -e "$STATE/ours" ]
}

make_venv() {
    local mark
    mark="$(version_of "$VENV/bin/python" || true) $ROOT"
    if holds "$STATE/made" "$mark" && [ ! -e "$STATE/busy" ] &&
            ! other_python_asked; then
        return
    fi
    choose_python
    say "Making $VENV with $PYTHON ($(version_of "$PYTHON"))"
    find "$VENV" -mindepth 1 -maxdepth 1 ! -name .mmlth -exec rm -rf {} +
    rm -f "$STATE/ready" "$STATE/made" "$STATE/busy"
    touch "$STATE/ours"
    "$PYTHON" -m venv "$VENV" >"$LOG" 2>&1 ||
        die "$PYTHON -m venv failed:" "$(tail -n 5 "$LOG")" \
            'On Debian and Ubuntu: apt-get install python3-venv'
    say "$(version_of "$VENV/bin/python") $ROOT" >"$STATE/made"
}

check_foreign() {
    local version
    version=$(version_of "$VENV/bin/python" || say 'that does not run')
    if ! in_range "$version" || other_python_asked; then
        die "$VENV, not made by this script, holds Python $version" \
            "$(other_python_asked && say "but PYTHON is $PYTHON" || true)" \
            "Move it away and run again: mv $VENV $VENV-old"
    fi
    say "Using $VENV, which this script did not make, as it is"
}

# ---- MMCV -------------------------------------------------------------------

# Where the wheel of MMCV lies, found or compiled, and its source meanwhile.
mmcv_folder() {
    local python
    python=$(version_of "$VENV/bin/python")
    say "$STATE/$MMCV-python-${python%.*}-$(pin torch)" | sed 's/==/-/g'
}

has_wheel() {
    [ -f "$FOLDER/wheel/complete" ] && return
    rm -rf "$FOLDER/wheel"
    pip download --no-deps --only-binary :all: -d "$FOLDER/wheel" "$MMCV" \
        >"$STATE/wheel.log" 2>&1 && touch "$FOLDER/wheel/complete"
}

check_compiler() {
    local candidate
    for candidate in ${CXX:-c++ g++ clang++}; do
        if say '#include <vector>' | "$candidate" -std=c++17 -x c++ \
                -fsyntax-only - 2>/dev/null; then
            if [ "$candidate" != c++ ]; then export CXX=$candidate; fi
            return
        fi
    done
    die "no C++ compiler that works (tried ${CXX:-c++, g++, clang++})" \
        'MMCV comes as source and is compiled here.' \
        'Get one: apt-get install g++   or set CXX=/path/to/g++'
}

check_headers() {
    "$VENV/bin/python" -c '
import os, sys, sysconfig
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
sys.exit(not os.path.exists(header))' ||
        die "the headers of Python are missing (Python.h), MMCV needs them" \
            'Get them: apt-get install python3-dev (or python3.11-dev, ...)'
}

check_nvcc() {
    "$VENV/bin/python" -c '
import os, sys, torch
from torch.utils.cpp_extension import CUDA_HOME
cuda = torch.cuda.is_available() or os.getenv("FORCE_CUDA", "0") == "1"
sys.exit(cuda and CUDA_HOME is None)' 2>/dev/null ||
        die "torch sees a GPU, but there is no CUDA compiler (nvcc)" \
            'MMCV compiles its CUDA ops with it. Install the CUDA toolkit of' \
            "torch's CUDA version and set CUDA_HOME, or run with" \
            'CUDA_VISIBLE_DEVICES= for an environment without GPU ops.'
}

# One job a core, and 2 GB of memory for each.
compile_jobs() {
    local cores memory
    cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
    memory=$(awk '/MemAvailable/ {print int($2 / 2000000)}' /proc/meminfo \
        2>/dev/null || true)
    memory=${memory:-$cores}
    if [ "$memory" -lt "$cores" ]; then cores=$memory; fi
    if [ "$cores" -lt 1 ]; then cores=1; fi
    say "$cores"
}

# Unpacks MMCV's source; a build broken off there is resumed later.
fetch_source() {
    [ -f "$FOLDER/unpacked" ] && return
    rm -rf "$FOLDER/sdist" "$FOLDER/tree"
    mkdir -p "$FOLDER/tree"
    pip download --no-deps --no-build-isolation --no-binary :all: \
        -d "$FOLDER/sdist" "$MMCV" >"$LOG" 2>&1 ||
        die "pip could not get the source of $MMCV; it said:" \
            "$(errors_in "$LOG")" "$INDEX_HELP" "Log: $LOG"
    tar -xzf "$FOLDER"/sdist/*.tar.gz -C "$FOLDER/tree" --strip-components 1
    touch "$FOLDER/unpacked"
}

compile_mmcv() {
    local log=$STATE/mmcv-build.log
    check_nvcc
    fetch_source
    # torch compiles with ninja, which lies in the environment's bin
    export MAX_JOBS=${MAX_JOBS:-$(compile_jobs)}
    PATH=$ROOT/$VENV/bin:$PATH with_progress \
        "Compiling $MMCV, about 16 minutes on two cores" "$log" \
        pip wheel -v --no-deps --no-build-isolation --use-pep517 \
        --no-cache-dir -w "$FOLDER/wheel" "$ROOT/$FOLDER/tree" ||
        die "$MMCV did not compile; the log says:" "$(errors_in "$log")" \
            "Log: $log"
    touch "$FOLDER/wheel/complete"
    rm -rf "$FOLDER/unpacked" "$FOLDER/sdist" "$FOLDER/tree"
}

install_mmcv() {
    is_installed "$MMCV" && return
    has_wheel || compile_mmcv
    pip_install "Installing $MMCV" -c "$REQUIREMENTS" \
        "$FOLDER"/wheel/*.whl
}

is_installed() {
    "$VENV/bin/python" - "$1" <<'EOF'
import sys
from importlib.metadata import PackageNotFoundError, version

name, _, wanted = sys.argv[1].partition('==')
try:
    sys.exit(version(name) != wanted)
except PackageNotFoundError:
    sys.exit(1)
EOF
}

# ---- everything -------------------------------------------------------------

install_base() {
    grep -v "^$MMCV" "$REQUIREMENTS" >"$STATE/base.txt"
    pip_install "Installing torch, MMDetection and the rest" \
        -r "$STATE/base.txt"
}

install_mmlth() {
    pip_install "Installing mmlth (editable)" \
        --no-deps --no-build-isolation -e "$ROOT"
}

check_imports() {
    "$VENV/bin/python" -W ignore -c 'import cv2, mmcv.ops, mmdet, mmengine' \
        >"$LOG" 2>&1 && return
    if grep -qE 'lib(GL|gthread|glib)[^ ]*: cannot open' "$LOG"; then
        die "OpenCV misses a system library: $(tail -n 1 "$LOG")" \
            'Get it: apt-get install libgl1 libglib2.0-0'
    fi
    die "what was installed can't be imported:" "$(tail -n 3 "$LOG")" \
        "To start over: rm -r $VENV"
}

set_up() {
    if is_foreign; then check_foreign; else make_venv; fi
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 ||
        die "there is no pip in $VENV" "Move it away: mv $VENV $VENV-old"
    check_index
    FOLDER=$(mmcv_folder)
    # now, not after the long installation
    if ! is_installed "$MMCV" && ! has_wheel; then
        check_compiler
        check_headers
    fi
    install_base
    install_mmcv
    install_mmlth
    check_imports
    wanted_state >"$STATE/ready"
}

main() {
    case ${1:-} in
        '') ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    cd "$ROOT"
    choose_stack
    if ! is_ready; then
        trap stop_child INT TERM
        take_lock
        is_ready || set_up
    fi
    say "Ready: $VENV, Python $(version_of "$VENV/bin/python"), $STACK stack"
}

main "$@"
