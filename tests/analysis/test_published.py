"""The published studies' records are still read."""
from pathlib import Path

from mmlth.analysis import tables
from mmlth.core.records import load_summary

RECORDS = sorted((Path(__file__).parents[2] / 'docs' / 'experiments').rglob('records/*.json'))


def test_every_published_record_is_read_and_can_be_shown():
    assert len(RECORDS) > 100
    for path in RECORDS:
        summary = load_summary(path)
        assert summary.rounds and summary.rounds[0]['round'] == 0, path.name
        assert str(summary.rounds[-1]['round']) in tables.to_text(summary), path.name
