"""What the site (mkdocs.yml) adds to the pages that a git host shows.

README and CHANGELOG become pages, and README's recipes one of their own; notebooks are shown as
they were run; each room of the code gets a page of its docstrings.
"""
import re
from pathlib import Path
from typing import Any

from griffe import Extension, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parents[1]
FILES = ('LICENSE', 'CITATION.cff')  # README links to them
ROOMS = ('core', 'settings', 'engine', 'job', 'trained', 'deploy', 'analysis', 'html_report',
         'transfer', 'study')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that don't lie in docs/."""
    start, recipes = split_recipes(read('README.md'))
    pages: dict[str, str | bytes] = {
        'index.md': start, 'recipes.md': recipes, 'changelog.md': read('CHANGELOG.md')}
    pages |= {f'api/{room}.md': f'::: mmlth.{room}\n' for room in ROOMS}
    for path in sorted((ROOT / 'docs').glob('*.ipynb')):
        text, resources = MarkdownExporter().from_filename(str(path))
        pages |= {f'{path.stem}.md': text, **resources['outputs']}  # its figures
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def read(name: str) -> str:
    """Read a page of the root, with links as they are in docs/."""
    text = (ROOT / name).read_text(encoding='utf-8')
    text = text.replace('](docs/', '](').replace('](CHANGELOG.md)', '](changelog.md)')
    return text.replace('.ipynb)', '.md)')


def split_recipes(readme: str) -> tuple[str, str]:
    r"""Take the recipes out of README; each bold question that opens one becomes a heading.

    >>> split_recipes('# A\n\n## Recipes\n\n**What?** `that`\n\n## B\n')
    ('# A\n\n## [Recipes](recipes.md)\n\n## B\n', '# Recipes\n\n## What?\n\n`that`\n')
    """
    before, rest = readme.split('## Recipes\n')
    recipes, after = rest.split('\n## ', 1)
    asked = re.sub(r'^\*\*(.+?)\*\* *', r'## \1\n\n', recipes, flags=re.MULTILINE)
    return f'{before}## [Recipes](recipes.md)\n\n## {after}', f'# Recipes\n{asked}'


class Docstrings(Extension):
    """Write docstrings in the site's Markdown; show each object in its own module alone."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.is_module:
            obj.exports = None
        if obj.docstring:
            obj.docstring.value = in_markdown(obj.docstring.value)


def in_markdown(text: str) -> str:
    r"""Turn roles into links to what they name; mark literal blocks and examples as such.

    Constants (``:data:``), which have no docstring and so no place on the pages, become code.

    >>> in_markdown(':func:`mmlth.core.masks.kept`, :data:`mmlth.core.scope.SCOPES`::')
    '[`kept`][mmlth.core.masks.kept], `mmlth.core.scope.SCOPES`:'
    >>> in_markdown('One.\n\n>>> 1 + 1\n2\n\nTwo.')
    'One.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nTwo.'
    """
    text = re.sub(r':(?:data|attr):(`[\w.]+`)', r'\1', text)
    text = re.sub(r':(?:func|class|meth|mod):`~?((?:\w+\.)*(\w+))`', r'[`\2`][\1]', text)
    text = re.sub(r'::$', ':', text, flags=re.MULTILINE)
    return re.sub(r'^>>> (?:.+\n?)+', lambda found: f'```pycon\n{found[0].rstrip()}\n```\n',
                  text, flags=re.MULTILINE).rstrip()
