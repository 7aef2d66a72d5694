"""Records survive JSON unchanged, and strange files are refused by name."""
import dataclasses
import json

import pytest

from mmlth.core import records
from mmlth.core.records import RoundRecord, Summary

RECORD = RoundRecord(
    round=1, sparsity=0.2, network_sparsity=0.1, kept=8, scope_size=10, parameters=20,
    metrics={'coco/bbox_mAP': 0.1 + 0.2}, seconds=1.5, steps=100,
    ticket='round_01/ticket.safetensors',
    checkpoint='round_01/iter_100.pth', layer_density={'a.weight': 0.8},
    policies=dict(rewind_step=0, ema=None), digests=dict(masks='ab'))
SUMMARY = Summary(config='c.py', settings=dict(rounds=1), rounds=[vars(RECORD)], seconds=1.5)
KINDS = pytest.mark.parametrize('record, load', [
    pytest.param(RECORD, records.load_round, id='round'),
    pytest.param(SUMMARY, records.load_summary, id='summary')])


def edit(record, path, drop=(), **changes):
    values = {k: v for k, v in dataclasses.asdict(record).items() if k not in drop}
    path.write_text(json.dumps({**values, **changes}))
    return path


@KINDS
def test_a_record_comes_back_as_it_was(record, load, tmp_path):
    records.save(record, tmp_path / 'a.json')
    assert load(tmp_path / 'a.json') == record


@KINDS
def test_the_version_is_on_disk(record, load, tmp_path):
    records.save(record, tmp_path / 'a.json')
    assert json.loads((tmp_path / 'a.json').read_text())['version'] == records.FORMAT_VERSION == 1


@KINDS
@pytest.mark.parametrize('edits, message', [
    pytest.param(dict(drop=['seconds']), r"missing fields \['seconds'\], unknown fields \[\]",
                 id='missing'),
    pytest.param(dict(extra=1), r"missing fields \[\], unknown fields \['extra'\]", id='unknown'),
    pytest.param(dict(version=2), 'format version 2, but this mmlth reads 1', id='future version'),
    pytest.param(dict(drop=['version']), 'format version None', id='no version'),
])
def test_other_fields_and_versions(record, load, tmp_path, edits, message):
    path = edit(record, tmp_path / 'record.json', **edits)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf'record\.json: {message}'):
        load(path)
    assert path.read_bytes() == before


@KINDS
@pytest.mark.parametrize('text, message', [
    pytest.param('[]', "format version 'list'", id='a list'),
    pytest.param('{"round": 1', 'not valid JSON', id='cut off'),
])
def test_other_json(record, load, tmp_path, text, message):
    (tmp_path / 'record.json').write_text(text)
    with pytest.raises(ValueError, match=rf'record\.json.*{message}'):
        load(tmp_path / 'record.json')


@KINDS
def test_a_missing_file_is_named(record, load, tmp_path):
    with pytest.raises(FileNotFoundError, match='record.json'):
        load(tmp_path / 'record.json')


def test_a_record_is_not_a_summary(tmp_path):
    records.save(RECORD, tmp_path / 'record.json')
    with pytest.raises(ValueError, match=r"missing fields \['config', 'rounds', 'settings'\]"):
        records.load_summary(tmp_path / 'record.json')


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECORD.kept = 9
