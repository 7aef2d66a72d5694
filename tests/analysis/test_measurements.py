"""Means over jobs, changes beside the dense net of the same job, and the table of both."""
import csv
import io
import math

import pytest

from mmlth.analysis.measurements import Measurement, average, to_csv, to_text
from mmlth.analysis.statistics import t_interval


def one(training, value, job='a', item='small', **fields):
    return Measurement(question='size', job=job, training=training, task='bbox', item=item,
                       value=value, **fields)


def test_a_change_is_that_from_the_dense_net_of_the_same_job():
    measured = [one('dense', 0.5), one('dense', 0.7, 'b'), one('80%', 0.4), one('80%', 0.5, 'b')]
    dense, ticket = average(measured)
    assert (dense.value, dense.n) == (pytest.approx(0.6), 2) and math.isnan(dense.change)
    assert ticket.change == pytest.approx(-0.15)
    low, high = t_interval([-0.1, -0.2])
    assert ticket.half == pytest.approx((high - low) / 2)


def test_a_job_without_a_dense_value_counts_in_the_mean_alone():
    *_, ticket = average([one('dense', 0.5), one('80%', 0.25), one('80%', 0.75, 'b')])
    assert (ticket.value, ticket.n, ticket.change) == (0.5, 2, -0.25)


def test_the_table_shows_values_and_changes():
    measured = [one('dense', 0.5, objects=1200), one('80%', 0.25, objects=1200),
                one('dense', 0.0, item='large'), one('80%', math.nan, item='large')]
    lines = to_text(average(measured)).splitlines()
    assert lines[0] == 'size'
    assert lines[2].split() == ['bbox', 'small', '1,200', '1', '0.500', '0.250', '(-50%)']
    assert lines[3].split() == ['bbox', 'large', '-', '1', '0.000', '-']


def test_an_interval_stands_in_the_table_where_there_are_several_jobs():
    measured = [one(training, value, job) for job, dense, ticket in
                [('a', 0.5, 0.4), ('b', 0.5, 0.4)] for training, value in
                [('dense', dense), ('80%', ticket)]]
    assert '0.400 (-20% ± 0)' in to_text(average(measured))


def test_what_is_in_points_shows_the_difference():
    measured = [one('dense', 0.0, shows='points'), one('80%', 12.5, shows='points')]
    assert to_text(average(measured)).endswith('0.000  12.500 (+12.5)')


def test_csv_leaves_what_does_not_exist_empty():
    rows = list(csv.DictReader(io.StringIO(to_csv(average([one('dense', math.nan)])))))
    assert [(row['training'], row['n'], row['value'], row['vs_dense']) for row in rows] == [
        ('dense', '1', '', '')]
