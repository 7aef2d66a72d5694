"""What a record says of the machine that trained it."""
import torch

from mmlth.engine import machine


def test_a_record_says_what_trained_it(run_imp, toy_cfg, tmp_path):
    (dense, _) = run_imp(toy_cfg, tmp_path / 'job', rounds=1).rounds
    found = dense['machine']
    assert found['threads'] == torch.get_num_threads() == 1
    assert found['torch'] == torch.__version__ and found['ranks'] == 1
    assert bool(found['gpu']) == torch.cuda.is_available()
    assert found['processor']
    shared = run_imp(toy_cfg, tmp_path / 'shared', rounds=1, dense_from=str(tmp_path / 'job'))
    assert shared.rounds[0]['machine'] == found


def test_the_processor_is_named_by_linux_or_else_by_python(monkeypatch, tmp_path):
    info = tmp_path / 'cpuinfo'
    monkeypatch.setattr(machine, '_CPUINFO', info)
    monkeypatch.setattr('platform.processor', lambda: 'of python')
    assert machine.describe_machine()['processor'] == 'of python'
    info.write_text('processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t: a b\n')
    assert machine.describe_machine()['processor'] == 'Some CPU @ 2 GHz'
    info.write_text('processor : 0\nCPU part : 0xd0c\n')  # of ARM, which has no names
    assert machine.describe_machine()['processor'] == 'of python'
