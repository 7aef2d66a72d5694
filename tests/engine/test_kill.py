"""Kill real processes at random moments; the same command must end with the same tickets."""
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toys
from conftest import ROOT, tool_env

SECONDS_PER_STEP = 0.1  # 36 steps in three rounds: long enough to be hit anywhere


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    model = dict(type='ToyNet', seconds_per_step=SECONDS_PER_STEP)
    hooks = [dict(type='EMAHook', momentum=0.1)]
    return toys.write_config(tmp_path_factory.mktemp('kill'), model=model, custom_hooks=hooks)


def start(config, work_dir, *args):
    command = [sys.executable, ROOT / 'tools' / 'imp_train.py', config, '--work-dir', work_dir, *args]
    return subprocess.Popen(list(map(str, command)), env=tool_env(), cwd=ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def outcome(work_dir):
    """What must not depend on being killed: masks, start weights and metrics of every round."""
    rounds = json.loads((Path(work_dir) / 'summary.json').read_text())['rounds']
    return [(r['digests'], r['metrics'], r['layer_density'], r['steps']) for r in rounds]


@pytest.fixture(scope='module')
def uninterrupted(config, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole') / 'job'
    process = start(config, work_dir)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    return outcome(work_dir)


def wait_until(condition, process):
    while not condition() and process.poll() is None:
        time.sleep(0.01)


@pytest.mark.parametrize('seed', [0, 1])
def test_killed_at_random_moments_it_ends_bit_for_bit_the_same(config, uninterrupted, tmp_path, seed):
    rng = random.Random(seed)
    work_dir = tmp_path / 'job'
    finished_before = {}
    for kill in range(20):
        process = start(config, work_dir)
        if kill < 4:  # from the moment there is something to lose
            wait_until((work_dir / 'imp.json').exists, process)
            time.sleep(rng.uniform(0, 36 * SECONDS_PER_STEP / 2))
            process.send_signal(signal.SIGKILL if kill % 2 else signal.SIGINT)
        output = process.communicate(timeout=300)[0]
        for path, stamp in finished_before.items():  # a finished round isn't touched again
            assert path.stat().st_mtime_ns == stamp
        finished_before = {p: p.stat().st_mtime_ns for p in work_dir.glob('round_*/record.json')}
        if process.returncode == 0:
            break
    assert process.returncode == 0, output
    assert outcome(work_dir) == uninterrupted


@pytest.mark.parametrize('moment', [
    pytest.param('round_00/record.json', id='between rounds'),
    pytest.param('round_01/ticket.safetensors', id='after the ticket is written'),
    pytest.param('round_01/epoch_1.pth', id='inside a round'),
    pytest.param('round_02/epoch_3.pth', id='before the last evaluation')])
def test_killed_at_a_chosen_moment_it_ends_bit_for_bit_the_same(config, uninterrupted, tmp_path, moment):
    process = start(config, tmp_path / 'job')
    wait_until((tmp_path / 'job' / moment).exists, process)
    process.kill()
    process.communicate()
    process = start(config, tmp_path / 'job')
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert outcome(tmp_path / 'job') == uninterrupted


def test_a_half_written_checkpoint_is_passed_over(config, uninterrupted, tmp_path):
    process = start(config, tmp_path / 'job')
    checkpoint = tmp_path / 'job' / 'round_01' / 'epoch_2.pth'
    wait_until(checkpoint.exists, process)
    process.kill()
    process.communicate()
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    process = start(config, tmp_path / 'job')
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert outcome(tmp_path / 'job') == uninterrupted


def test_ctrl_c_says_how_to_go_on(config, tmp_path):
    # Python drops a Ctrl-C that falls into a destructor or callback, and the job ends well: try again.
    for attempt in range(5):
        work_dir = tmp_path / f'job{attempt}'
        process = start(config, work_dir)
        wait_until((work_dir / 'round_00' / 'epoch_1.pth').exists, process)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=120)[0]
        if process.returncode != 0:
            break
    assert process.returncode == 130 and 'same command again' in output


@pytest.mark.slow
def test_thirty_kills_of_a_job_with_ema_late_resetting_and_a_control(config, tmp_path):
    """Whole process groups die at random moments; every job ends with the digests of one left alone."""
    args = ['--rewind', '5', '--controls', 'shuffle']
    whole = start(config, tmp_path / 'whole', *args)
    output = whole.communicate(timeout=600)[0]
    assert whole.returncode == 0, output
    expected = digests(tmp_path / 'whole')
    assert len(expected) == 4
    rng, kills, jobs = random.Random(0), 0, 0
    while kills < 30:
        work_dir, killed_here, jobs = tmp_path / f'job{jobs}', 0, jobs + 1
        while True:
            process = start(config, work_dir, *args)
            if killed_here < 8:  # then it may end
                wait_until((work_dir / 'imp.json').exists, process)
                time.sleep(rng.uniform(0, 3))
                killed_here += process.poll() is None
                process.kill()
            output = process.communicate(timeout=600)[0]
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL, output
        kills += killed_here
        assert digests(work_dir) == expected, work_dir
    print(f'{kills} kills of {jobs} jobs: equal digests')


def digests(work_dir):
    summary = json.loads((Path(work_dir) / 'summary.json').read_text())
    return [(r['round'], r['control'], r['digests'], r['metrics'])
            for r in [*summary['rounds'], *summary['controls']]]
