"""A config that doesn't exist is answered with those that may have been meant."""
import pytest

from mmlth.engine.config_files import load_config
from mmlth.engine.config_names import configs_of, similar_configs

RETINANET = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'


@pytest.mark.parametrize('given', [
    'retinanet_r50_fpn_1x_coco',
    'retinanet_r50_fpn_1x_coco.py',
    'configs/retinanet/retinanet_r50_fpn_1x_coco.py',
    'mmdet::retinanet_r50_fpn_1x_coco.py',
    'mmdet::retinanet/retinanet_r50_fpn_1x_coco'])
def test_the_right_name_in_the_wrong_place_has_one_answer(given):
    assert similar_configs(given) == [RETINANET]


@pytest.mark.parametrize('given', [
    'retinanet_r50_fnp_1x_coco', 'mmdet::retinanet_r50_fpn_1x_coc.py'])
def test_a_slip_is_answered_with_the_nearest_first(given):
    first, *others = similar_configs(given)
    assert first == RETINANET and len(others) <= 2


def test_the_files_beside_it_are_looked_at_too(tmp_path):
    for name in ('my_detector.py', 'other.py'):
        (tmp_path / name).write_text('')
    assert similar_configs(str(tmp_path / 'my_detektor.py')) == [str(tmp_path / 'my_detector.py')]


def test_nothing_is_made_up():
    assert similar_configs('nonsense') == []
    assert similar_configs('no_such_package::retinanet_r50_fpn_1x_coco') == []


def test_bases_are_no_configs():
    name = 'coco_detection.py'
    assert list((configs_of('mmdet') / '_base_').rglob(name)) and similar_configs(name) == []


def test_the_error_says_what_was_looked_for_and_what_may_have_been_meant():
    with pytest.raises(FileNotFoundError) as raised:
        load_config('retinanet_r50_fpn_1x_coco')
    assert str(raised.value) == (
        "config 'retinanet_r50_fpn_1x_coco' does not exist (looked for retinanet_r50_fpn_1x_coco); "
        f'did you mean {RETINANET}?')
