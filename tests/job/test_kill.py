"""Kill real processes at random moments; the same command must end with the same tickets."""
import json
import random
import signal
import subprocess
import sys
import time

import pytest
import toys
from conftest import ROOT, tool_env
from killable import KillableJob

SECONDS_PER_STEP = 0.05  # 36 steps in three rounds: long enough to be hit anywhere


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    model = dict(type='ToyNet', seconds_per_step=SECONDS_PER_STEP)
    hooks = [dict(type='EMAHook', momentum=0.1)]
    folder = tmp_path_factory.mktemp('kill')
    return toys.write_config(folder, model=model, custom_hooks=hooks)


def outcome(work_dir):
    """What must not depend on being killed, of every training."""
    summary = json.loads((work_dir / 'summary.json').read_text())
    keys = ('round', 'control', 'digests', 'metrics', 'layer_density', 'steps')
    records = [*summary['rounds'], *summary['controls']]
    return [{key: record[key] for key in keys} for record in records]


@pytest.fixture(scope='module')
def uninterrupted(config, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole') / 'job'
    KillableJob(config, work_dir).succeed()
    return outcome(work_dir)


def stamps(work_dir):
    """Return when each finished training was written down."""
    return {path: path.stat().st_mtime_ns for path in work_dir.glob('round_*/record.json')}


@pytest.mark.parametrize('seed', [0, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_bit_for_bit_the_same(
        config, uninterrupted, tmp_path, seed):
    rng = random.Random(seed)
    work_dir = tmp_path / 'job'
    for kill in range(4):
        finished = stamps(work_dir)
        job = KillableJob(config, work_dir)
        job.wait_until((work_dir / 'imp.json').exists)  # there is something to lose
        time.sleep(rng.uniform(0, 36 * SECONDS_PER_STEP / 2))
        job.kill(signal.SIGKILL if kill % 2 else signal.SIGINT)
        job.end()
        assert finished.items() <= stamps(work_dir).items()  # isn't touched again
    KillableJob(config, work_dir).succeed()
    assert outcome(work_dir) == uninterrupted


@pytest.mark.parametrize('moment', [
    pytest.param('round_00/record.json', id='between rounds'),
    pytest.param('round_01/ticket.safetensors', id='after the ticket is written'),
    pytest.param('round_01/epoch_1.pth', id='inside a round'),
    pytest.param('round_02/epoch_3.pth', id='before the last evaluation')])
def test_killed_at_a_chosen_moment_it_ends_bit_for_bit_the_same(
        config, uninterrupted, tmp_path, moment):
    work_dir = tmp_path / 'job'
    job = KillableJob(config, work_dir)
    job.wait_until((work_dir / moment).exists)
    assert job.kill() and job.end() == -signal.SIGKILL
    KillableJob(config, work_dir).succeed()
    assert outcome(work_dir) == uninterrupted


def test_a_half_written_checkpoint_is_passed_over(config, uninterrupted, tmp_path):
    work_dir = tmp_path / 'job'
    checkpoint = work_dir / 'round_01' / 'epoch_2.pth'
    job = KillableJob(config, work_dir)
    job.wait_until(checkpoint.exists)
    assert job.kill() and job.end() == -signal.SIGKILL
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    KillableJob(config, work_dir).succeed()
    assert outcome(work_dir) == uninterrupted


def test_ctrl_c_says_how_to_go_on(config, tmp_path):
    """The command as a person types it."""
    # Python drops a Ctrl-C that falls into a destructor or callback: then try again.
    for attempt in range(5):
        work_dir = tmp_path / f'job{attempt}'
        command = [sys.executable, ROOT / 'tools' / 'imp_train.py', config, '--work-dir', work_dir]
        process = subprocess.Popen(
            command, env=tool_env(), cwd=ROOT, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        checkpoint = work_dir / 'round_00' / 'epoch_1.pth'
        while not checkpoint.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=120)[0]
        if process.returncode != 0:
            break
    assert process.returncode == 130 and 'same command again' in output


@pytest.mark.slow
def test_thirty_kills_of_a_job_with_ema_late_resetting_and_a_control(config, tmp_path):
    """Every job that died at random moments ends with the digests of one left alone."""
    args = ['--rewind', '5', '--controls', 'shuffle']
    KillableJob(config, tmp_path / 'whole', *args).succeed()
    expected = outcome(tmp_path / 'whole')
    assert len(expected) == 4
    rng, kills, jobs = random.Random(0), 0, 0
    while kills < 30:
        work_dir, killed_here, jobs = tmp_path / f'job{jobs}', 0, jobs + 1
        while killed_here < 8:
            job = KillableJob(config, work_dir, *args)
            job.wait_until((work_dir / 'imp.json').exists)
            time.sleep(rng.uniform(0, 36 * SECONDS_PER_STEP))
            killed_here += job.kill()
            code = job.end()
            if code == 0:
                break
            assert code == -signal.SIGKILL, job.log.read_text()
        KillableJob(config, work_dir, *args).succeed()
        kills += killed_here
        assert outcome(work_dir) == expected, work_dir
    print(f'{kills} kills of {jobs} jobs: equal digests')
