"""Register Keypoint R-CNN: model, data, metric and visualizer (needs MMDetection).

Its configs hold ``custom_imports = dict(imports=['mmlth.keypoints'])``, which registers the hooks
of mmlth too.
"""
import mmlth.datasets.coco_keypoints
import mmlth.datasets.keypoint_transforms
import mmlth.evaluation
import mmlth.models
import mmlth.visualization  # noqa: F401
