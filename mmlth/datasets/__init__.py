"""Data sets of mmlth; where MMDet is installed, importing this registers the one for keypoints."""
from importlib.util import find_spec

# DigitScenes is made without MMDet.
if find_spec('mmdet') is not None:
    import mmlth.datasets.coco_keypoints
    import mmlth.datasets.keypoint_transforms  # noqa: F401
