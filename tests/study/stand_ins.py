"""What the tests of studies share: jobs without a training, processes, and waiting."""
import contextlib
import os
import time
from pathlib import Path

from mmlth.settings.imp_config import IMPConfig
from mmlth.study.study_job import StudyJob

# Stands in for Python: notes how it was called, does what the job's config is called, and leaves
# a file 'done'. Its arguments are -m MODULE WORK_DIR TASK ...
PYTHON = """#!/bin/sh
folder=$3/jobs
job=$folder/$4
mkdir -p $job
echo "start $4 | $OMP_NUM_THREADS | $CUDA_VISIBLE_DEVICES | $*" >> $folder/events
case $4 in
  fails_*) echo first; echo 'error: boom'; echo; exit 3;;
  silent_*) exit 0;;
  hangs_*) sh -c 'sleep 120; true' $job;;
  slow_*) sleep 0.6;;
  busy_*) if [ ! -e $job/tried ]; then touch $job/tried; exit 75; fi;;
  elsewhere_*) (sleep 0.3; touch $job/done) & exit 75;;
esac
touch $job/done
echo "end $4" >> $folder/events
"""


def job(name, dense='', source='', **settings):
    """A job whose stand-in does what the name says."""
    return StudyJob(
        config=f'{name}.py', settings=IMPConfig(**settings).as_dict(), dense=dense, source=source)


def processes_of(folder):
    """Return pid -> command line of every living process that names the folder."""
    found = {}
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b'\0', b' ').decode()
            if str(folder) in line and int(path.parent.name) != os.getpid():
                found[int(path.parent.name)] = line
    return found


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def write_study(path, config, experiments):
    """Write a study file; returns its path."""
    path.write_text(f'config = {str(config)!r}\nexperiments = {experiments!r}\n')
    return path
