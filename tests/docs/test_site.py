"""The site is built without a warning, which a broken link is; its pages need no network."""
import doctest
import importlib.util
import re
import sys

import pytest
from conftest import ROOT, run_process, tool_env

mkdocs = pytest.importorskip('mkdocs.commands.build')
for needed in ('material', 'mkdocstrings', 'nbconvert'):
    pytest.importorskip(needed)
from mkdocs.config import load_config  # noqa: E402
from mkdocs.exceptions import Abort  # noqa: E402

NOT_IN_THE_API = {'cli', 'datasets', 'evaluation', 'models', 'visualization'}


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """The site as it is published."""
    out = tmp_path_factory.mktemp('site')
    env = {**tool_env(), 'NO_MKDOCS_2_WARNING': '1'}
    done = run_process(sys.executable, '-m', 'mkdocs', 'build', '--strict', '-d', out, env=env)
    assert 'WARNING' not in done.stderr, done.stderr
    return out


@pytest.fixture
def build(tmp_path):
    """Build a site of one page by the rules of ours."""
    def call(text):
        (tmp_path / 'docs').mkdir()
        (tmp_path / 'docs' / 'index.md').write_text(text)
        (tmp_path / 'mkdocs.yml').write_text(
            f'INHERIT: {ROOT}/mkdocs.yml\nhooks: []\nwatch: []\nplugins: []\nnav: [index.md]\n')
        mkdocs.build(load_config(str(tmp_path / 'mkdocs.yml'), site_dir=str(tmp_path / 'site')))
        return (tmp_path / 'site' / 'index.html').read_text()
    return call


def test_every_page_and_every_file_that_it_links_to_is_there(site):
    pages = {path.relative_to(ROOT / 'docs').with_suffix('.html')
             for path in (ROOT / 'docs').rglob('*.md')}
    missing = {str(page) for page in pages if not (site / page).is_file()}
    assert missing == {'experiments/README.html'}  # the index of its folder
    for name in (
            'LICENSE', 'experiments/index.html', 'experiments/winning/direct_pruning.csv',
            'changelog.html'):
        assert (site / name).is_file()


def test_every_room_of_the_code_has_its_docstrings(site):
    rooms = {path.parent.name for path in (ROOT / 'mmlth').glob('*/__init__.py')}
    assert {path.stem for path in (site / 'api').iterdir()} == rooms - NOT_IN_THE_API
    page = (site / 'api' / 'core.html').read_text()
    assert 'id="mmlth.core.selection.select"' in page
    assert ':func:' not in page and '&gt;&gt;&gt; ' in re.sub('<[^>]*>', '', page)


def test_every_recipe_has_a_heading(site):
    asked = re.findall(r'^\*\*(I .+?\.|W.+?\?)\*\*', (ROOT / 'README.md').read_text(), re.M)
    page = re.sub('<[^>]*>', '', (site / 'recipes.html').read_text())
    assert len(asked) > 10 and all(question.replace('`', '') in page for question in asked)


def test_no_page_asks_the_network(site):
    for page in site.rglob('*.html'):
        assert not re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="?(?:https?:)?//[^>]*',
                              page.read_text())


def test_a_page_is_built(build):
    assert 'id="b"' in build('# A\n\n[b](#b)\n\n## B\n\n    code\n')


@pytest.mark.parametrize('text', [
    '[page](nowhere.md)', '[heading](#nowhere)', '![figure](nowhere.png)', '[root](/index.md)'])
def test_a_broken_link_is_refused(build, text):
    with pytest.raises(Abort, match='1 warning'):
        build(f'# A\n\n{text}\n')


def test_examples_of_the_hooks_give_what_they_show():
    spec = importlib.util.spec_from_file_location('site_hooks', ROOT / 'docs' / 'site_hooks.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
