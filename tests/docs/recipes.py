"""Take the code blocks out of README and docs, and say what each is."""
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
COMMANDS = ('mmlth', 'bash', 'python')
# Blocks that are neither commands nor Python, by the start of their first line.
TABLES = ('round  ', 'model   ', 'data/coco/', 'data/VOCdevkit/')


@dataclass(frozen=True)
class Line:
    """A command as a page gives it.

    Attributes:
        page: File, from the root.
        number: Of its line there.
        text: All of it, continued lines joined.
    """

    page: str
    number: int
    text: str

    @property
    def words(self):
        return shlex.split(self.text, comments=True)

    def __str__(self):
        return f'{self.page}:{self.number} {self.text}'


def blocks(text):
    """Yield (number of the first line, lines) of every block that is indented by four spaces."""
    found, start, before = [], 0, ''
    for number, line in enumerate([*text.splitlines(), 'end'], 1):
        inside = line.startswith('    ') and (found or not before.strip())
        if inside or (found and not line.strip()):
            start = start if found else number
            found.append(line[4:])
        elif found:
            yield start, found
            found = []
        before = line


def all_blocks():
    """Return (page, number, lines) of all pages."""
    return [(page.relative_to(ROOT).as_posix(), number, lines)
            for page in PAGES for number, lines in blocks(page.read_text(encoding='utf-8'))]


def commands(page, number, lines):
    """Return the commands of a block; what they print, below them, is left out."""
    joined = re.sub(r'\\\n\s*', '', '\n'.join(lines)).splitlines()
    return [Line(page, number, line) for line in joined
            if line.split(' ', 1)[0] in COMMANDS and not line.startswith(' ')]


def is_table(lines):
    return lines[0].startswith(TABLES)


def is_shell(lines):
    """Tell a script, pip's commands, or variables before a command, from Python."""
    return lines[0].startswith(('#!', 'pip ')) or re.match(r'[A-Z_]+=\S+ ', lines[0]) is not None


def settings_of(line):
    """Return the flags of a training that its plan depends on and that need no file."""
    return _without(line.words[3:], '--work-dir', '--data-root', '--dense-from', '--init-from',
                    '--dry-run', '--cfg-options')


def deciding(line):
    """Return the flags of a training without controls, which are trained beside it."""
    return _without(line.words[3:], '--controls', '--work-dir', '--data-root', '--init-from')


def work_dir(line):
    """Return where a training is written."""
    words = line.words
    if '--work-dir' in words:
        return words[words.index('--work-dir') + 1]
    return f'work_dirs/{Path(words[2]).stem}_imp'


def can_be_planned(line):
    """Tell whether a training's config is at hand, and so is a ticket that it names."""
    words = line.words
    return words[2] != 'TARGET_CONFIG' and 'imagenet' not in words[2]


def _without(words, *flags):
    found, keep = [], True
    for word in words:
        if word.startswith('--'):
            keep = word not in flags
        if keep:
            found.append(word)
    return found
