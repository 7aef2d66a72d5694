"""Image folders, one a class, as a data set of MMDetection; the transform that packs samples."""
from pathlib import Path
from typing import Any, ClassVar

import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.dataset import BaseDataset
from mmengine.structures import BaseDataElement

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp')
_PACKED_KEYS = ('img_path', 'ori_shape', 'img_shape')


@DATASETS.register_module()
class ImageFolderDataset(BaseDataset):
    """Read ``<data_root>/<data_prefix.img_path>/<class>/**/<image>``.

    So lie ImageNet and the crops of DigitScenes. Each sample holds ``img_path`` and ``gt_label``,
    the index of its class in ``metainfo.classes``; without that setting, the folders in
    alphabetical order are the classes. Other folders are passed over.

    Raises:
        FileNotFoundError: The folder, or that of a class, is missing.
        ValueError: There is no class, or one without an image (``.png``, ``.jpg`` and so on).
    """

    METAINFO: ClassVar[dict[str, Any]] = dict(classes=None)

    def load_data_list(self) -> list[dict]:
        """List all samples, by class and then by path."""
        folder = Path(self.data_prefix['img_path'])
        if not folder.is_dir():
            raise FileNotFoundError(
                f'image folder {folder} does not exist; set data_root and data_prefix.img_path'
            )
        if self._metainfo['classes'] is None:
            names = sorted(path.name for path in folder.iterdir() if path.is_dir())
            self._metainfo['classes'] = tuple(names)
        classes = self._metainfo['classes']
        if not classes:
            raise ValueError(f'{folder} holds no folder, and there should be one for each class')
        samples = []
        for label, name in enumerate(classes):
            paths = _images(folder / name)
            samples += [dict(img_path=str(path), gt_label=label) for path in paths]
        return samples


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f'the folder of a class is missing: {folder}. Check metainfo.classes'
        )
    found = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f'{folder} holds no image; known are {", ".join(SUFFIXES)}')
    return found


@TRANSFORMS.register_module()
class PackClassInputs(BaseTransform):
    """Pack ``img`` (H, W, 3) as ``inputs``, a tensor (3, H, W), and its label as a data sample."""

    def transform(self, results: dict) -> dict:
        """Return ``inputs``, of the image's dtype, and ``data_samples``."""
        planes = results['img'].transpose(2, 0, 1)
        image = torch.from_numpy(planes.copy())
        metainfo = {key: results[key] for key in _PACKED_KEYS if key in results}
        sample = BaseDataElement(metainfo=metainfo)
        sample.gt_label = results['gt_label']
        return dict(inputs=image, data_samples=sample)
