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


def difference(ours, theirs):
    """Mean and interval, as the pages write them."""
    found = paired(ours, theirs)
    low, high = t_interval(found)
    return f'{fmean(found):+.3f} [{low:+.3f}, {high:+.3f}]'
