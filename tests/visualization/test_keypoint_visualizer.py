"""Which pixels change where keypoints and bones are drawn, and to what colour."""

from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmlth.visualization import KeypointLocalVisualizer
from mmlth.visualization.keypoint_visualizer import LEFT, MIDDLE, RIGHT

# nose, left and right ear, tail
META = dict(
    classes=('cat',),
    palette=[(220, 20, 60)],
    skeleton=[(0, 1), (0, 2), (1, 2), (1, 3)],
    flip_pairs=[(1, 2)],
)
NOSE, LEFT_EAR, RIGHT_EAR, TAIL = (60, 40), (100, 80), (20, 80), (100, 150)


def visualizer(meta=META, **settings):
    made = KeypointLocalVisualizer(**settings)
    made.dataset_meta = meta
    return made


def cat(seen=(2, 2, 2, 2), **fields):
    """One animal; a keypoint is the centre of the pixel of its index."""
    points = [
        (x + 0.5, y + 0.5, v)
        for (x, y), v in zip((NOSE, LEFT_EAR, RIGHT_EAR, TAIL), seen, strict=True)
    ]
    return InstanceData(
        keypoints=torch.tensor([points]), labels=torch.tensor([0]), **fields
    )


def image(height=180, width=160):
    """A ramp, so that a shifted or resized picture shows."""
    rows, columns = np.mgrid[:height, :width] % 64
    return np.stack([rows, columns, rows + columns], -1).astype(np.uint8)


def draw(made, instances, background=None):
    background = image() if background is None else background
    made.add_datasample(
        'cat', background, DetDataSample(gt_instances=instances), draw_pred=False
    )
    return made.get_image()


def at(picture, position):
    x, y = position
    return tuple(int(value) for value in picture[int(y), int(x)])


def changed_near(picture, position, background, reach=4):
    x, y = position
    window = np.s_[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
    return bool((picture[window] != background[window]).any())


def middle(first, second):
    return (first[0] + second[0]) // 2, (first[1] + second[1]) // 2


def test_colors_tell_the_sides_apart():
    cases = [
        # nose
        (NOSE, MIDDLE),
        # left ear
        (LEFT_EAR, LEFT),
        # right ear
        (RIGHT_EAR, RIGHT),
        # tail
        (TAIL, MIDDLE),
    ]
    for position, color in cases:
        assert at(draw(visualizer(), cat()), position) == color


def test_bones_have_the_color_of_their_side():
    cases = [
        # left
        (NOSE, LEFT_EAR, LEFT),
        # right
        (NOSE, RIGHT_EAR, RIGHT),
        # one end has a side
        (LEFT_EAR, TAIL, LEFT),
        # across
        (LEFT_EAR, RIGHT_EAR, MIDDLE),
    ]
    for first, second, color in cases:
        x, y = middle(first, second)
        near = (
            draw(visualizer(), cat())[y - 2 : y + 3, x - 2 : x + 3]
            .reshape(-1, 3)
            .astype(int)
        )
        distance = {c: abs(near - c).sum(1).min() for c in (LEFT, RIGHT, MIDDLE)}
        assert (
            distance[color] == min(distance.values()) < 150
        )  # a thin line is blended with the image


def test_a_keypoint_that_is_not_labelled_and_its_bones_are_not_drawn():
    for hidden in range(4):
        seen = [2, 1, 2, 1]
        seen[hidden] = 0
        picture = draw(visualizer(), cat(seen))
        positions = (NOSE, LEFT_EAR, RIGHT_EAR, TAIL)
        drawn = [changed_near(picture, position, image()) for position in positions]
        assert drawn == [v > 0 for v in seen]
        for first, second in META['skeleton']:
            between = middle(positions[first], positions[second])
            assert changed_near(picture, between, image()) == (
                hidden not in (first, second)
            )


def test_nothing_else_changes():
    picture = draw(visualizer(), cat(seen=(0, 0, 0, 2)))
    x, y = TAIL
    where = np.argwhere((picture != image()).any(-1))
    assert len(where) > 0 and (abs(where - (y, x)) <= 3).all()


def test_a_dot_on_the_border_does_not_move_the_image():
    corner = InstanceData(keypoints=torch.tensor([[[0.5, 0.5, 2], [159.5, 179.5, 2]]]))
    with pytest.warns(UserWarning, match='out of bounds'):
        picture = draw(visualizer(dict(META, skeleton=[], flip_pairs=[])), corner)
    assert at(picture, (0, 0)) == at(picture, (159, 179)) == MIDDLE
    np.testing.assert_array_equal(picture[5:-5], image()[5:-5])


def test_without_a_skeleton_there_are_dots_alone():
    picture = draw(visualizer(dict(classes=('cat',))), cat())
    assert {
        at(picture, position) for position in (NOSE, LEFT_EAR, RIGHT_EAR, TAIL)
    } == {MIDDLE}
    assert not changed_near(picture, middle(LEFT_EAR, RIGHT_EAR), image())


def test_dots_grow_with_the_image():
    def area(side):
        background = np.zeros((side, side, 3), np.uint8)
        return (
            (draw(visualizer(), cat((0, 0, 0, 2)), background) == MIDDLE).all(-1).sum()
        )

    assert area(1080) > 9 * area(180) > 0


def test_without_keypoints_the_picture_is_mmdets():
    cases = [
        # none found
        cat()[:0],
        # none labelled
        cat((0, 0, 0, 0)),
        # no keypoints
        InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long()),
    ]
    for instances in cases:
        np.testing.assert_array_equal(draw(visualizer(), instances), image())


def test_boxes_are_still_drawn():
    box = torch.tensor([[10.0, 20.0, 120.0, 170.0]])
    picture = draw(visualizer(), cat(bboxes=box))
    assert changed_near(picture, (120, 100), image(), reach=1)
    assert at(picture, TAIL) == MIDDLE


def test_arrays_are_drawn_as_tensors_are():
    instances = cat()
    expected = draw(visualizer(), instances)
    instances.keypoints = instances.keypoints.numpy()
    np.testing.assert_array_equal(draw(visualizer(), instances), expected)


def test_predicted_keypoints_need_a_score():
    cases = [
        ({}, [False, False, True, True]),
        (dict(kpt_thr=0.5), [False, False, False, True]),
    ]
    for settings, drawn in cases:
        made = visualizer(**settings)
        found = cat((0.0, 0.04, 0.06, 0.9), scores=torch.tensor([0.8]))
        made.add_datasample(
            'cat', image(), DetDataSample(pred_instances=found), draw_gt=False
        )
        positions = (NOSE, LEFT_EAR, RIGHT_EAR, TAIL)
        assert [
            changed_near(made.get_image(), position, image()) for position in positions
        ] == drawn


def test_a_threshold_that_would_hide_labelled_points_is_refused():
    cases = [
        -0.1,
        1,
        2,
    ]
    for value in cases:
        with pytest.raises(
            ValueError, match=f'kpt_thr={value}: allowed is 0 <= kpt_thr < 1'
        ):
            KeypointLocalVisualizer(kpt_thr=value)


def test_mmdets_hook_draws_ground_truth_beside_predictions(tmp_path):
    init_default_scope('mmdet')  # other tests in this process leave theirs
    made = VISUALIZERS.build(dict(type='KeypointLocalVisualizer', name='keypoint_test'))
    made.dataset_meta = META
    hook = DetVisualizationHook(draw=True, test_out_dir='pictures')
    path = tmp_path / 'cat.png'
    mmcv.imwrite(image()[..., ::-1], str(path))
    data = DetDataSample(
        gt_instances=cat((0, 0, 0, 2)),
        metainfo=dict(img_path=str(path)),
        pred_instances=cat((0.0, 0.9, 0.0, 0.0), scores=torch.tensor([0.8])),
    )
    hook.after_test_iter(
        SimpleNamespace(work_dir=str(tmp_path), timestamp='now'), 0, {}, [data]
    )
    picture = mmcv.imread(
        str(tmp_path / 'now' / 'pictures' / 'cat.png'), channel_order='rgb'
    )
    truth, found = picture[:, :160], picture[:, 160:]
    assert at(truth, TAIL) == MIDDLE and not changed_near(truth, LEFT_EAR, image())
    assert at(found, LEFT_EAR) == LEFT and not changed_near(found, TAIL, image())
