"""Verdicts of a study in TensorBoard."""
import toys
from stand_ins import job
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmlth.analysis.verdict import judge
from mmlth.study.plan import Study
from mmlth.study.verdict_scalars import send


def test_each_config_gets_its_own_verdicts_at_their_sparsity(tmp_path):
    visualizer = dict(type='Visualizer', vis_backends=[dict(type='TensorboardVisBackend')])
    path = toys.write_config(tmp_path, visualizer=visualizer)
    made = job('only', rounds=1)
    study = Study(jobs={made.name: type(made)(config=str(path), settings=made.settings)})
    scores = {0: 0.60, 1: 0.61}
    verdict = judge(scores, {0: 0.5, 1: 0.5}, dict(shuffle={0: 0.4, 1: 0.4}))
    judged = {(path.stem, '', '', x): verdict for x in (80.0, 90.0)}
    send(study, 'controls', judged, tmp_path / 'scalars')
    (events, ) = (tmp_path / 'scalars' / f'controls_{path.stem}').rglob('events*')
    shown = EventAccumulator(str(events)).Reload()
    means = shown.Scalars('verdict/ticket/minus_shuffle/mean')
    assert [each.step for each in means] == [80, 90]
    assert all(abs(each.value - 0.205) < 1e-6 for each in means)
    low = shown.Scalars('verdict/ticket/minus_dense_of_equal_budget/low')[0].value
    assert abs(low - verdict.comparisons[0].low) < 1e-6
    assert {each.value for each in shown.Scalars('verdict/ticket/claim')} == {1.0}
