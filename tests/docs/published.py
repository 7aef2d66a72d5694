"""What tests of published pages read: tables, records, and differences as pages write them."""
import csv
from statistics import fmean

from conftest import ROOT

from mmlth.analysis.statistics import paired, t_interval

PUBLISHED = ROOT / 'docs' / 'experiments'
BOXES = 'coco/bbox_mAP'


def rows_of(experiment):
    with open(PUBLISHED / f'{experiment}.csv', newline='') as file:
        return list(csv.DictReader(file))


def text_of(page):
    """The text of a page on one line."""
    return ' '.join((PUBLISHED / page).read_text().split())


def by_seed(experiment, x, detector='faster-rcnn'):
    """seed -> mAP of the trainings nearest to a place on the x axis; None: of the dense nets."""
    found = {}
    for row in rows_of(experiment):
        dense = row['round'] == '0'
        if row['control'] or not row['job'].startswith(detector) or dense != (x is None):
            continue
        if dense or abs(float(row['x']) - x) < 0.1:
            found[int(row['seed'])] = float(row[BOXES])
    return found


def difference(ours, theirs):
    """Mean and interval, as the pages write them."""
    found = paired(ours, theirs)
    low, high = t_interval(found)
    return f'{fmean(found):+.3f} [{low:+.3f}, {high:+.3f}]'
