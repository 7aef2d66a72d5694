"""DigitScenes: the VOC form says what the COCO form says."""

from xml.etree import ElementTree

from digit_scenes_files import read, read_picture

from mmlth.datasets.digit_scenes import CLASSES
from mmlth.datasets.digit_scenes.meta import SPLITS


def test_voc_agrees_with_coco(digit_scenes):
    lists = {
        path.stem: path.read_text().split()
        for path in (digit_scenes / 'VOC2007' / 'ImageSets' / 'Main').glob('*.txt')
    }
    assert (
        lists['test'] == lists['val']
        and lists['trainval'] == lists['train'] + lists['val']
    )
    for split in SPLITS:
        content = read(digit_scenes, split)
        assert [image['file_name'][:6] for image in content['images']] == lists[split]
        for image in content['images']:
            expected = [
                record
                for record in content['annotations']
                if record['image_id'] == image['id']
            ]
            compare_voc(digit_scenes, image, expected)


def compare_voc(digit_scenes, image, expected):
    stem = image['file_name'][:6]
    tree = ElementTree.parse(digit_scenes / 'VOC2007' / 'Annotations' / f'{stem}.xml')
    picture = read_picture(digit_scenes, image['id'])
    size = [
        int(tree.find(f'size/{side}').text) for side in ('height', 'width', 'depth')
    ]
    assert size == list(picture.shape) == [image['height'], image['width'], 3]
    assert set(picture.shape[:2]) <= {160, 176, 192}
    rows = [
        [
            node.find('name').text,
            int(node.find('difficult').text),
            int(node.find('truncated').text),
        ]
        + [
            int(node.find(f'bndbox/{side}').text)
            for side in ('xmin', 'ymin', 'xmax', 'ymax')
        ]
        for node in tree.iter('object')
    ]
    assert rows == [voc_row(record) for record in expected]


def voc_row(record):
    x, y, width, height = record['bbox']
    return [
        CLASSES[record['category_id'] - 1],
        record['iscrowd'],
        record['truncated'],
        x + 1,
        y + 1,
        x + width,
        y + height,
    ]
