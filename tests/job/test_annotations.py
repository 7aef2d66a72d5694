"""Wrong annotations are named by file, id and field before training."""
import json

import pytest
from mmengine.config import Config

from mmlth.job.annotations import check_annotations
from mmlth.job.class_counts import check_classes
from mmlth.job.coco_annotations import coco_problems
from mmlth.job.voc_annotations import voc_problems

IMAGE = dict(id=7, file_name='a.jpg', height=40, width=40)
BOX = dict(id=1, image_id=7, category_id=1, bbox=[0, 0, 4, 4], area=16)
CATS = [dict(id=1, name='cat'), dict(id=2, name='dog')]


def coco(image=None, box=None, **lists):
    return dict(dict(images=[IMAGE | (image or {})], annotations=[BOX | (box or {})],
                     categories=CATS), **lists)


def without(what, key):
    return {name: value for name, value in what.items() if name != key}


@pytest.mark.parametrize('field', ['area', 'bbox', 'category_id', 'image_id'])
def test_a_missing_field_of_an_annotation_is_named(field):
    (line,) = coco_problems(coco(annotations=[without(BOX, field)]), ['cat'])
    owner = 'None' if field == 'image_id' else '7'
    assert line == f"annotation 1 (of image {owner}) has no '{field}'"


@pytest.mark.parametrize('field', ['width', 'height', 'file_name', 'id'])
def test_a_missing_field_of_an_image_is_named(field):
    (line,) = coco_problems(coco(images=[without(IMAGE, field)]), ['cat'])
    assert line == f"image {None if field == 'id' else 7} has no '{field}'"


@pytest.mark.parametrize('content, message', [
    (coco(images=[]), 'holds no image'),
    ([], 'no list of images, annotations, categories'),
    (coco(annotations=None), 'no list of annotations'),
    (coco(box=dict(bbox=[1, 2, 3])), 'bbox = [1, 2, 3] is not [x, y, width, height]'),
    (coco(box=dict(bbox=[1, 2, 3, float('nan')])), 'is not [x, y, width, height]'),
    (coco(images=[IMAGE, IMAGE]), 'image ids occur twice: 7'),
    (coco(annotations=[BOX, BOX]), 'annotation ids occur twice: 1'),
    (coco(images=['a.jpg']), "an image is 'a.jpg', not a dict"),
])
def test_other_damage_is_named(content, message):
    (line,) = coco_problems(content, ['cat'])
    assert message in line


def test_unlabelled_images_need_no_list_of_annotations():
    """COCO's unlabelled set has none, and MMDet reads it so."""
    content = without(coco(), 'annotations')
    assert list(coco_problems(content, ['cat'], filter_cfg=dict(filter_empty_gt=False))) == []
    (line,) = coco_problems(content, ['cat'], filter_cfg=dict(filter_empty_gt=True))
    assert 'no image is left' in line


def test_classes_that_are_no_categories_are_named_with_those_there_are():
    (line,) = coco_problems(coco(), ['cat', 'bird'])
    assert "no category of the file: 'bird'; its categories are 'cat', 'dog'" in line


@pytest.mark.parametrize('filter_cfg, count', [
    (dict(filter_empty_gt=True, min_size=32), 0), (dict(min_size=41), 1)])
def test_a_filter_that_leaves_nothing_is_named(filter_cfg, count):
    found = list(coco_problems(coco(), ['cat'], filter_cfg=filter_cfg))
    assert len(found) == count
    only_dogs = list(coco_problems(coco(), ['dog'], filter_cfg=dict(filter_empty_gt=True)))
    assert 'no image is left' in only_dogs[0]


@pytest.mark.parametrize('content, message', [
    (coco(annotations=[None]), 'an annotation is None, not a dict'),
    (coco(categories=[*CATS, 'bird']), "a category is 'bird', not a dict"),
    (coco(box=dict(category_id=[1])), 'category_id = [1] is no id'),
    (coco(image=dict(width='40')), "width = '40' is no number")])
def test_damage_is_named_where_a_filter_would_count(content, message):
    found = list(coco_problems(content, ['cat'], filter_cfg=dict(filter_empty_gt=True, min_size=3)))
    assert len(found) == 1 and message in found[0]


def test_good_annotations_and_ignored_ones_pass():
    assert not list(coco_problems(coco(), ['cat']))
    ignored = dict(id=2, image_id=7, ignore=True)
    assert not list(coco_problems(coco(annotations=[BOX, ignored]), ['dog', 'cat']))


def detector_config(folder, train, val=None):
    for name, content in dict(train=train, val=val or coco()).items():
        (folder / f'{name}.json').write_text(json.dumps(content))
    (folder / 'images').mkdir()
    (folder / 'images' / 'a.jpg').write_text('')

    def loader(name):
        return dict(dataset=dict(
            type='CocoDataset', data_root=str(folder), ann_file=f'{name}.json',
            data_prefix=dict(img='images/'), metainfo=dict(classes=('cat', 'dog'))))
    return Config(dict(
        default_scope='mmdet', custom_imports=dict(imports=['mmdet.datasets']),
        train_dataloader=dict(dataset=dict(
            type='RepeatDataset', dataset=loader('train')['dataset'])),
        val_dataloader=loader('val'),
        model=dict(type='Detector', rpn_head=dict(type='RPNHead', num_classes=1), roi_head=[
            dict(type='Shared2FCBBoxHead', num_classes=2)])))


@pytest.fixture(scope='module', autouse=True)
def _mmdet():
    import mmdet.datasets  # noqa: F401


def test_all_data_sets_are_named_at_once(tmp_path):
    cfg = detector_config(tmp_path, coco(annotations=[without(BOX, 'area')]),
                          coco(image=dict(file_name='b.jpg')))
    with pytest.raises(ValueError, match='(?s)train_dataloader.dataset.dataset .train.json.*'
                                         "annotation 1 .of image 7. has no 'area'.*"
                                         'val_dataloader.dataset .val.json.*'
                                         '1 of 1 images are not in .*images: b.jpg'):
        check_annotations(cfg)


def test_a_long_list_is_cut(tmp_path):
    boxes = [without(BOX, 'area') | dict(id=i) for i in range(9)]
    with pytest.raises(ValueError, match='and 4 more$'):
        check_annotations(detector_config(tmp_path, coco(annotations=boxes)))


def test_a_good_config_passes(tmp_path):
    cfg = detector_config(tmp_path, coco())
    check_annotations(cfg)
    check_classes(cfg)


@pytest.mark.parametrize('kind', ['LVISV1Dataset', 'LVISV05Dataset', 'Objects365V2Dataset'])
def test_what_a_data_set_reads_in_its_own_way_is_left_to_it(tmp_path, kind):
    """LVIS v1 names images by coco_url, Objects365 v2 by folders that aren't there."""
    image = without(coco()['images'][0], 'file_name') | dict(coco_url='http://a/b/a.jpg')
    cfg = detector_config(tmp_path, {**coco(), 'images': [image]})
    cfg.train_dataloader.dataset.dataset.type = kind
    check_annotations(cfg)


def test_grounding_dino_says_num_classes_of_the_length_of_its_texts(tmp_path):
    cfg = detector_config(tmp_path, coco())
    cfg.model.bbox_head = dict(type='GroundingDINOHead', num_classes=256)
    check_classes(cfg)


def test_a_wrong_class_count_is_named_by_its_key(tmp_path):
    cfg = detector_config(tmp_path, coco())
    cfg.model.roi_head[0].num_classes = 80
    with pytest.raises(ValueError, match=r'has 2 classes.*model.roi_head.0.num_classes = 80.*'
                                         '--cfg-options model.roi_head.0.num_classes=2'):
        check_classes(cfg)


def voc(folder, **files):
    (folder / 'ids.txt').write_text('\n'.join(files) + '\n')
    for name, text in files.items():
        if text:
            (folder / f'{name}.xml').write_text(text)
    return list(voc_problems(folder / 'ids.txt', folder, ['cat']))


SIDES = ''.join(f'<{side}>1</{side}>' for side in ('xmin', 'ymin', 'xmax', 'ymax'))
CAT = f'<object><name>cat</name><bndbox>{SIDES}</bndbox></object>'


def test_voc_annotations_are_named_by_file_and_field(tmp_path):
    found = voc(
        tmp_path,
        good=f'<annotation>{CAT}</annotation>',
        absent='',
        torn='<annotation>',
        boxless='<annotation><object><name>cat</name></object></annotation>',
        nameless='<annotation><object/></annotation>',
        sizeless=f'<annotation><size><width>3</width></size>{CAT}</annotation>')
    assert [line.partition(str(tmp_path) + '/')[2] for line in found] == [
        'absent.xml does not exist',
        'torn.xml is no XML: no element found: line 1, column 12',
        'boxless.xml: object 1 (cat) has no bndbox/xmin ymin xmax ymax',
        'nameless.xml: object 1 has no name',
        'sizeless.xml: size has no width or no height',
    ]


def test_voc_of_other_classes_is_named(tmp_path):
    (line,) = voc(tmp_path, a=f'<annotation>{CAT.replace("cat", "dog")}</annotation>')
    assert 'no object is of the classes of the data set (cat); in' in line
    assert voc(tmp_path, **{}) == ['names no image']
