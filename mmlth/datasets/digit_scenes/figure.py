"""Drawing a posed person: thick limbs, lighter on the person's left and darker on the right."""
import cv2
import numpy as np

from .people import HEAD_RADIUS, sample_pose
from .sprite import Sprite, hsv, shade

_ARM, _LEG, _TORSO = 0.085, 0.110, 0.090  # thickness, in body heights
_HAND, _FOOT = 0.048, 0.060  # radius, in body heights
_USUAL, _STOUT = (0.92, 1.15), (1.2, 1.4)  # factors on the thickness of limbs
_OVERSAMPLE = 3
_MARGIN = 0.095  # from the outermost joint to the edge of the drawing
_SKIN = ((200, 222, 250), (150, 190, 236), (110, 150, 205), (75, 105, 155))  # BGR
_DARK, _WHITE = (30.0, 25.0, 25.0), (250.0, 250.0, 250.0)
_SHADE_LEFT, _SHADE_MIDDLE, _SHADE_RIGHT = 1.0, 0.80, 0.60

# Body parts, as they are written into the map of what lies on top.
_BODY, _HEAD, _LEFT_ARM, _RIGHT_ARM, _LEFT_LEG, _RIGHT_LEG = range(1, 7)
_OWN_PARTS = ((_HEAD,),) * 5 + (
    (_BODY, _LEFT_ARM), (_BODY, _RIGHT_ARM), (_LEFT_ARM,), (_RIGHT_ARM,), (_LEFT_ARM,),
    (_RIGHT_ARM,), (_BODY, _LEFT_LEG), (_BODY, _RIGHT_LEG), (_LEFT_LEG,), (_RIGHT_LEG,),
    (_LEFT_LEG,), (_RIGHT_LEG,))


class Person:
    """A person whose pose and clothes are settled, to be rendered at any height.

    Args: ``rng`` a numpy Generator; ``stout`` thickens the limbs, without which hardly anyone
    who fits a scene would have a large mask area.
    """

    def __init__(self, rng, stout=False):
        self._pose = sample_pose(rng)
        self._build = float(rng.uniform(*(_STOUT if stout else _USUAL)))
        self._shirt = hsv(rng.uniform(0, 360), rng.uniform(0.55, 0.95), rng.uniform(0.85, 1.0))
        self._trousers = hsv(rng.uniform(0, 360), rng.uniform(0.35, 0.9), rng.uniform(0.7, 0.95))
        self._skin = _SKIN[int(rng.integers(len(_SKIN)))]
        self._rng = rng

    def render(self, height, limit):
        """A :class:`Sprite` of a body ``height`` px tall that fits ``limit`` = (width, height)."""
        joints, head = self._pose.joints, self._pose.head
        low = np.minimum(joints.min(axis=0) - _MARGIN, head - HEAD_RADIUS - 0.02)
        high = np.maximum(joints.max(axis=0) + _MARGIN, head + HEAD_RADIUS + 0.02)
        height = min(height, *((np.asarray(limit) - 2) / (high - low)))
        size = np.ceil((high - low) * height).astype(int)
        canvas = _Canvas(size * _OVERSAMPLE, low, height * _OVERSAMPLE)
        self._draw(canvas)
        keypoints = self._keypoints(canvas)
        return _trim(*canvas.layers(tuple(int(side) for side in size)), keypoints, self._rng)

    def _draw(self, canvas):
        """Back to front: legs, the arm turned away, torso, head, the other arms."""
        joints, yaw = self._pose.joints, self._pose.yaw
        sides = (True, False) if yaw > 0 else (False, True)  # is left? the far side first
        behind = sides[:1] if abs(yaw) > 22 else ()
        for left in sides:
            self._draw_leg(canvas, left)
        for left in behind:
            self._draw_arm(canvas, left)
        neck = [joints[[5, 6]].mean(axis=0), self._pose.head]
        canvas.limb(_BODY, neck, _TORSO, self._skin)
        canvas.polygon(_BODY, joints[[5, 6, 12, 11]], _TORSO * self._build,
                       self._shirt * _SHADE_MIDDLE)
        self._draw_head(canvas)
        for left in sides[len(behind):]:
            self._draw_arm(canvas, left)

    def _draw_arm(self, canvas, left):
        part, tone = (_LEFT_ARM, _SHADE_LEFT) if left else (_RIGHT_ARM, _SHADE_RIGHT)
        bones = self._pose.joints[[5, 7, 9] if left else [6, 8, 10]]
        canvas.disc(part, bones[2], _HAND, np.asarray(self._skin))
        canvas.limb(part, bones, _ARM * self._build, self._shirt * tone)
        canvas.disc(part, bones[2], 0.8 * _HAND, np.asarray(self._skin), edge=False)

    def _draw_leg(self, canvas, left):
        part, tone = (_LEFT_LEG, _SHADE_LEFT) if left else (_RIGHT_LEG, _SHADE_RIGHT)
        bones = self._pose.joints[[11, 13, 15] if left else [12, 14, 16]]
        canvas.disc(part, bones[2] + (0.022 if left else -0.022, 0.012), _FOOT, (60.0, 60.0, 70.0))
        canvas.limb(part, bones, _LEG * self._build, self._trousers * tone)

    def _draw_head(self, canvas):
        pose, skin = self._pose, np.asarray(self._skin)
        for ear in (3, 4):
            canvas.disc(_HEAD, pose.joints[ear], 0.036, skin * 0.85)
        canvas.disc(_HEAD, pose.head, HEAD_RADIUS, skin)
        for ear in (3, 4):
            if not pose.turned_away[ear]:
                canvas.disc(_HEAD, pose.joints[ear], 0.030, skin * 0.72, edge=False)
        for eye in (1, 2):
            canvas.disc(_HEAD, pose.joints[eye], 0.033, _WHITE, edge=False)
            canvas.disc(_HEAD, pose.joints[eye], 0.020, _DARK, edge=False)
        canvas.disc(_HEAD, pose.joints[0], 0.024, (70.0, 70.0, 215.0), edge=False)

    def _keypoints(self, canvas):
        """float64 (17, 3) in sprite pixels: v is 1 where another part of the body is on top."""
        points = canvas.pixels(self._pose.joints)
        top = canvas.part[points[:, 1].astype(int), points[:, 0].astype(int)]
        shown = [top[i] in own for i, own in enumerate(_OWN_PARTS)] & ~self._pose.turned_away
        # A drawing pixel k covers k..k+1, a keypoint at the centre of pixel k is just k.
        return np.column_stack([points / _OVERSAMPLE - 0.5, np.where(shown, 2, 1)])


class _Canvas:
    """An oversampled drawing: colour, and which body part lies on top of each pixel."""

    def __init__(self, size, origin, scale):
        self._origin, self._scale = origin, scale
        self.colour = np.zeros((size[1], size[0], 3), np.float32)
        self.part = np.zeros((size[1], size[0]), np.uint8)

    def pixels(self, points):
        """Body coordinates (n, 2) to oversampled pixel coordinates."""
        return (np.atleast_2d(points) - self._origin) * self._scale

    def layers(self, size):
        """Colour, ink and alpha at the final size (width, height), float32."""
        body = (self.part > 0).astype(np.float32)
        rim = 2 * int(round(max(0.011 * self._scale, 0.9 * _OVERSAMPLE))) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (rim, rim))
        ink, alpha = (cv2.resize(layer, size, interpolation=cv2.INTER_AREA)
                      for layer in (body, cv2.dilate(body, kernel)))
        colour = cv2.resize(self.colour, size, interpolation=cv2.INTER_AREA)
        return colour / np.maximum(ink, 1e-3)[..., None], ink / np.maximum(alpha, 1e-3), alpha

    def limb(self, part, points, thickness, colour):
        """A thick line with round ends through the points, with a darker edge."""
        self._stroke(part, points, thickness, colour, closed=False)

    def polygon(self, part, points, thickness, colour):
        """A filled polygon with a thick round border, with a darker edge."""
        self._stroke(part, points, thickness, colour, closed=True)

    def disc(self, part, centre, radius, colour, edge=True):
        """A filled disc, with or without a darker edge."""
        self._stroke(part, [centre, centre], 2 * radius, colour, closed=False, edge=edge)

    def _stroke(self, part, points, thickness, colour, closed, edge=True):
        corners = np.round(self.pixels(points)).astype(np.int32)
        for tone, extra in ((0.45, 0.0), (1.0, -0.018)) if edge else ((1.0, 0.0),):
            width = max(int(round((thickness + extra) * self._scale)), 1)
            paint = tuple(float(channel) * tone for channel in colour)
            for layer, value in ((self.colour, paint), (self.part, part)):
                if closed:
                    cv2.fillPoly(layer, [corners], value)
                cv2.polylines(layer, [corners], closed, value, width)


def _trim(colour, ink, alpha, keypoints, rng):
    """The Sprite cut to its tight box, with a light gradient over it."""
    rows, columns = (np.flatnonzero((alpha > 0).any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    keypoints = keypoints - (columns[0], rows[0], 0)
    light = shade(rng, alpha[box].shape, 0.10)[..., None].astype(np.float32)
    return Sprite(np.minimum(colour[box] * light, 255.0), ink[box], alpha[box], keypoints)
