"""Drawing a posed person: thick limbs, lighter on the person's left and darker on the right."""
import numpy as np

from .canvas import Canvas
from .people import HEAD_RADIUS, sample_pose
from .sprite import Sprite, hsv, shade

_ARM, _LEG, _TORSO = 0.085, 0.110, 0.090  # thickness, in body heights
_HAND, _FOOT = 0.048, 0.060  # radius, in body heights
_USUAL, _STOUT = (0.92, 1.15), (1.2, 1.4)  # factors on the thickness of limbs
_OVERSAMPLE = 3
_MARGIN = 0.095  # from the outermost joint to the edge of the drawing
_SKIN = ((200, 222, 250), (150, 190, 236), (110, 150, 205), (75, 105, 155))  # BGR
_DARK = np.array([30.0, 25.0, 25.0])
_WHITE = np.array([250.0, 250.0, 250.0])
_NOSE = np.array([70.0, 70.0, 215.0])
_SHOE = np.array([60.0, 60.0, 70.0])
_SHADE_LEFT, _SHADE_MIDDLE, _SHADE_RIGHT = 1.0, 0.80, 0.60
_FAR_ARM_BEHIND = 22  # degrees of yaw from which the torso hides it

# Body parts, as they are written into the map of what lies on top.
_BODY, _HEAD, _LEFT_ARM, _RIGHT_ARM, _LEFT_LEG, _RIGHT_LEG = range(1, 7)
# The parts that may lie on top of each of the 17 keypoints without hiding it.
_OWN_PARTS = (
    *[(_HEAD,)] * 5,
    (_BODY, _LEFT_ARM),
    (_BODY, _RIGHT_ARM),
    *[(_LEFT_ARM,), (_RIGHT_ARM,)] * 2,
    (_BODY, _LEFT_LEG),
    (_BODY, _RIGHT_LEG),
    *[(_LEFT_LEG,), (_RIGHT_LEG,)] * 2,
)
_EARS, _EYES = (3, 4), (1, 2)


class Person:
    """A person whose pose and clothes are settled, to be rendered at any height.

    Args:
        rng: Source of everything random.
        stout: Thicken the limbs, without which hardly anyone who fits a scene would have a large
            mask area.
    """

    def __init__(self, rng: np.random.Generator, stout: bool = False) -> None:
        self._pose = sample_pose(rng)
        thickness = _STOUT if stout else _USUAL
        self._build = float(rng.uniform(*thickness))
        self._shirt = _cloth(rng, (0.55, 0.95), (0.85, 1.0))
        self._trousers = _cloth(rng, (0.35, 0.9), (0.7, 0.95))
        skin = int(rng.integers(len(_SKIN)))
        self._skin = np.array(_SKIN[skin])
        self._rng = rng

    def render(self, height: float, limit: tuple[int, int]) -> Sprite:
        """Render a body ``height`` px tall that fits ``limit`` = (width, height)."""
        joints = self._pose.joints
        head = self._pose.head
        reach = HEAD_RADIUS + 0.02
        low = np.minimum(joints.min(axis=0) - _MARGIN, head - reach)
        high = np.maximum(joints.max(axis=0) + _MARGIN, head + reach)
        extent = high - low
        largest = (np.asarray(limit) - 2) / extent
        height = min(height, *largest)
        size = np.ceil(extent * height).astype(int)
        canvas = Canvas(size, low, height, _OVERSAMPLE)
        self._draw(canvas)
        keypoints = self._keypoints(canvas)
        colour, ink, alpha = canvas.layers()
        return _trim(colour, ink, alpha, keypoints, self._rng)

    def _draw(self, canvas: Canvas) -> None:
        """Draw back to front: legs, the arm turned away, torso, head, the other arms."""
        yaw = self._pose.yaw
        far_side_first = (True, False) if yaw > 0 else (False, True)  # is it the left?
        count_behind = 1 if abs(yaw) > _FAR_ARM_BEHIND else 0
        for left in far_side_first:
            self._draw_leg(canvas, left)
        for left in far_side_first[:count_behind]:
            self._draw_arm(canvas, left)
        self._draw_torso(canvas)
        self._draw_head(canvas)
        for left in far_side_first[count_behind:]:
            self._draw_arm(canvas, left)

    def _draw_torso(self, canvas: Canvas) -> None:
        joints = self._pose.joints
        between_shoulders = joints[[5, 6]].mean(axis=0)
        neck = np.stack([between_shoulders, self._pose.head])
        canvas.limb(_BODY, neck, _TORSO, self._skin)
        corners = joints[[5, 6, 12, 11]]
        shirt = self._shirt * _SHADE_MIDDLE
        canvas.polygon(_BODY, corners, _TORSO * self._build, shirt)

    def _draw_arm(self, canvas: Canvas, left: bool) -> None:
        part = _LEFT_ARM if left else _RIGHT_ARM
        tone = _SHADE_LEFT if left else _SHADE_RIGHT
        bones = self._pose.joints[[5, 7, 9] if left else [6, 8, 10]]
        hand = bones[2]
        canvas.disc(part, hand, _HAND, self._skin)
        canvas.limb(part, bones, _ARM * self._build, self._shirt * tone)
        canvas.disc(part, hand, 0.8 * _HAND, self._skin, edge=False)

    def _draw_leg(self, canvas: Canvas, left: bool) -> None:
        part = _LEFT_LEG if left else _RIGHT_LEG
        tone = _SHADE_LEFT if left else _SHADE_RIGHT
        bones = self._pose.joints[[11, 13, 15] if left else [12, 14, 16]]
        outwards = 0.022 if left else -0.022
        foot = bones[2] + (outwards, 0.012)
        canvas.disc(part, foot, _FOOT, _SHOE)
        canvas.limb(part, bones, _LEG * self._build, self._trousers * tone)

    def _draw_head(self, canvas: Canvas) -> None:
        pose = self._pose
        nose = pose.joints[0]
        for ear in _EARS:
            canvas.disc(_HEAD, pose.joints[ear], 0.036, self._skin * 0.85)
        canvas.disc(_HEAD, pose.head, HEAD_RADIUS, self._skin)
        for ear in _EARS:
            if not pose.turned_away[ear]:
                inner = self._skin * 0.72
                canvas.disc(_HEAD, pose.joints[ear], 0.030, inner, edge=False)
        for eye in pose.joints[list(_EYES)]:
            canvas.disc(_HEAD, eye, 0.033, _WHITE, edge=False)
            canvas.disc(_HEAD, eye, 0.020, _DARK, edge=False)
        canvas.disc(_HEAD, nose, 0.024, _NOSE, edge=False)

    def _keypoints(self, canvas: Canvas) -> np.ndarray:
        """Return float64 (17, 3) in sprite pixels: v is 1 where another part is on top."""
        points = canvas.pixels(self._pose.joints)
        columns, rows = points.astype(int).T
        on_top = canvas.part[rows, columns]
        uncovered = [part in own for part, own in zip(on_top, _OWN_PARTS, strict=True)]
        shown = uncovered & ~self._pose.turned_away
        # A drawing pixel k covers k..k+1, a keypoint at the centre of pixel k is just k.
        positions = points / _OVERSAMPLE - 0.5
        flags = np.where(shown, 2, 1)
        return np.column_stack([positions, flags])


def _cloth(
    rng: np.random.Generator,
    saturations: tuple[float, float],
    values: tuple[float, float],
) -> np.ndarray:
    hue = rng.uniform(0, 360)
    saturation = rng.uniform(*saturations)
    value = rng.uniform(*values)
    return hsv(hue, saturation, value)


def _trim(
    colour: np.ndarray,
    ink: np.ndarray,
    alpha: np.ndarray,
    keypoints: np.ndarray,
    rng: np.random.Generator,
) -> Sprite:
    """Return the Sprite cut to its tight box, with a light gradient over it."""
    drawn = alpha > 0
    rows = np.flatnonzero(drawn.any(axis=1))
    columns = np.flatnonzero(drawn.any(axis=0))
    top, left = rows[0], columns[0]
    box = slice(top, rows[-1] + 1), slice(left, columns[-1] + 1)
    alpha = alpha[box]
    light = shade(rng, alpha.shape, 0.10)
    lit = colour[box] * light[..., None].astype(np.float32)
    moved = keypoints - (left, top, 0)
    return Sprite(np.minimum(lit, 255.0), ink[box], alpha, moved)
