"""Draw keypoints and skeletons on top of what MMDet's visualizer draws."""
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import VISUALIZERS
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

Color = tuple[int, int, int]

# RGB; told apart in the common colour blindnesses, and from the red of MMDet's person boxes.
LEFT: Color = (51, 187, 238)
RIGHT: Color = (255, 153, 0)
MIDDLE: Color = (255, 102, 204)

_INCH = 72  # points, in which matplotlib measures widths
_RIM = 0.7  # pixels; MMEngine draws a rim at least 1.4 px wide, half of it inside
_ABOVE_LINES = 2.5  # matplotlib puts any line, 2, above any patch


@VISUALIZERS.register_module()
class KeypointLocalVisualizer(DetLocalVisualizer):
    """Draw boxes and masks as MMDet does, then bones and a dot on every visible keypoint.

    It draws predicted and annotated instances that have ``keypoints``: (N, K, 3) float, (x, y, v)
    in the image's continuous coordinates. Of the data set's metainfo it reads ``skeleton``, pairs
    of indices (without it there are dots alone), and ``flip_pairs``: the first of a pair is blue,
    the second orange, the others are pink.

    Args:
        name: Of the instance, as MMEngine wants it.
        kpt_thr: In [0, 1). Keypoints with v above it are drawn, and bones between two of them. v
            is the score of a prediction and 0, 1 or 2 in the ground truth, so labelled points
            always are.
        kwargs: Those of MMDet's ``DetLocalVisualizer``.

    Raises:
        ValueError: ``kpt_thr`` is out of range.
    """

    # A score is a heatmap's peak; that of a blob 0.05 high has sigma = 1.8 of the 56 cells.
    def __init__(self, name: str = 'visualizer', kpt_thr: float = 0.05, **kwargs: Any) -> None:
        if not 0 <= kpt_thr < 1:
            raise ValueError(f'kpt_thr={kpt_thr}: allowed is 0 <= kpt_thr < 1')
        super().__init__(name=name, **kwargs)
        self.kpt_thr = kpt_thr

    def set_image(self, image: np.ndarray) -> None:
        """Set the image to draw on, (H, W, 3) RGB in 0..255."""
        super().set_image(image)
        # Else matplotlib >= 3.11 makes room for a dot that sticks out, and shrinks the image.
        self.ax_save.set_autoscale_on(False)

    def _draw_instances(
        self,
        image: np.ndarray,
        instances: InstanceData,
        classes: Sequence[str] | None,
        palette: Sequence[tuple] | None,
    ) -> np.ndarray:
        drawn = super()._draw_instances(image, instances, classes, palette)
        if 'keypoints' not in instances:
            return drawn
        keypoints = np.asarray(instances.keypoints)
        points = keypoints[..., :2]
        visible = keypoints[..., 2] > self.kpt_thr
        side = (self.width * self.height)**0.5
        radius = max(1.5, side / 180)
        colors = self._colors(keypoints.shape[1])
        self._draw_bones(points, visible, colors, radius)
        self._draw_dots(points, visible, colors, radius)
        return self.get_image()

    def _colors(self, num_keypoints: int) -> list[Color]:
        colors = [MIDDLE] * num_keypoints
        for left, right in self.dataset_meta.get('flip_pairs', ()):
            colors[left] = LEFT
            colors[right] = RIGHT
        return colors

    def _draw_bones(
        self,
        points: np.ndarray,
        visible: np.ndarray,
        colors: list[Color],
        radius: float,
    ) -> None:
        skeleton = self.dataset_meta.get('skeleton', ())
        bones = np.array(skeleton, dtype=int).reshape(-1, 2)
        both_visible = visible[:, bones].all(-1)
        instance, bone = np.nonzero(both_visible)
        if len(bone) == 0:
            return
        drawn = bones[bone]
        ends = points[instance[:, None], drawn]  # (lines, 2 ends, x and y)
        of_bones = [_bone_color(colors[a], colors[b]) for a, b in drawn]
        width = radius * _INCH / self.dpi  # the radius in pixels
        self.draw_lines(ends[..., 0], ends[..., 1], of_bones, line_widths=width)

    def _draw_dots(
        self,
        points: np.ndarray,
        visible: np.ndarray,
        colors: list[Color],
        radius: float,
    ) -> None:
        _, keypoint = np.nonzero(visible)
        if len(keypoint) == 0:
            return
        radii = np.full(len(keypoint), radius + _RIM)
        self.draw_circles(
            points[visible],
            radii,
            edge_colors='k',
            face_colors=[colors[k] for k in keypoint],
            line_widths=1,
            alpha=1.0,
        )
        dots = self.ax_save.collections[-1]
        dots.set_zorder(_ABOVE_LINES)


def _bone_color(first: Color, second: Color) -> Color:
    """Return the side both ends are on, or the only one that has a side; otherwise the middle."""
    found = {first, second} - {MIDDLE}
    return found.pop() if len(found) == 1 else MIDDLE
