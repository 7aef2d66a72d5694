"""The command from end to end on the toy: two rounds, two children, several runs against k."""
import json
import shutil

import pytest
import toys
from conftest import run_job
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

FEW = ('--bn-batches', '2', '--loss-batches', '2')


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    imp = dict(toys.toy_config()['imp'], order_seed=5)  # which would make the children one
    visualizer = dict(type='Visualizer', vis_backends=[dict(type='TensorboardVisBackend')])
    folder = tmp_path_factory.mktemp('config')
    return toys.write_config(folder, imp=imp, visualizer=visualizer)


@pytest.fixture(scope='module')
def job(config, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('job') / 'imp'
    run_job(toys.Config.fromfile(str(config)), work_dir, rewind=4)
    return work_dir


def read(folder):
    return json.loads((folder / 'barrier.json').read_text())


def test_two_rounds_of_a_job(call_tool, job, tmp_path):
    out = tmp_path / 'new' / 'out'
    text = call_tool('barrier.py', job / 'round_00', job, '--work-dir', out, *FEW).stdout
    found = read(out)
    assert 'the metrics of both ends equal their records' in text and 'WARNING' not in text
    assert [p['share'] for p in found['points']] == pytest.approx([i / 10 for i in range(11)])
    for number, point in ((0, found['points'][0]), (2, found['points'][-1])):
        record = json.loads((job / f'round_{number:02d}' / 'record.json').read_text())
        assert point['metrics'] == record['metrics']
    assert found['k'] == 4 and set(found['barriers']) == {'loss', 'toy/mAP'}
    assert [end['sparsity'] for end in found['ends']] == [0, 0.75]
    assert found['sparsity_between'] == 0
    assert found['ends'][0]['matching'] is True  # the dense net itself
    assert (out / 'barrier.png').stat().st_size > 1000
    error = call_tool('barrier.py', job, job / 'round_01', '--work-dir', out, *FEW, code=1).stderr
    assert 'tells of other nets' in error and read(out) == found


def test_children_are_trained_once_and_drawn_against_k(call_tool, config, job, tmp_path):
    out = tmp_path / 'k4'
    args = ('barrier.py', config, '--children', job / 'round_01', '--work-dir', out, '--points',
            '3', *FEW)
    call_tool(*args)
    found = read(out)
    records = [out / f'seed_{seed}' / 'round_01' / 'record.json' for seed in (1, 2)]
    first, second = [json.loads(path.read_text()) for path in records]
    assert first['digests']['start'] == second['digests']['start']  # one w_k, ...
    assert first['digests']['trained'] != second['digests']['trained']  # ... two data orders
    assert found['k'] == 4 and found['sparsity_between'] == 0.5
    (events, ) = (out / 'vis_data').glob('events*')
    heights = EventAccumulator(str(events)).Reload().Scalars('barrier/loss')
    assert [each.step for each in heights] == [4]
    assert heights[0].value == pytest.approx(found['barriers']['loss']['height'])
    assert found['matching'] == all(
        child['metrics']['toy/mAP'] >= end['dense']['toy/mAP'] - 0.005
        for child, end in zip((first, second), found['ends']))
    before = [path.stat().st_mtime_ns for path in records]
    (out / 'barrier.json').unlink()
    call_tool(*args)
    assert read(out) == found and [path.stat().st_mtime_ns for path in records] == before
    call_tool('barrier.py', '--against', out, '--work-dir', tmp_path / 'all')
    assert (tmp_path / 'all' / 'barrier_against_k.png').stat().st_size > 1000


def test_a_record_that_says_otherwise_is_warned_of(call_tool, job, tmp_path):
    copy = tmp_path / 'job'
    shutil.copytree(job, copy)
    path = copy / 'round_02' / 'record.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), 'metrics': {'toy/mAP': 0.123}}))
    text = call_tool('barrier.py', copy / 'round_01', copy, '--work-dir', tmp_path / 'out',
                     '--points', '3', *FEW).stdout
    assert 'WARNING' in text and "its record says {'toy/mAP': 0.123}" in text


def test_missing_checkpoints_and_other_models_are_named_first(call_tool, job, tmp_path):
    copy, out = tmp_path / 'job', tmp_path / 'out'
    shutil.copytree(job, copy)
    (copy / 'round_02' / 'epoch_3.pth').unlink()
    args = ('--work-dir', out, *FEW)
    error = call_tool('barrier.py', job, copy, *args, code=1).stderr
    assert 'no trained checkpoint lies beside' in error
    cfg = toys.read_config(tmp_path, model=dict(type='TiedConvNet'))
    run_job(cfg, tmp_path / 'tied', rounds=0)
    error = call_tool('barrier.py', job, tmp_path / 'tied', *args, code=1).stderr
    assert "'backbone.again.conv.bias' is in the second net but not in the first" in error
    assert not out.exists()


@pytest.mark.parametrize('args, message', [
    (['a'], 'give two nets, or a config with --children TICKET, or --against DIR ... alone; got'),
    (['a', 'b', '--children', 't'], 'give two nets'),
    (['a', '--children', 't', '--seeds', '1', '1'], 'would be the same training'),
    (['a', 'b', '--points', '2'], '--points must be at least 3'),
    (['a', 'b', '--loss-batches', '0'], '--loss-batches must be at least 1')])
def test_contradictions_are_refused(call_tool, capsys, tmp_path, args, message):
    with pytest.raises(SystemExit):
        call_tool('barrier.py', *args, '--work-dir', tmp_path / 'w')
    assert message in capsys.readouterr().err
