"""Workers, GPUs and threads of one machine."""
import pytest

from mmlth.study.machine import Machine

VISIBLE = 'CUDA_VISIBLE_DEVICES'


def dealt(machine):
    """What each worker sees."""
    return [machine.environment(worker).get(VISIBLE) for worker in range(machine.workers)]


def test_a_worker_has_one_thread_unless_told(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '7')
    assert Machine().environment(0)['OMP_NUM_THREADS'] == '1'


@pytest.mark.parametrize('given, gpus_per_job, found', [
    pytest.param(None, 1, ['0', '1'], id='all there are'),
    pytest.param(None, 2, ['0,1', '2,3'], id='two each'),
    pytest.param('6,4,5,7', 1, ['6', '4'], id='numbers in the order given'),
    pytest.param('6,4,5,7', 2, ['6,4', '5,7'], id='two each of those given'),
    pytest.param('GPU-8f2a, MIG-3c', 1, ['GPU-8f2a', 'MIG-3c'], id='UUIDs as they stand'),
    pytest.param('3,2', 0, ['3,2', '3,2'], id='torch chooses among those given'),
    pytest.param(None, 0, [None, None], id='torch chooses among all')])
def test_gpus_are_dealt_out_of_those_that_the_study_was_given(
    monkeypatch, given, gpus_per_job, found,
):
    monkeypatch.delenv(VISIBLE, raising=False)
    if given is not None:
        monkeypatch.setenv(VISIBLE, given)
    assert dealt(Machine(workers=2, gpus_per_job=gpus_per_job)) == found


@pytest.mark.parametrize('given, text', [
    ('4,5,6', r'--workers 2 --gpus-per-job 2: 4 GPUs are needed, but CUDA_VISIBLE_DEVICES names 3 '
              r'\(4,5,6\)'),
    ('', r'names 0 \(none\)'),
    ('-1', r'names 0 \(none\)'),
    ('0,1,2,-1,3', r'names 3 \(0,1,2\)')])
def test_refuses_more_gpus_than_the_study_was_given(monkeypatch, given, text):
    monkeypatch.setenv(VISIBLE, given)
    with pytest.raises(ValueError, match=text):
        Machine(workers=2, gpus_per_job=2)
    assert Machine(workers=8, gpus_per_job=0)


@pytest.mark.parametrize('threads, found', [(3, '3'), (0, '7')])
def test_threads_are_set_or_left_to_torch(monkeypatch, threads, found):
    monkeypatch.setenv('OMP_NUM_THREADS', '7')
    assert Machine(threads=threads).environment(0)['OMP_NUM_THREADS'] == found


@pytest.mark.parametrize('wrong, text', [
    (dict(workers=0), '--workers 0: must be at least 1'),
    (dict(gpus_per_job=-1), '--gpus-per-job -1: .* 0'),
    (dict(threads=-1), '--threads -1: must be at least 0')], ids=str)
def test_refuses_a_machine_without_workers(wrong, text):
    with pytest.raises(ValueError, match=text):
        Machine(**wrong)
