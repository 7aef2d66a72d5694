import pytest

from mmlth.core.collapse import collapsed, describe_collapse


@pytest.mark.parametrize('share, is_collapsed', [
    (0.0, True), (0.0019, True), (0.002, False), (0.2, False), (1.0, False)])
def test_a_tensor_has_collapsed_below_a_hundredth_of_its_fair_share(share, is_collapsed):
    assert ('conv' in collapsed({'conv': share}, density=0.2)) == is_collapsed


def test_the_emptiest_tensors_are_named_first_with_the_ways_out():
    found = {f'layer{i}': i / 10000 for i in range(1, 8)} | {'head': 0.0}
    text = describe_collapse(found)
    assert text.startswith('8 tensors keep less than 1% of their fair share: head (nothing), '
                           'layer1 (0.01%), layer2 (0.02%)')
    assert 'and 3 more' in text and all(w in text for w in ('min_kept', 'erk', 'exclude'))
    assert describe_collapse({'fc': 0.0}).startswith('1 tensor keeps less than 1% of its fair')
