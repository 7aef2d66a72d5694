"""Whole studies: toy jobs in processes of their own, and the pages they end in."""
import contextlib
import csv
import io
import json
import re
import runpy
from pathlib import Path

import pytest
import toys
from conftest import ROOT, tool_env
from stand_ins import write_study

from mmlth.core.controls import largest_masks
from mmlth.core.overlap import overlap
from mmlth.core.store import Store
from mmlth.core.training import Training
from mmlth.engine.config_files import load_config
from mmlth.html_report.page import is_installed
from mmlth.study.cost import probe_seconds
from mmlth.study.folder import StudyFolder
from mmlth.study.plan import read_study
from mmlth.study.points import Point
from mmlth.study.rows import _label, _move_to_mean
from mmlth.transfer.tickets import target_settings, transfer_ticket

EXPERIMENTS = dict(
    rounds=dict(title='Rounds', section='1', kind='curve', x='rounds', jobs=[dict(rounds=[1, 2])]),
    controls=dict(title='Controls', section='2', kind='bars',
                  jobs=[dict(rounds=1, label='ticket', controls=('random', ))]),
    early_bird=dict(title='Early', section='3', kind='curve', x='early_bird',
                    jobs=[dict(rounds=1, early_bird=dict(fraction=0.5)), dict(rounds=1)]),
    transfer=dict(title='Transfer', section='4', kind='bars',
                  jobs=[dict(scope='backbone', label='given',
                             transfer=dict(source=dict(rounds=1)))]),
    cost=dict(title='Cost', section='6', kind='curve', x='multiply_adds', jobs=[dict(rounds=1)]),
    broken=dict(title='Broken', section='5', kind='curve',
                jobs=[dict(rounds=1, cfg_options={'model.diverge': True})]))
GOOD = [name for name in EXPERIMENTS if name != 'broken']


def run_study(*args):
    """Run the tool in this process, its jobs in theirs; returns (exit code, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with (pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out),
          contextlib.redirect_stderr(err)):
        patch.setattr('mmlth.study.local.end_on_sigterm', lambda: None)  # of this process
        patch.setenv('PYTHONPATH', tool_env()['PYTHONPATH'])
        code = runpy.run_path(str(ROOT / 'tools' / 'run_study.py'))['main']([str(a) for a in args])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A study of which one experiment can't be trained, run once on two workers."""
    folder = tmp_path_factory.mktemp('study')
    path = write_study(folder / 'study.py', toys.write_config(folder), EXPERIMENTS)
    found = run_study('run', path, '--workers', 2, '--work-dir', folder / 'work')
    return path, folder / 'work', found


@pytest.fixture
def job_of(finished):
    """Return (name, summary) of the job that an experiment shows at an index."""
    path, work_dir, _ = finished
    study = read_study(load_config(str(path)))

    def job_of(experiment, index):
        name = study.points[experiment][index].job
        return name, json.loads((work_dir / 'jobs' / name / 'summary.json').read_text())
    return job_of


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob('*')}


def outcome(summary):
    records = [*summary['rounds'], *summary['controls']]
    return [(r['round'], r['control'], r['digests'], r['metrics']) for r in records]


def rows_of(work_dir, name):
    with open(work_dir / 'report' / f'{name}.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def test_every_job_is_as_if_it_were_run_alone(job_of, run_imp, toy_cfg, tmp_path):
    for where, settings in (
            (('rounds', 0), dict(rounds=1, controls=['random'])),
            (('rounds', 1), dict(rounds=2)),
            (('early_bird', 0), dict(rounds=1, early_bird=dict(fraction=0.5)))):
        alone = run_imp(toy_cfg, tmp_path / str(where), **settings)
        assert outcome(job_of(*where)[1]) == outcome(vars(alone))


def test_a_transferred_ticket_is_trained_as_if_by_hand(job_of, run_imp, toy_cfg, tmp_path):
    run_imp(toy_cfg, tmp_path / 'source', rounds=1)
    ticket = tmp_path / 'given.safetensors'
    transfer_ticket(Store(tmp_path / 'source').layout.ticket(1), toy_cfg, ticket,
                    settings=target_settings(toy_cfg, scope='backbone'))
    alone = run_imp(toy_cfg, tmp_path / 'job', scope='backbone', ticket=str(ticket))
    assert outcome(job_of('transfer', 0)[1]) == outcome(vars(alone))


def test_multiply_adds_can_be_drawn_along_x(finished, job_of):
    counted = job_of('cost', 0)[1]['rounds'][1]['multiply_adds']
    ticket, = [row for row in rows_of(finished[1], 'cost') if row['round'] == '1']
    assert 0 < float(ticket['x']) < 100
    assert float(ticket['x']) == pytest.approx(100 * counted['kept'] / counted['dense'])


def test_seeds_stand_at_the_mean_of_their_multiply_adds():
    points = [[dict(x=10.0), dict(x=14.0)], [dict(x=5.0)], [dict(x=None)]]
    _move_to_mean(points)
    assert [row['x'] for point in points for row in point] == [12.0, 12.0, 5.0, None]


def test_the_dense_net_is_trained_once(finished, job_of):
    jobs = finished[1] / 'jobs'
    found = dict([job_of('rounds', 0), job_of('rounds', 1), job_of('transfer', 0)])
    dense, = {summary['rounds'][0]['trained_in'] for summary in found.values()}
    whole = json.loads((jobs / Path(dense).name / 'summary.json').read_text())
    assert [r['round'] for r in whole['rounds']] == [0]
    for name, summary in found.items():
        own, shared = summary['rounds'][0], whole['rounds'][0]
        assert own['digests']['trained'] == shared['digests']['trained']
        assert not list((jobs / name / 'round_00').glob('*/*.log'))


def test_a_failing_job_stops_only_those_that_need_it(finished, job_of):
    path, work_dir, (code, out, err) = finished
    job = read_study(load_config(str(path)), only=('broken', )).points['broken'][0].job
    dense = read_study(load_config(str(path))).jobs[job].dense
    assert code == 1 and len(err.splitlines()) == 2
    log = re.escape(str(work_dir / 'jobs' / f'{dense}.log'))
    assert re.search(rf'error: {re.escape(dense)}: error: round 0.*\(see {log}\)', err)
    assert f'error: {job}: left out: it needs {dense}' in err
    assert not (work_dir / 'jobs' / job).exists()
    assert f'{dense}: FAILED' in out and all(job_of(name, 0)[1]['rounds'][1:] for name in GOOD)


def test_the_plan_is_printed_first(finished):
    _, _, (_, out, _) = finished
    assert '7 jobs, 8 tasks, 10 trainings (without sharing: 21)' in out
    assert '[1 to train, 1 shared]  rounds, controls, early_bird, cost' in out


def test_a_second_call_trains_nothing_and_writes_the_same_pages(finished):
    path, work_dir, _ = finished
    pages = {p: p.read_text() for p in (work_dir / 'report').glob('*.csv')}
    before = stamps(work_dir / 'jobs')
    code, out, err = run_study('run', path, '--work-dir', work_dir, '--only', *GOOD)
    assert (code, err) == (0, '') and '[done]' in out and 'to train]' not in out
    assert stamps(work_dir / 'jobs') == before
    assert {p: p.read_text() for p in pages} == pages


def test_a_report_trains_nothing_and_writes_where_it_is_told(finished, tmp_path):
    path, work_dir, _ = finished
    before = stamps(work_dir)
    code, out, _ = run_study(
        'report', path, '--work-dir', work_dir, '--report-dir', tmp_path / 'pages')
    assert code == 0 and 'records of 5 jobs and pages of 5 experiments' in out
    assert stamps(work_dir) == before
    assert {p.name for p in (tmp_path / 'pages').glob('*.md')} == {f'{name}.md' for name in GOOD}
    assert {p.name for p in (tmp_path / 'pages').glob('*.pdf')} == {f'{name}.pdf' for name in GOOD}
    assert 'interactive report: ' in out


def test_a_study_is_compared_with_one_that_is_there(finished, tmp_path):
    path, work_dir, _ = finished
    asked = ('report', path, '--work-dir', work_dir, '--report-dir', tmp_path / 'pages')
    code, _, err = run_study(*asked, '--compare', tmp_path / 'nowhere')
    assert code == 1 and 'nowhere is no work dir of a study: it has no jobs/' in err
    assert not (tmp_path / 'pages').exists()
    pytest.importorskip('vl_convert')
    assert run_study(*asked, '--compare', work_dir)[0] == 0
    page = (tmp_path / 'pages' / 'index.html').read_text()
    assert f'Compared with {work_dir.name}: points that both have' in page and '+0.000' in page


def test_the_report_of_a_study_that_grew_shows_what_is_done(finished, tmp_path):
    path, work_dir, _ = finished
    late = dict(title='Late', section='6', kind='curve', jobs=[dict(rewind='25%', rounds=1)])
    grown = {**EXPERIMENTS, 'late': late}
    (tmp_path / 'study.py').write_text(path.read_text().replace(repr(EXPERIMENTS), repr(grown)))
    code, _, _ = run_study(
        'report', tmp_path / 'study.py', '--work-dir', work_dir, '--report-dir', tmp_path)
    for name in ('rounds.csv', 'early_bird.csv'):  # which trains its own, and is compared with all
        before, now = (folder / name for folder in (work_dir / 'report', tmp_path))
        assert code == 0 and now.read_text() == before.read_text()


@pytest.mark.parametrize('done', [False, True])
def test_a_plan_trains_and_writes_nothing(finished, tmp_path, done):
    path, work_dir, _ = finished
    work_dir = work_dir if done else tmp_path / 'new'
    before = stamps(work_dir)
    code, out, _ = run_study('plan', path, '--work-dir', work_dir)
    assert code == 0 and ('[done]' in out) == done and '[1 to train]' in out
    assert stamps(work_dir) == before and work_dir.exists() == done


def test_the_status_tells_what_is_done_and_what_has_failed_and_why(finished):
    path, work_dir, _ = finished
    code, out, _ = run_study('status', path, '--work-dir', work_dir)
    *lines, _, counts = out.splitlines()
    assert code == 0 and counts.startswith('6 done, 0 running, 2 failed, 0 waiting')
    assert any(' failed ' in line and 'error: round 0' in line for line in lines)
    assert any(' failed ' in line and 'left out: it needs' in line for line in lines)
    assert run_study('status', path, '--work-dir', work_dir, '--watch', 1)[0] == 0  # it is over


def test_a_new_study_waits(finished, tmp_path):
    code, out, _ = run_study('status', finished[0], '--work-dir', tmp_path / 'new')
    assert code == 0 and '0 done, 0 running, 0 failed, 8 waiting' in out


def test_a_plan_tells_hours_and_draws_the_graph(finished, tmp_path):
    path, work_dir, _ = finished
    figure = tmp_path / 'plan.png'
    one = ('--only', 'rounds')
    code, out, _ = run_study('plan', path, '--work-dir', work_dir, *one, '--figure', figure)
    assert code == 0 and 'about 0.0 h, one training at a time' in out
    assert figure.read_bytes().startswith(b'\x89PNG')
    _, out, _ = run_study('plan', path, '--work-dir', tmp_path / 'new', *one)
    assert 'hours: unknown for ' in out and '--probe times ten steps' in out
    _, out, _ = run_study('plan', path, '--work-dir', tmp_path / 'new', *one, '--probe')
    assert 'about 0.0 h' in out and not (tmp_path / 'new').exists()


def test_a_probe_stands_for_all_steps_of_a_training(job_of, tmp_path):
    steps = job_of('rounds', 0)[1]['rounds'][0]['steps']
    config = toys.write_config(tmp_path, model=dict(type='ToyNet', seconds_per_step=0.05))
    assert probe_seconds(load_config(str(config))) >= 0.05 * steps


def test_pages_figures_and_records_are_there(finished, job_of):
    report = finished[1] / 'report'
    names = {f'{name}{end}' for name in GOOD for end in ('.md', '.csv', '.png', '.pdf')}
    page = {'index.html'} if is_installed() else set()
    assert {p.name for p in report.iterdir()} == names | page | {'records'}
    assert len(list((report / 'records').iterdir())) == 5
    name, summary = job_of('rounds', 1)
    record = json.loads((report / 'records' / f'{name}.json').read_text())
    dense = summary['settings'].pop('dense_from')  # absolute: records are read on other machines
    assert str(finished[1] / record['settings'].pop('dense_from')) == dense and record == summary
    page = (report / 'rounds.md').read_text()
    command = f'mmlth study run {finished[0]} --work-dir {finished[1]} --only rounds'
    assert page.startswith('# Rounds\n\n- **') and command in page and '(rounds.png)' in page
    finding = page.splitlines()[2]
    assert 'its dense net in' in finding and finding.endswith('n = 1, so there is no interval.')
    assert 'No ticket is judged: ' in page


def test_numbers_of_a_page_are_those_of_the_records(finished, job_of):
    dense, one, two = rows_of(finished[1], 'rounds')
    for row, index in ((one, 0), (two, 1)):
        whole, *_, record = job_of('rounds', index)[1]['rounds']
        assert float(row['toy/mAP']) == record['metrics']['toy/mAP']
        assert float(row['sparsity']) == record['sparsity'] == pytest.approx(0.75, abs=0.001)
        assert float(row['network_sparsity']) == record['network_sparsity']
        value, of_dense = record['metrics']['toy/mAP'], whole['metrics']['toy/mAP']
        assert float(row['toy/mAP_change']) == value - of_dense
        assert row['x'] == row['round'] == str(index + 1)
    assert (dense['label'], dense['round'], dense['sparsity']) == ('dense', '0', '0.0')
    assert float(dense['toy/mAP']) == whole['metrics']['toy/mAP']
    page = (finished[1] / 'report' / 'rounds.md').read_text()
    assert f'{record["metrics"]["toy/mAP"]:.3f}' in page and '75.0' in page


def test_controls_are_drawn_as_bars_and_nowhere_else(finished, job_of):
    _, ticket, control = rows_of(finished[1], 'controls')
    record, = job_of('controls', 0)[1]['controls']
    assert (ticket['label'], ticket['control']) == ('ticket', '')
    assert (control['label'], control['control']) == ('random', 'random')
    assert float(control['toy/mAP']) == record['metrics']['toy/mAP']
    others = [*rows_of(finished[1], 'rounds'), *rows_of(finished[1], 'early_bird')]
    assert {row['control'] for row in others} == {''}


def test_early_birds_tell_how_much_of_the_last_mask_they_have(finished, job_of):
    dense, early, whole = rows_of(finished[1], 'early_bird')
    folder = StudyFolder(finished[1])
    stores = [folder.store(job_of('early_bird', i)[0]) for i in (0, 1)]
    masks = [store.ticket(Training(number=1)).masks for store in stores]
    assert float(early['iou']) == overlap(*masks)['iou'] < 1 and float(whole['iou']) == 1.0
    largest = largest_masks(masks[1], stores[1].start(Training(number=1)))
    assert float(early['init_iou']) == overlap(largest, masks[1])['iou'] == float(whole['init_iou'])
    assert 0 < float(early['chance_iou']) < float(early['iou'])
    assert (float(early['x']), float(whole['x']), dense['iou']) == (50, 100, '')
    # Not the round that was cut short:
    baseline = job_of('rounds', 0)[1]['rounds'][0]['metrics']['toy/mAP']
    assert float(early['toy/mAP']) - float(early['toy/mAP_change']) == pytest.approx(baseline)


def test_a_study_that_grows_by_a_rewind_trains_a_dense_net_for_its_jobs_alone(tmp_path):
    config = toys.write_config(tmp_path)
    first = dict(one=dict(title='One', section='1', kind='curve', jobs=[dict(rounds=1)]))
    later = dict(title='Two', section='2', kind='curve', jobs=[dict(rounds=1, rewind='epoch_1')])
    work = ('--work-dir', tmp_path / 'work')
    run_study('run', write_study(tmp_path / 'first.py', config, first), *work)
    grown = write_study(tmp_path / 'grown.py', config, dict(first, two=later))
    shown = run_study('plan', grown, *work, '--only', 'one')[1]
    assert ' 1 tasks' in shown and '[done]  one' in shown and 'for others' not in shown
    assert not run_study('run', grown, *work)[0]
    shown = run_study('plan', grown, *work)[1]
    assert ' 3 tasks' in shown and shown.count('[done]') == 3


def test_a_report_shows_tickets_whose_controls_are_still_to_be_done(finished, tmp_path):
    path, work_dir, _ = finished
    asked = dict(title='Bars', section='6', kind='bars', jobs=[
        dict(rounds=1, label='ticket', controls=('random', 'dense_budget'))])
    (tmp_path / 'study.py').write_text(
        path.read_text().replace(repr(EXPERIMENTS), repr(dict(bars=asked))))
    code, _, _ = run_study(
        'report', tmp_path / 'study.py', '--work-dir', work_dir, '--report-dir', tmp_path)
    page = (tmp_path / 'bars.md').read_text()
    assert code == 0 and 'bars.csv](bars.csv). Still to be done: 1.' in page
    with open(tmp_path / 'bars.csv', newline='') as file:
        assert [row['control'] for row in csv.DictReader(file)] == ['', '', 'random']


def test_a_dense_net_of_its_own_keeps_its_label(finished, tmp_path):
    path, work_dir, _ = finished
    jobs = [dict(rounds=1, label='ticket'), dict(rounds=0, label='plain')]
    asked = dict(title='Named', section='6', kind='curve', metrics=('lost', ), jobs=jobs)
    (tmp_path / 'study.py').write_text(
        path.read_text().replace(repr(EXPERIMENTS), repr(dict(named=asked))))
    run_study('report', tmp_path / 'study.py', '--work-dir', work_dir, '--report-dir', tmp_path)
    with open(tmp_path / 'named.csv', newline='') as file:
        assert [(row['line'], row['label']) for row in csv.DictReader(file)] == [
            ('plain', 'dense'), ('', 'ticket')]
    page = (tmp_path / 'named.md').read_text()
    assert '| plain | dense | 1 |' in page and "- no training has the metric 'lost'; there" in page


def test_controls_of_two_tickets_of_a_line_are_told_apart():
    one, two, alone = (
        Point(job=label, label=label, line='90%', seed=0, ticket=label, controls=controls)
        for label, controls in (('one', ('shuffle', )), ('two', ('shuffle', 'reinit')), ('c', ())))
    points = [one, two, alone]
    assert [_label(each, '', points) for each in points] == ['one', 'two', 'c']
    assert _label(one, 'shuffle', points) == 'shuffle, one'
    assert _label(two, 'reinit', points) == 'reinit'


def test_a_dense_net_that_an_early_bird_ended_is_compared_with_nothing(finished, tmp_path):
    path, work_dir, _ = finished
    asked = dict(title='Early', section='6', kind='curve', x='early_bird', jobs=[
        dict(rounds=1, early_bird=dict(fraction=0.5))])
    (tmp_path / 'study.py').write_text(
        path.read_text().replace(repr(EXPERIMENTS), repr(dict(early=asked))))
    run_study('report', tmp_path / 'study.py', '--work-dir', work_dir, '--report-dir', tmp_path)
    with open(tmp_path / 'early.csv', newline='') as file:
        row, = csv.DictReader(file)
    assert (row['round'], float(row['x'])) == ('1', 50) and not row['toy/mAP_change']
