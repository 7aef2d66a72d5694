"""A few hundred inputs of what ``benchmarks/fuzz_readers.py`` gives to the readers."""
import json
import sys
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).resolve().parents[1] / part) for part in ('core', 'study')]
pytest.importorskip('hypothesis')

import fuzzing
from ticket_files import write

from mmlth.core.files import read_json
from mmlth.core.records import load_round, save
from mmlth.core.ticket import TicketError, load_ticket


@pytest.mark.parametrize('name', fuzzing.READERS)
def test_only_documented_errors(name):
    found = fuzzing.fuzz(name, 25)
    assert found.inputs >= 25 and found.others == []


@pytest.mark.parametrize('text', ['[' * 100000, '1' * 5000, '{"a": '])
def test_json_that_python_cannot_read_is_named(tmp_path, text):
    (tmp_path / 'imp.json').write_text(text)
    with pytest.raises(ValueError, match='imp.json is not valid JSON'):
        read_json(tmp_path / 'imp.json')


@pytest.mark.parametrize('header', [[1], 3, dict(fuzzing.HEADER, shapes=[2]),
                                    dict(fuzzing.HEADER, shapes={'a.weight': [10**12]}),
                                    dict(fuzzing.HEADER, shapes={'a.weight': ['x']}),
                                    dict(fuzzing.HEADER, rewind_file=3)])
def test_a_header_of_other_types_is_refused(tmp_path, header):
    write(tmp_path / 't', header=json.dumps(header))
    with pytest.raises(TicketError, match=f'{tmp_path}/t: '):
        load_ticket(tmp_path / 't')


@pytest.mark.parametrize('field, value', [('round', 'x'), ('metrics', {'mAP': 'high'}),
                                          ('digests', []), ('seconds', None), ('steps', True)])
def test_a_record_of_other_types_is_refused(tmp_path, field, value):
    save(fuzzing.RECORD, tmp_path / 'record.json')
    known = json.loads((tmp_path / 'record.json').read_text())
    assert load_round(tmp_path / 'record.json').round == 1
    (tmp_path / 'record.json').write_text(json.dumps({**known, field: value}))
    with pytest.raises(ValueError, match=f"record.json: field '{field}'"):
        load_round(tmp_path / 'record.json')
