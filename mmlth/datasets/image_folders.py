"""Image folders, one a class, as a data set of MMDetection; and the transform that packs its samples."""
from pathlib import Path

import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.dataset import BaseDataset
from mmengine.structures import BaseDataElement

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp')


@DATASETS.register_module()
class ImageFolderDataset(BaseDataset):
    """Read ``<data_root>/<data_prefix.img_path>/<class>/**/<image>``, as ImageNet and DigitScenes' crops lie.

    Each sample holds ``img_path`` and ``gt_label``, the index of its class in ``metainfo.classes``; without
    that setting, the folders in alphabetical order are the classes. Other folders are passed over.

    Raises:
        FileNotFoundError: The folder, or that of a class, is missing.
        ValueError: There is no class, or one without an image (``.png``, ``.jpg`` and so on).
    """

    METAINFO = dict(classes=None)

    def load_data_list(self) -> list[dict]:
        """List all samples, by class and then by path."""
        folder = Path(self.data_prefix['img_path'])
        if not folder.is_dir():
            raise FileNotFoundError(f'image folder {folder} does not exist; set data_root and '
                                    'data_prefix.img_path')
        if self._metainfo['classes'] is None:
            self._metainfo['classes'] = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir()))
        if not self._metainfo['classes']:
            raise ValueError(f'{folder} holds no folder, and there should be one for each class')
        return [dict(img_path=str(path), gt_label=label)
                for label, name in enumerate(self._metainfo['classes']) for path in _images(folder / name)]


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f'the folder of a class is missing: {folder}. Check metainfo.classes')
    found = sorted(p for p in folder.rglob('*') if p.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f'{folder} holds no image; known are {", ".join(SUFFIXES)}')
    return found


@TRANSFORMS.register_module()
class PackClassInputs(BaseTransform):
    """Pack ``img`` (H, W, 3) as ``inputs``, a tensor (3, H, W) of its dtype, its label as a data sample."""

    def transform(self, results: dict) -> dict:
        image = torch.from_numpy(results['img'].transpose(2, 0, 1).copy())
        sample = BaseDataElement(metainfo={key: results[key] for key in ('img_path', 'ori_shape', 'img_shape')
                                           if key in results})
        sample.gt_label = results['gt_label']
        return dict(inputs=image, data_samples=sample)
