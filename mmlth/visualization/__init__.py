"""Pictures of keypoints for MMDetection; importing this registers the visualizer."""
from mmlth.visualization.keypoint_visualizer import KeypointLocalVisualizer

__all__ = ['KeypointLocalVisualizer']
