"""Experiments with analyses keep the predictions of their tickets, and show what changed."""
import json
import os
from functools import partial

import pytest
import toys
from stand_ins import write_study

from mmlth.core.dump import write_facts
from mmlth.engine.config_files import load_config
from mmlth.study import predictions, worker
from mmlth.study.check import check_jobs
from mmlth.study.folder import StudyFolder
from mmlth.study.plan import read_study
from mmlth.study.report import to_analyse, write_report
from mmlth.study.tasks import list_tasks

SEEDS = [dict(seed=0), dict(seed=1)]


def run_task(study, folder, task):
    """Do one task as a worker does; returns its exit status."""
    folder.write_task(task, study.jobs[task.job])
    return worker.main([str(folder.work_dir), task.name, '--study', str(os.getpid())])


def trained(study, tmp_path):
    """The folder of a study whose tasks are all done."""
    folder = StudyFolder(tmp_path / 'work')
    folder.make()
    assert not any(run_task(study, folder, task) for task in list_tasks(study).values())
    return folder


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a study of one experiment with these entries and analyses; all packages are there."""
    monkeypatch.setattr('mmlth.study.plan.find_spec', lambda name: object())
    config = toys.write_config(tmp_path)

    def read(*jobs, analyses=('objects', 'cost')):
        one = dict(title='One', section='1', kind='curve', jobs=list(jobs), analyses=analyses)
        path = write_study(tmp_path / 'study.py', config, dict(one=one))
        return read_study(load_config(str(path)))
    return read


@pytest.mark.parametrize('jobs, analyses, message', [
    pytest.param(SEEDS, ('sizes', ), "analyses='sizes': allowed are images, objects, errors",
                 id='unknown'),
    pytest.param([dict(rounds=[1, 2])], ('cost', ), 'one ticket of one config, each with a seed',
                 id='two tickets'),
    pytest.param([dict(seed=0), dict(seed=1, target_sparsity=0.5)], ('cost', ), 'one ticket of one',
                 id='a ticket for each seed'),
    pytest.param([dict(rounds=0)], ('cost', ), 'but rounds=0', id='no ticket')])
def test_what_cannot_be_analysed_is_refused_with_the_experiment(read, jobs, analyses, message):
    with pytest.raises(ValueError, match=message) as raised:
        read(*jobs, analyses=analyses)
    assert "experiment 'one'" in str(raised.value)


@pytest.mark.parametrize('analyses, tested', [
    (('objects', ), [(0, ''), (2, '')]), (('errors', 'cost'), [(0, ''), (2, '')]),
    (('convergence', 'cost'), []), ((), [])])
def test_dense_net_and_last_ticket_are_tested_where_predictions_are_needed(read, analyses, tested):
    study = read(*SEEDS, analyses=analyses)
    tasks = [task for task in list_tasks(study).values() if not study.jobs[task.job].is_dense_alone]
    assert [[each.key for each in task.tested] for task in tasks] == [tested, tested]
    plain = read(*SEEDS, analyses=())
    assert list(study.jobs) == list(plain.jobs)  # folders of trainings keep their names


def test_an_evaluator_without_results_is_refused_before_training(read, tmp_path):
    with pytest.raises(ValueError, match="ToyAccuracy writes no predictions in COCO's form"):
        check_jobs(read(*SEEDS), StudyFolder(tmp_path / 'work'))


def test_errors_without_their_package_are_refused_or_left_out(read, monkeypatch):
    monkeypatch.setattr('mmlth.study.plan.find_spec', lambda name: None)
    with pytest.raises(ValueError, match=r'no experiment can run: .*mmlth\[errors\]'):
        read(*SEEDS, analyses=('errors', ))
    assert len(read(*SEEDS, analyses=('objects', )).experiments) == 1


@pytest.fixture
def tested(monkeypatch):
    """Stand in for the test of a ticket; collects the folders that were tested."""
    found = []

    def evaluate(ticket, *, data_root, dump, launcher):
        assert dump and data_root is None and launcher == 'none'
        found.append(ticket.parent)
        write_facts(ticket.parent, annotations='', train_annotations='', images='', classes=[],
                    files={}, sigmas=[], mirrored=[], positions={})
    monkeypatch.setattr(predictions, 'evaluate_ticket', evaluate)
    return found


def test_predictions_are_kept_once_and_pages_show_the_analyses(read, tmp_path, tested):
    study = read(dict(rounds=1, controls=('shuffle', )), analyses=('objects', ))
    folder = StudyFolder(tmp_path / 'work')
    folder.make()
    work = partial(run_task, study, folder)
    dense, rounds, control = list_tasks(study).values()
    assert work(dense) == 0 and folder.is_done(dense)
    assert not tested
    assert work(rounds) == 0 and folder.is_done(rounds)  # before its control is trained
    layout = folder.store(rounds.job).layout
    assert tested == [layout.round_dir(0), layout.round_dir(1)]
    assert work(control) == work(rounds) == 0 and len(tested) == 2
    (layout.round_dir(1) / 'predictions.json').unlink()
    assert not folder.is_done(rounds) and folder.is_done(study.jobs[rounds.job])
    assert work(rounds) == 0 and tested[2:] == [layout.round_dir(1)]


def test_controls_are_analysed_where_no_predictions_are_needed(read, tmp_path):
    study = read(dict(rounds=2, controls=('shuffle', )), analyses=('convergence', ))
    folder = trained(study, tmp_path)
    (chosen, ) = to_analyse(study, folder, 'one').values()
    assert [path.name for path in chosen] == ['round_02', 'round_02_shuffle']
    with_objects = read(dict(rounds=2, controls=('shuffle', )), analyses=('objects', ))
    assert to_analyse(with_objects, folder, 'one') == {}  # nothing was predicted


def test_pages_of_finished_tickets_show_what_they_cost(read, tmp_path):
    study = read(*[dict(seed=seed, rounds=1) for seed in (0, 1)], analyses=('cost', ))
    folder = trained(study, tmp_path)
    out = tmp_path / 'report'
    write_report(study, folder, out, 'mmlth study run s.py --only {name}')
    page = (out / 'one.md').read_text()
    assert '(n=2)' in page and '![cost](one_analyses/cost.png)' in page
    assert '### bytes\n' in page and '| one net | float32 |' in page
    found = json.loads((out / 'one_analyses' / 'analyses.json').read_text())
    assert {each['question'] for each in found['measured']} >= {'bytes'}
    assert (out / 'one_analyses' / 'cost.png').exists()


def test_an_analysis_that_fails_leaves_the_page_and_says_why(read, tmp_path, tested):
    study = read(dict(rounds=1), analyses=('objects', ))
    folder = trained(study, tmp_path)
    write_report(study, folder, tmp_path / 'out', 'mmlth study run x --only {name}')
    page = (tmp_path / 'out' / 'one.md').read_text()
    assert 'Could not be told: ' in page and f'    mmlth analyse {folder.work_dir}/jobs/' in page
    assert (tmp_path / 'out' / 'index.html').exists()
