"""Lay a page out as one HTML file, which loads nothing from elsewhere."""

import json
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from mmlth.analysis.style import COLOURS
from mmlth.core.files import write_text
from mmlth.html_report.charts import SHAPES
from mmlth.html_report.detections import SCORE
from mmlth.html_report.sections import Page
from mmlth.version import __version__

FILE = 'index.html'
MOST_BYTES = 2_000_000
_NEEDED = ('altair', 'vl_convert', 'jinja2')
_EXPORTED = 'Object.assign(window, {vegaEmbed});'
_FOLDER = Path(__file__).parent
# COLOURS, as bright as a dark page needs them.
DARK_COLOURS = ('#4ea8de', '#f08a4b', '#2dc194', '#e08fc0', '#f0b429', '#9bd8f9', '#e6e9ee')


def is_installed() -> bool:
    """Tell whether all is there that a page needs."""
    return all(find_spec(name) for name in _NEEDED)


def how_to_get(path: Path) -> str:
    """Return the line that stands where no page could be written."""
    return (f"interactive report: none; after pip install 'mmlth[report]' the same command writes "
            f'{path}')


def where(path: Path) -> str:
    """Return the line that says where a page is."""
    return f'interactive report: {path}'


def count(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count(1, 'job'), count(3, 'job')
    ('1 job', '3 jobs')
    """
    return f'{number} {noun}{"s" * (number != 1)}'


def write_page(page: Page, path: Path) -> None:
    """Write a page, of :data:`MOST_BYTES` at most: without its provenance if need be, and says so.

    Args:
        page: What it holds.
        path: HTML file to write.

    Raises:
        ImportError: The extra ``report`` isn't installed.
    """
    text = to_html(page)
    if len(text.encode()) > MOST_BYTES and page.jobs:
        note = ('The settings and machines of every training would make this page larger than '
                f'{MOST_BYTES / 1e6:.0f} MB; the summary.json of each job holds them.')
        text = to_html(replace(page, jobs=[], notes=[*page.notes, note]))
    write_text(path, text)


def to_html(page: Page) -> str:
    """Return a page as HTML; every text in it is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    figures = [figure for section in page.sections for figure in section.figures]
    return environment.get_template('page.html').render(
        page=page,
        version=__version__,
        style=(_FOLDER / 'page.css').read_text(encoding='utf-8'),
        script=(_FOLDER / 'page.js').read_text(encoding='utf-8'),
        library=_library(),
        specs=_as_script([figure.spec for figure in figures]),
        palettes=_as_script(dict(light=COLOURS, dark=DARK_COLOURS)),
        colours=len(COLOURS),
        light=COLOURS,
        dark=DARK_COLOURS,
        shapes=SHAPES,
        score=SCORE,
    ).lstrip()


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed, of the version that the charts are written for."""
    import altair
    import vl_convert

    version = altair.SCHEMA_VERSION.rpartition('.')[0]  # v6.4 of v6.4.1
    bundle: str = vl_convert.javascript_bundle(_EXPORTED, vl_version=version)
    return bundle.replace('</script', '<\\/script')


def _as_script(value: object) -> str:
    """Return JSON that may stand inside of a script element."""
    return json.dumps(value, separators=(',', ':')).replace('<', '\\u003c')
