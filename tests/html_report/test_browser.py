"""The page in a browser: nothing is requested, all is drawn, fits, and answers to the keyboard."""

import shutil

import pytest
from made_page import written

sync_api = pytest.importorskip('playwright.sync_api')
BROWSER = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which(
    'google-chrome')
pytestmark = pytest.mark.skipif(BROWSER is None, reason='no Chromium')


@pytest.fixture(scope='module')
def page_file(tmp_path_factory):
    pytest.importorskip('altair')
    pytest.importorskip('vl_convert')
    return written(tmp_path_factory.mktemp('page'))


@pytest.fixture(scope='module')
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=BROWSER, args=['--no-sandbox'])
        yield found
        found.close()


@pytest.fixture
def open_page(browser, page_file):
    """Open the page at a width; returns it with what it requested and what went wrong."""
    contexts = []

    def open_page(width, scheme='light'):
        context = browser.new_context(viewport={'width': width, 'height': 800},
                                      color_scheme=scheme)
        contexts.append(context)
        page, requests, faults = context.new_page(), [], []
        page.on('request', lambda request: requests.append(request.url))
        page.on('pageerror', lambda error: faults.append(str(error)))
        page.on('console', lambda said: faults.append(said.text) if said.type == 'error' else None)
        page.goto(page_file.as_uri())
        page.wait_for_selector('html[data-ready]', state='attached')
        return page, requests, faults
    yield open_page
    for context in contexts:
        context.close()


def marks(page, number=0):
    """Count the round points of a figure."""
    return page.locator(f'#figure-{number} .mark-symbol path').count()


def labels(page):
    """Return what the axes of the first figure say; Vega keeps them in no order."""
    return sorted(page.locator('#figure-0 .mark-text.role-axis-label text').all_text_contents())


@pytest.mark.parametrize('width, scheme', [(360, 'light'), (1440, 'dark')])
def test_it_is_drawn_without_a_request_and_fits(open_page, page_file, width, scheme):
    page, requests, faults = open_page(width, scheme)
    assert requests == [page_file.as_uri()] and faults == []
    figures = page.locator('figure').count()
    assert page.locator('figure .chart svg.marks').count() == figures == 4
    assert all(marks(page, number) for number in range(figures))
    assert page.evaluate('document.documentElement.scrollWidth') == width
    assert page.evaluate('document.documentElement.classList.contains("dark")') == (
        scheme == 'dark')


def test_the_keyboard_reaches_every_control_and_switches_a_line_off(open_page):
    page, _, _ = open_page(1440)
    reached = set()
    for _ in range(80):
        page.keyboard.press('Tab')
        reached.add(page.evaluate(
            'document.activeElement.dataset.toggles || document.activeElement.dataset.save || '
            'document.activeElement.dataset.zoom || document.activeElement.id || '
            'document.activeElement.className || document.activeElement.tagName'))
    assert {'skip', 'theme', 'plain', 'other', 'random', 'svg', 'png', '0', 'scroll',
            'SUMMARY'} <= reached
    before = marks(page)
    page.locator('#figure-0 [data-toggles=plain]').focus()
    page.keyboard.press('Enter')
    page.wait_for_function(
        f'document.querySelectorAll("#figure-0 .mark-symbol path").length < {before}')
    page.keyboard.press('Enter')
    page.wait_for_function(
        f'document.querySelectorAll("#figure-0 .mark-symbol path").length == {before}')


def test_zoom_hover_theme_and_downloads(open_page, tmp_path):
    page, requests, faults = open_page(1440)
    before = labels(page)
    page.click('#figure-0 [data-zoom="0.7"]')
    page.wait_for_timeout(200)
    assert labels(page) != before
    page.click('#figure-0 [data-zoom="0"]')
    page.wait_for_timeout(200)
    assert labels(page) == before
    page.locator('#figure-0 .mark-symbol path').last.hover()
    page.wait_for_selector('#vg-tooltip-element.visible')
    assert '80% pruned' in page.inner_text('#vg-tooltip-element')
    page.click('#theme')
    page.wait_for_selector('html.dark', state='attached')
    for form, start in (('svg', b'<svg'), ('png', b'\x89PNG')):
        with page.expect_download() as download:
            page.click(f'#figure-0 [data-save={form}]')
        saved = tmp_path / form
        download.value.save_as(saved)
        assert saved.read_bytes().startswith(start)
    assert 'plain' in (tmp_path / 'svg').read_text()  # the legend is in the file
    assert faults == [] and all(url.startswith(('file:', 'data:', 'blob:')) for url in requests)
