"""Rows of text as a table: aligned for a terminal, or in Markdown."""
from collections.abc import Collection, Iterable, Sequence

_GAP = '  '


def format_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    left: Collection[str] = (),
) -> str:
    """Align cells in columns, two spaces apart, without trailing blanks.

    Args:
        header: Names of the columns; a name may be empty or occur twice.
        rows: As many cells as the header has, each one line of text.
        left: Names of the columns that are aligned to the left; all others are to the right.

    Returns:
        The header, then a line for each row.

    Raises:
        ValueError: A row is shorter or longer than the header, or ``left`` names no column.

    >>> print(format_table(['tensor', 'kept'], [['conv1', '8'], ['fc', '1,024']], left=['tensor']))
    tensor   kept
    conv1       8
    fc      1,024
    """
    unknown = [name for name in left if name not in header]
    if unknown:
        raise ValueError(f'left={unknown}: the columns are {list(header)}')
    table = _checked(header, rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    to_left = [name in left for name in header]
    return '\n'.join(_line(cells, widths, to_left) for cells in table)


def to_markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""Return a Markdown table; a ``|`` inside a cell is escaped.

    Args:
        header: Names of the columns.
        rows: As many cells as the header has, each one line of text.

    Raises:
        ValueError: A row is shorter or longer than the header.

    >>> print(to_markdown_table(['line', 'mAP'], [['a|b', '0.5']]))
    | line | mAP |
    | --- | --- |
    | a\|b | 0.5 |
    """
    first, *others = map(_markdown_line, _checked(header, rows))
    rule = '|' + ' --- |' * len(header)
    return '\n'.join([first, rule, *others])


def _checked(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    table = [header, *rows]
    for cells in table:
        if len(cells) != len(header):
            raise ValueError(
                f'row {list(cells)} has {len(cells)} cells, but the header has '
                f'{len(header)}: {list(header)}'
            )
    return table


def _line(cells: Sequence[str], widths: Sequence[int], to_left: Sequence[bool]) -> str:
    padded = [
        cell.ljust(width) if is_left else cell.rjust(width)
        for cell, width, is_left in zip(cells, widths, to_left, strict=True)
    ]
    return _GAP.join(padded).rstrip()


def _markdown_line(cells: Sequence[str]) -> str:
    escaped = [cell.replace('|', '\\|') for cell in cells]
    return '| ' + ' | '.join(escaped) + ' |'
