"""When an early bird looks at the mask, and when it ends a training."""
import pytest

from mmlth.core.early_bird import EarlyBird, settled


@pytest.mark.parametrize('settings, message', [
    (dict(interval=0), 'interval=0 must be a whole number of steps.*at least 1'),
    (dict(interval=-5), 'interval=-5 must be'),
    (dict(interval=2.5), 'interval=2.5 must be'),
    (dict(interval=True), 'interval=True must be'),
    (dict(patience=0), 'patience=0 must be a whole number of masks, at least 1'),
    (dict(patience=None), 'patience=None must be'),
    (dict(tolerance=0), r'tolerance=0 must be in \(0, 1\)'),
    (dict(tolerance=1.0), 'tolerance=1.0 must be'),
    (dict(tolerance='low'), "tolerance='low' must be"),
    (dict(tolerance=True), 'tolerance=True must be'),
    (dict(fraction=0), r'fraction=0 must be in \(0, 1\]'),
    (dict(fraction=1.01), 'fraction=1.01 must be'),
    (dict(fraction='half'), "fraction='half' must be"),
    (dict(fraction=True), 'fraction=True must be')])
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=f'early_bird: {message}'):
        EarlyBird(**settings)


@pytest.mark.parametrize('settings, steps, begin, expected', [
    pytest.param(dict(), 1000, 0, (20, 1000), id='a fiftieth'),
    pytest.param(dict(), 12, 0, (1, 12), id='a fiftieth of a short training'),
    pytest.param(dict(interval=100), 1000, 0, (100, 1000), id='given'),
    pytest.param(dict(fraction=0.5, interval=7), 1000, 0, (7, 500), id='half'),
    pytest.param(dict(fraction=1.0, interval=1000), 1000, 0, (1000, 1000), id='watch only'),
    pytest.param(dict(fraction=0.001, interval=1), 12, 0, (1, 1), id='at least one step'),
    pytest.param(dict(fraction=0.5, interval=1), 12, 6, (1, 6), id='just when w_k is captured'),
    pytest.param(dict(interval=100, patience=2), 801, 501, (100, 801),
                 id='looks at 600, 700, 800')])
def test_plan(settings, steps, begin, expected):
    assert EarlyBird(**settings).plan(steps, begin) == expected


@pytest.mark.parametrize('settings, steps, begin, message', [
    (dict(interval=13), 12, 0, 'interval=13 is longer than the training, which has 12 steps'),
    (dict(interval=13, fraction=0.5), 12, 0, 'interval=13 is longer than the training'),
    (dict(interval=1, fraction=0.25), 12, 4,
     'fraction=0.25 ends the training at step 3, before.*at step 4'),
    (dict(interval=2, patience=6), 12, 0,
     'from step 0 on, every interval=2 .* patience=6 could not .* 12'),
    (dict(interval=100, patience=2), 800, 501, 'from step 600 on'),
    (dict(interval=1), 12, 7, 'from step 7 on.*fraction=1.0')])
def test_what_cannot_work_is_refused(settings, steps, begin, message):
    with pytest.raises(ValueError, match=f'early_bird: .*{message}'):
        EarlyBird(**settings).plan(steps, begin)


@pytest.mark.parametrize('distances, patience, expected', [
    ([], 1, False),
    ([0.1], 1, True),
    ([0.1], 2, False),
    ([0.1, 0.1], 2, True),
    ([0.9, 0.1, 0.1], 2, True),
    ([0.1, 0.9, 0.1], 2, False),
    ([0.1, 0.2], 2, False),
    ([0.0, 0.0, 0.0], 3, True),
])
def test_settled_asks_the_last_ones_to_be_below(distances, patience, expected):
    assert settled(distances, 0.2, patience) == expected
