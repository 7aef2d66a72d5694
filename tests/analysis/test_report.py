"""The report is made from summary.json alone."""

import pytest

from mmlth.analysis.report import write_report
from mmlth.core import records
from mmlth.core.layout import Layout
from mmlth.core.records import Summary


def write(work_dir, *metrics):
    rounds = [
        {
            'round': i,
            'sparsity': i / 2,
            'network_sparsity': i / 4,
            'seconds': 1.0,
            'metrics': m,
            'layer_density': {'a.weight': 1 - i / 2},
        }
        for i, m in enumerate(metrics)
    ]
    records.save(Summary(config='c.py', settings={}, rounds=rounds), Layout(work_dir).summary)


def files(work_dir):
    return sorted(str(p.relative_to(work_dir)) for p in work_dir.rglob('*') if p.is_file())


def test_a_report_holds_the_table_the_csv_and_the_figures(tmp_path):
    write(tmp_path, {'coco/bbox_mAP': 0.5}, {'coco/bbox_mAP': 0.25})
    text = write_report(tmp_path)
    assert files(tmp_path) == [
        'report/density_per_layer.pdf',
        'report/density_per_layer.png',
        'report/map_vs_sparsity.pdf',
        'report/map_vs_sparsity.png',
        'report/table.txt',
        'summary.csv',
        'summary.json',
    ]
    assert '-0.250' in text
    assert (tmp_path / 'report' / 'table.txt').read_text() == text + '\n'
    assert (tmp_path / 'summary.csv').read_text().count('\n') == 3


def test_a_report_is_written_again_over_the_old_one(tmp_path):
    write(tmp_path, {'coco/bbox_mAP': 0.5})
    write_report(tmp_path)
    write(tmp_path, {'coco/bbox_mAP': 0.5}, {'coco/bbox_mAP': 0.25})
    assert '-0.250' in write_report(str(tmp_path))


def test_a_job_that_detected_nothing_is_reported_as_that(tmp_path):
    write(tmp_path, {}, {})
    assert 'round 1: the evaluator returned no metric' in write_report(tmp_path)
    assert {'report/map_vs_sparsity.png', 'report/density_per_layer.png'} < set(files(tmp_path))


def test_a_job_without_a_finished_round(tmp_path):
    write(tmp_path)
    assert write_report(tmp_path) == 'no round is finished yet'


def test_a_missing_summary_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'summary\.json does not exist: run'):
        write_report(tmp_path)
    assert not files(tmp_path)
