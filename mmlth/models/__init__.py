"""Keypoint R-CNN for MMDetection; importing this registers it."""
from mmlth.models.keypoint_head import KeypointRCNNHead
from mmlth.models.keypoint_roi_head import KeypointRoIHead

__all__ = ['KeypointRCNNHead', 'KeypointRoIHead']
