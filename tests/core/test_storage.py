"""Tied weights and copies that follow another net: found, listed and counted once."""
import pytest
from detectors import build
from torch import nn

from mmlth.core.scope import count_parameters, list_weights
from mmlth.core.storage import aliases_of, shared_names

TIED = {  # config -> (first name, its other names)
    'rtmdet/rtmdet_s_8xb32-300e_coco.py': (
        'bbox_head.cls_convs.0.1.conv.weight',
        ['bbox_head.cls_convs.1.1.conv.weight', 'bbox_head.cls_convs.2.1.conv.weight']),
    'deformable_detr/deformable-detr_r50_16xb2-50e_coco.py': (
        'bbox_head.reg_branches.0.4.weight',
        [f'bbox_head.reg_branches.{i}.4.weight' for i in range(1, 6)]),
    'nas_fpn/retinanet_r50_fpn_crop640-50e_coco.py': (
        'bbox_head.cls_convs.0.3.conv.weight',
        [f'bbox_head.cls_convs.{i}.3.conv.weight' for i in range(1, 5)]),
}
SOFT_TEACHER = 'soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py'


def layer(count=2):
    return nn.Linear(count, count, bias=False)


def pair(teacher, student):
    return nn.ModuleDict(dict(teacher=teacher, student=student))


def test_tied_weights_of_detectors_are_listed_and_counted_once():
    for config, (first, others) in TIED.items():
        model = build(config)
        weights = {w.name: w for w in list_weights(model)}
        assert weights[first].aliases == tuple(others), config
        assert not weights.keys() & shared_names(model).keys(), config
        assert {shared_names(model)[name] for name in others} == {first}, config
        assert count_parameters(model) == sum(p.numel() for p in model.parameters()), config


def test_a_teacher_that_follows_its_student_is_neither_listed_nor_counted():
    model = build(SOFT_TEACHER)
    student = dict(model.student.named_parameters())
    assert shared_names(model) == {f'teacher.{name}': f'student.{name}' for name in student}
    assert count_parameters(model) == sum(p.numel() for p in student.values())
    listed = [w.name for w in list_weights(model)]
    assert listed == [f'student.{w.name}' for w in list_weights(model.student)]


@pytest.mark.parametrize('model', [
    pytest.param(pair(layer(), layer()), id='the teacher is trained'),
    pytest.param(pair(layer(3).requires_grad_(False), layer()), id='another shape'),
    pytest.param(pair(nn.Sequential(layer()).requires_grad_(False), layer()), id='another name'),
    pytest.param(pair(*(layer().requires_grad_(False) for _ in range(2))), id='nothing is trained'),
])
def test_another_net_is_no_follower(model):
    assert shared_names(model) == {}
    assert len(list_weights(model)) == 2
    assert count_parameters(model) == sum(p.numel() for p in model.parameters())


def test_followers_of_tied_weights_lead_to_the_first_name():
    shared, copied = layer(), layer().requires_grad_(False)
    teacher, student = nn.Sequential(copied, copied), nn.Sequential(shared, shared)
    model = nn.ModuleDict(dict(net=pair(teacher, student)))
    first = 'net.student.0.weight'
    assert shared_names(model) == {
        'net.teacher.0.weight': first, 'net.teacher.1.weight': first, 'net.student.1.weight': first}
    assert count_parameters(model) == 4


def test_parameters_of_one_storage_are_one_though_they_are_two_objects():
    model = nn.ModuleDict(dict(a=layer(), b=layer(), c=layer()))
    model.b.weight = nn.Parameter(model.a.weight.data)
    assert model.a.weight is not model.b.weight
    assert aliases_of(model) == {'a.weight': ('b.weight', ), 'c.weight': ()}
    assert [w.name for w in list_weights(model)] == ['a.weight', 'c.weight']
    assert count_parameters(model) == 8


def test_tensors_without_memory_are_told_apart():
    model = nn.ModuleList([nn.Linear(2, 2, device='meta'), nn.Linear(2, 2, device='meta')])
    assert shared_names(model) == {} and count_parameters(model) == 12
