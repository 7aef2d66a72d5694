"""Tables are aligned, have no trailing blanks, and refuse rows of another length."""
import doctest

import pytest

from mmlth.core import tables
from mmlth.core.tables import format_table, to_markdown_table


def test_examples():
    result = doctest.testmod(tables)
    assert result.attempted == 2 and result.failed == 0


@pytest.mark.parametrize('left, expected', [
    pytest.param((), [' a  long', '12     3', ' 4  5678'], id='right'),
    pytest.param(('a', ), ['a   long', '12     3', '4   5678'], id='first left'),
    pytest.param(('a', 'long'), ['a   long', '12  3', '4   5678'], id='all left'),
])
def test_columns_are_aligned(left, expected):
    rows = [['12', '3'], ['4', '5678']]
    assert format_table(['a', 'long'], rows, left).splitlines() == expected


def test_the_widest_cell_may_be_the_header_or_a_row():
    assert format_table(['wide', 'b'], [['1', 'wider']]) == 'wide      b\n   1  wider'


def test_columns_may_share_a_name_or_have_none():
    text = format_table(['kept', 'kept', ''], [['1', '50%', 'note'], ['2', '5%', '']], left=[''])
    assert text.splitlines() == ['kept  kept', '   1   50%  note', '   2    5%']


def test_rows_may_come_from_a_generator_or_not_at_all():
    assert format_table(['a'], ([str(i)] for i in range(2))) == 'a\n0\n1'
    assert format_table(['a', 'b'], []) == 'a  b'
    assert to_markdown_table(['a', 'b'], []) == '| a | b |\n| --- | --- |'


@pytest.mark.parametrize('draw', [format_table, to_markdown_table])
@pytest.mark.parametrize('row', [['1'], ['1', '2', '3']], ids=['short', 'long'])
def test_a_row_of_another_length_is_named(draw, row):
    message = rf"row \['1'.* has {len(row)} cells, .* has 2: \['a', 'b'\]"
    with pytest.raises(ValueError, match=message):
        draw(['a', 'b'], [['x', 'y'], row])


def test_an_unknown_column_is_named():
    with pytest.raises(ValueError, match=r"left=\['c'\]: the columns are \['a', 'b'\]"):
        format_table(['a', 'b'], [], left=['a', 'c'])


def test_markdown_escapes_bars():
    assert to_markdown_table(['a'], [['x|y']]).splitlines()[-1] == r'| x\|y |'
