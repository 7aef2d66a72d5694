"""Two hosts with addresses of their own: a job to its end, and one that no disk joins."""
import as_two_ranks
import pytest
import toys
from conftest import ROOT, data_options, run_tool
from hosts import Hosts, needs_hosts
from rank_digests import what_ranks_hold

pytestmark = [needs_hosts, pytest.mark.slow]

DETECTOR = ROOT / 'configs' / 'digit_scenes' / 'faster-rcnn_r18-tiny_fpn_digitscenes.py'
# Nothing random but the order of the images, and nothing that counts iterations instead of epochs:
# what a process draws depends on its rank, and one process takes two iterations a step.
PLAIN = """
_base_ = '{base}'
custom_imports = dict(imports=['rank_digests', 'as_two_ranks'])
custom_hooks = [dict(type='RankDigests')]
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[2])]
optim_wrapper = dict(optimizer=dict(lr=0.005))
everything = dict(_delete_=True, type='PseudoSampler')
model = dict(train_cfg=dict(rpn=dict(sampler=everything), rcnn=dict(sampler=everything)))
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs')]))
imp = dict(_delete_=True, scope='paper', target_sparsity=0.8, rounds=2)
"""
AS_ONE = """
_base_ = '{base}'
train_dataloader = dict(sampler=dict(_delete_=True, type='mmengine.AsTwoRanks', batch_size=4))
optim_wrapper = dict(accumulative_counts=2)
"""


@pytest.fixture
def hosts(tmp_path):
    with Hosts(tmp_path) as hosts:
        yield hosts


def write(path, text, base):
    path.write_text(text.format(base=base))
    return path


def test_two_hosts_find_the_tickets_of_one_process(hosts, digit_scenes, tmp_path):
    two = write(tmp_path / 'two.py', PLAIN, DETECTOR)
    one = write(tmp_path / 'one.py', AS_ONE, two)
    options = ['--cfg-options', *data_options(digit_scenes), 'train_cfg.max_epochs=2']
    running = hosts.start_job(two, tmp_path / 'two', *options)
    said = [process.communicate(timeout=900)[0][-6000:] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    for number in (1, 2):
        first, second = what_ranks_hold(tmp_path / 'two' / f'round_{number:02d}')
        assert first == second and None not in first.values()
        assert first['pruned_nonzero'] == 0
    run_tool('imp_train.py', one, '--work-dir', tmp_path / 'one', *options)
    found = as_two_ranks.tickets(tmp_path / 'two')
    assert len({masks for masks, _ in found}) == 3
    assert found == as_two_ranks.tickets(tmp_path / 'one')


def test_hosts_that_share_no_disk_are_refused(hosts, tmp_path):
    (tmp_path / 'job').mkdir()
    config = toys.write_config(tmp_path)
    running = hosts.start_job(config, tmp_path / 'job', own_disk=True)
    said = [process.communicate(timeout=600)[0] for process in running]
    assert all(process.returncode == 1 for process in running), said
    for each in said:
        assert f'rank 1 on {hosts.names[1]}: {tmp_path}/job is not the folder that rank 0' in each
        assert 'put --work-dir on a shared disk' in each
