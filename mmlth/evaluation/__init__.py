"""COCO keypoint AP for MMDetection; importing this registers it."""
from mmlth.evaluation.coco_keypoint_metric import CocoKeypointMetric

__all__ = ['CocoKeypointMetric']
