"""A page is one small file that loads nothing and escapes every text."""

import json
import re
from html.parser import HTMLParser

import pytest
from made_page import EVIL, make_page, summary, written

from mmlth.core import records
from mmlth.core.store import Store
from mmlth.html_report import page
from mmlth.html_report.provenance import portable, provenance

pytest.importorskip('altair')
pytest.importorskip('vl_convert')


class Elements(HTMLParser):
    """Collect the elements of a page with their attributes, and the text that is shown."""

    def __init__(self, text):
        super().__init__()
        self.found, self.shown, self.open = [], '', ''
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open = tag
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.open not in ('script', 'style'):
            self.shown += data


@pytest.fixture(scope='module')
def page_file(tmp_path_factory):
    pytest.importorskip('altair')
    pytest.importorskip('vl_convert')
    return written(tmp_path_factory.mktemp('page'))


@pytest.fixture(scope='module')
def text(page_file):
    return page_file.read_text(encoding='utf-8')


def test_a_page_is_below_its_limit(text):
    assert 500_000 < len(text.encode()) < page.MOST_BYTES


def test_a_page_names_nothing_to_load(text):
    elements = Elements(text).found
    loads = [value for tag, attrs in elements for name, value in attrs.items()
             if name in ('src', 'href', 'srcset', 'data', 'action')
             and not value.startswith(('#', 'data:'))]
    assert loads == []
    styles = re.findall(r'<style>.*?</style>', text, re.S)
    assert styles and not any(re.search(r'url\(|@import', style) for style in styles)


def test_the_library_stands_once(text):
    scripts = re.findall(r'<script[^>]*>(.*?)</script>', text, re.S)
    assert sum(len(script) > 300_000 for script in scripts) == 1


def test_findings_come_first(text):
    shown = Elements(text).shown
    winning = shown.index('winning')
    assert shown.index('Findings') < winning < shown.index('Means over seeds')
    assert 'n\u00a0=\u00a03' in shown[winning:winning + 300] and '[' in shown[winning:winning + 300]


def test_every_figure_has_a_chart_and_a_table_under_it(text):
    elements = Elements(text).found
    figures = [attrs for tag, attrs in elements if tag == 'figure']
    specs = json.loads(re.search('id="specs">(.*?)</script>', text, re.S)[1])
    assert [int(one['data-figure']) for one in figures] == list(range(len(specs)))
    assert len(specs) == 4
    sections = text.split('<section')[1:]
    assert all('<table>' in one for one in sections if '<figure' in one)


def test_every_link_inside_has_its_place(text):
    elements = Elements(text).found
    places = {attrs.get('id') for _, attrs in elements}
    targets = {attrs['href'][1:] for tag, attrs in elements
               if tag == 'a' and attrs['href'].startswith('#')}
    assert targets and targets <= places


def test_every_text_is_escaped(tmp_path):
    path = written(tmp_path, EVIL)
    text = path.read_text(encoding='utf-8')
    found = Elements(text)
    assert '<script>alert(1)' not in text and EVIL in found.shown
    assert json.loads(re.search('id="specs">(.*?)</script>', text, re.S)[1])
    assert not any('alert' in str(value) for tag, attrs in found.found
                   for name, value in attrs.items() if name.startswith('on'))


def test_a_page_that_would_be_too_large_leaves_provenance_out_and_says_so(tmp_path, monkeypatch):
    path = written(tmp_path)
    monkeypatch.setattr(page, 'MOST_BYTES', path.stat().st_size - 1)
    page.write_page(make_page(), path)
    shown = Elements(path.read_text(encoding='utf-8')).shown
    assert 'Settings and machines' not in shown
    assert 'the summary.json of each job holds them' in shown


def test_the_same_page_is_the_same_bytes(page_file, tmp_path):
    assert written(tmp_path).read_bytes() == page_file.read_bytes()


def test_provenance_names_settings_machine_and_digests():
    job, = provenance({'j': summary()})
    assert job.settings == {'seed': '0', 'controls': '-'}
    first = dict(zip(job.header, job.rows[0], strict=True))
    assert first['training'] == 'round 0' and first['kept'] == '10'
    assert first['machine'] == 'torch 2.13.0, threads 1'
    assert first['digests'] == 'masks abcdef012345'
    assert 'parent' not in first  # no training has one


def test_no_path_of_this_machine_is_in_the_settings(tmp_path):
    store = Store(tmp_path / 'jobs' / 'j')
    store.work_dir.mkdir(parents=True)
    records.save(summary({'dense_from': str(tmp_path / 'jobs' / 'd'), 'ticket': ''}),
                 store.layout.summary)
    assert portable(store).settings == {'dense_from': '../d', 'ticket': ''}
