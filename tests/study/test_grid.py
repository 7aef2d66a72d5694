"""Entries with lists of settings, expanded."""
import pytest

from mmlth.study.grid import expand


@pytest.mark.parametrize('entry, found', [
    pytest.param({}, [{}], id='nothing is one job'),
    pytest.param(dict(rounds=2), [dict(rounds=2)], id='no list'),
    pytest.param(dict(rounds=[1, 2], seed=[0, 1]),
                 [dict(rounds=r, seed=s) for r in (1, 2) for s in (0, 1)],
                 id='the last list runs fastest'),
    pytest.param(dict(rounds=[3]), [dict(rounds=3)], id='a list of one'),
    pytest.param(dict(scope=[('backbone', 'neck'), 'all']),
                 [dict(scope=('backbone', 'neck')), dict(scope='all')],
                 id='a tuple is one value'),
    pytest.param(dict(schedule=(0.5, [0.8])), [dict(schedule=(0.5, [0.8]))],
                 id='a list in a tuple is left alone'),
    pytest.param(dict(early_bird=dict(fraction=[0.1, 0.2], patience=3), seed=[0]),
                 [dict(early_bird=dict(fraction=0.1, patience=3), seed=0),
                  dict(early_bird=dict(fraction=0.2, patience=3), seed=0)], id='lists in a dict'),
    pytest.param(dict(transfer=dict(source=dict(seed=[0, 1]), values=['trained', 'none'])),
                 [dict(transfer=dict(source=dict(seed=s), values=v))
                  for s in (0, 1) for v in ('trained', 'none')],
                 id='lists two deep'),
    pytest.param(dict(early_bird={}, x=None), [dict(early_bird={}, x=None)],
                 id='an empty dict is a value'),
    pytest.param(dict(cfg_options={'model.depth': [18, 50]}),
                 [dict(cfg_options={'model.depth': 18}), dict(cfg_options={'model.depth': 50})],
                 id='a dotted key stays one key')])
def test_an_entry_becomes_the_product_of_its_lists(entry, found):
    assert expand(entry) == found


def test_the_order_of_keys_is_that_of_the_entry():
    assert [list(e) for e in expand(dict(b=[1, 2], a=0))] == [['b', 'a'], ['b', 'a']]


def test_expanded_entries_share_no_dict():
    first, second = expand(dict(transfer=dict(source=dict(seed=0)), rounds=[1, 2]))
    first['transfer']['source']['seed'] = 5
    assert second['transfer']['source']['seed'] == 0


def test_refuses_an_empty_list_and_names_it():
    with pytest.raises(ValueError, match=(
            r'transfer\.source\.seed=\[\] is an empty list: give at least one value')):
        expand(dict(rounds=[1], transfer=dict(source=dict(seed=[]))))
