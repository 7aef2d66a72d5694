"""Curves come from the logs alone, whatever loop wrote them and however often it was resumed."""
import math
from pathlib import Path

import made_jobs
import pytest
from made_jobs import write_log

from mmlth.analysis.analyse import analyse
from mmlth.analysis.convergence import follow, measure_convergence, read_curves, steps_to_reach
from mmlth.analysis.trainings import find_trainings

MAP = 'coco/bbox_mAP'


def maps(*values):
    return {epoch: {MAP: value} for epoch, value in enumerate(values, 1)}


def test_epochs_become_steps(tmp_path):
    write_log(tmp_path, {50: 2.0, 100: 1.0}, maps(0.1, 0.3))
    curves = read_curves(tmp_path, steps=120)  # the last 20 iterations have no line of their own
    assert curves.loss == [(50, 2.0), (100, 1.0)]
    assert curves.metrics == {MAP: [(60, 0.1), (120, 0.3)]}


def test_iterations_that_share_a_step_count_once(tmp_path):
    write_log(tmp_path, {50: 2.0, 100: 1.0}, maps(0.1, 0.3))
    curves = read_curves(tmp_path, steps=25)
    assert curves.loss == [(12.5, 2.0), (25, 1.0)]
    assert curves.metrics[MAP] == [(12.5, 0.1), (25, 0.3)]


def test_a_loop_without_epochs_logs_its_evaluations_at_step_0(tmp_path):
    for name, losses, value in [('1', {50: 2.0}, 0.1), ('2', {100: 1.0}, 0.3)]:
        write_log(tmp_path, losses, {0: {MAP: value}}, name)
    assert read_curves(tmp_path, steps=100).metrics == {MAP: [(50, 0.1), (100, 0.3)]}


def test_a_resumed_training_is_one_curve(tmp_path):
    write_log(tmp_path, {50: 2.0, 100: 9.0}, maps(0.1), '1')
    write_log(tmp_path, {100: 1.0}, {2: {MAP: 0.3}}, '2')  # killed after 100, resumed from 50
    curves = read_curves(tmp_path, steps=100)
    assert curves.loss == [(50, 2.0), (100, 1.0)]
    assert curves.metrics[MAP] == [(50, 0.1), (100, 0.3)]


def test_an_evaluation_that_found_nothing_leaves_a_gap(tmp_path):
    write_log(tmp_path, {50: 2.0}, {1: {}, 2: {MAP: 0.3}})
    assert read_curves(tmp_path, steps=100).metrics == {MAP: [(100, 0.3)]}


def test_logs_that_are_missing_or_broken_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='holds no vis_data/scalars.json'):
        read_curves(tmp_path, steps=1)
    write_log(tmp_path, {1: 1.0}, {})
    (path, ) = tmp_path.glob('*/vis_data/*')
    path.write_text('{"step": 1')
    with pytest.raises(ValueError, match='scalars.json: a line is not JSON'):
        read_curves(tmp_path, steps=1)


def test_what_is_never_reached_has_no_steps():
    assert math.isnan(steps_to_reach([(100, 0.2)], 0.3))


def job(tmp_path):
    dense, ticket = made_jobs.write_job(tmp_path, (0.3, 0.4))
    write_log(dense, {50: 2.0, 100: 1.0}, maps(0.2, 0.3))
    write_log(ticket, {50: 2.0, 100: 1.0}, maps(0.3, 0.4))


def test_a_ticket_that_learns_faster_needs_fewer_steps(tmp_path):
    job(tmp_path)
    measured = measure_convergence(follow(find_trainings([tmp_path])))
    steps = {one.training: one.value for one in measured if one.item.startswith('steps to')}
    assert steps == {'dense': 100, '50.00%': 50}


def test_convergence_needs_no_predictions(tmp_path):
    job(tmp_path)
    text = analyse([tmp_path], ['convergence'])
    assert '50 (-50%)' in text
    assert {path.name for path in (tmp_path / 'report').iterdir()} == {
        'analyses.csv', 'analyses.json', 'analyses.md', 'analyses.txt', 'convergence.png',
        'convergence.csv'}
    written = (tmp_path / 'report' / 'convergence.csv').read_text().splitlines()
    assert written[0] == 'job,training,quantity,steps,value'
    assert f'{tmp_path.name},50.00%,{MAP},50,0.3' in written and len(written) == 9


def test_the_log_of_a_real_job_ends_where_its_record_does(toy_cfg, run_imp, tmp_path):
    run_imp(toy_cfg, tmp_path / 'w', rounds=1)
    for one, curves in follow(find_trainings([tmp_path / 'w'])):
        steps, value = curves.metrics['toy/mAP'][-1]
        assert (steps, value) == (one.record['steps'], one.record['metrics']['toy/mAP'])
        assert len(curves.metrics['toy/mAP']) == 3
        assert Path(one.log).name == f'round_{one.record["round"]:02d}'
