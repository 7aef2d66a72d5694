"""Files that a job reads and that change meanwhile are noticed, named, and may be accepted."""
import json

import pytest
import toys

from mmlth.job.imp_runner import IMPRunner
from mmlth.settings.imp_config import IMPConfig

SETTINGS = dict(scope='all', rounds=1, target_sparsity=0.75)
KEY = 'data.train_dataloader.dataset.ann_file'


@pytest.fixture
def ann_file(tmp_path):
    path = tmp_path / 'train.json'
    path.write_text('{"images": []}')
    return path


@pytest.fixture
def runner(ann_file, tmp_path):
    """Return a runner of one job; ``accept`` as on the command line."""
    loader = dict(toys.toy_loader(shuffle=True, ann_file=str(ann_file)), drop_last=True)
    cfg = toys.read_config(tmp_path, train_dataloader=loader)

    def make(*accept):
        return IMPRunner(cfg, IMPConfig(**SETTINGS), tmp_path / 'job', accept=accept)
    return make


def test_an_annotation_file_that_changes_while_a_round_trains_stops_before_the_next(
        runner, ann_file, tmp_path):
    job = runner()
    train = job.train

    def train_and_change(training):
        outcome = train(training)
        ann_file.write_text('{"images": [1]}')
        return outcome
    job.train = train_and_change
    with pytest.raises(ValueError, match=f'train.json.* has changed .*--accept-change {KEY}'):
        job.run()
    assert (tmp_path / 'job/round_00/record.json').exists()
    assert not (tmp_path / 'job/round_01').exists()


def test_one_that_changed_between_two_commands_is_another_job_until_it_is_accepted(
        runner, ann_file, tmp_path):
    assert len(runner().run().rounds) == 2
    (tmp_path / 'job/round_01/record.json').unlink()
    ann_file.write_text('{"images": [1]}')
    with pytest.raises(FileExistsError, match=rf'{KEY}: .* there, .* now'):
        runner().run()
    assert len(runner('data').run().rounds) == 2
    changes = json.loads((tmp_path / 'job/imp.json').read_text())['changes']
    assert [list(each) for each in changes] == [[KEY]]
    assert len(runner().run().rounds) == 2


def test_one_that_is_written_again_with_the_same_content_is_the_same(runner, ann_file):
    runner().run()
    ann_file.write_text(ann_file.read_text())
    assert len(runner().run().rounds) == 2


def test_a_job_begun_before_digests_were_kept_goes_on(runner, tmp_path):
    runner().run()
    path = tmp_path / 'job/imp.json'
    known = json.loads(path.read_text())
    del known['data']
    path.write_text(json.dumps(known))
    assert len(runner().run().rounds) == 2
