"""Where a page is written, and what is said where it can't be."""

import pytest
from made_page import curve_rows, summary
from made_rows import dense_row, experiment

from mmlth.analysis.report import write_report
from mmlth.core import records
from mmlth.core.layout import Layout
from mmlth.core.records import Summary
from mmlth.core.store import Store
from mmlth.html_report import page
from mmlth.html_report.job import report_job, rows_of_job
from mmlth.html_report.study import Other, report_study

COMMAND = 'mmlth train c.py --rounds 1'


@pytest.fixture
def job(tmp_path):
    records.save(summary(), Layout(tmp_path).summary)
    write_report(tmp_path)
    return tmp_path


def test_a_job_has_a_page_in_its_report(job):
    pytest.importorskip('vl_convert')
    path = job / 'report' / 'index.html'
    assert report_job(job, COMMAND) == f'interactive report: {path}'
    text = path.read_text(encoding='utf-8')
    assert COMMAND in text
    assert '0.250 below its dense net' in text and 'round 1, 50.00% pruned' in text
    assert 'map_vs_sparsity.pdf' in text and (job / 'report' / 'map_vs_sparsity.pdf').is_file()


def test_a_job_with_a_dense_net_alone_has_a_page(tmp_path):
    pytest.importorskip('vl_convert')
    whole = summary()
    only = Summary(config='c.py', settings={}, rounds=whole.rounds[:1])
    records.save(only, Layout(tmp_path).summary)
    assert report_job(tmp_path, COMMAND).startswith('interactive report: ')


def test_rows_of_a_job_are_those_of_an_experiment():
    dense, ticket = rows_of_job(summary())
    assert (dense['label'], ticket['line'], ticket['x']) == ('dense', 'ticket', 50.0)
    assert ticket['dense'] == {'coco/bbox_mAP': 0.5}


def test_a_study_has_a_page_that_names_its_files(tmp_path):
    pytest.importorskip('vl_convert')
    store = Store(tmp_path / 'j')
    store.work_dir.mkdir()
    records.save(summary(), store.layout.summary)
    line = report_study('my study', [(experiment(name='rounds'), curve_rows())], {'j': store},
                        tmp_path, 'mmlth study report x.py')
    text = (tmp_path / 'index.html').read_text(encoding='utf-8')
    assert line == f'interactive report: {tmp_path / "index.html"}'
    for said in ('1 experiment', '1 job', '2 trainings', '3 seeds', 'rounds.pdf', 'rounds.csv',
                 'No predictions were kept: '):
        assert said in text


def test_a_study_is_compared_with_another(tmp_path):
    pytest.importorskip('vl_convert')
    lower = [one | {'metrics': {name: value - 0.25 for name, value in one['metrics'].items()}}
             for one in curve_rows()]
    report_study('t', [(experiment(name='rounds'), curve_rows()),
                       (experiment(name='other'), curve_rows())], {}, tmp_path, 'c',
                 Other(title='their_study', rows={'rounds': lower}))
    text = (tmp_path / 'index.html').read_text(encoding='utf-8')
    assert text.count('Compared with their_study') >= 2 and '+0.250 to +0.250 (3)' in text
    assert 'their_study has no point of this experiment.' in text


def test_without_the_extra_a_line_says_how_to_get_it(job, monkeypatch):
    monkeypatch.setattr(page, 'is_installed', lambda: False)
    line = report_job(job, COMMAND)
    assert "pip install 'mmlth[report]'" in line and '\n' not in line
    assert not (job / 'report' / 'index.html').exists()
    assert report_study('t', [(experiment(), [dense_row()])], {}, job, 'c').startswith(
        'interactive report: none')
