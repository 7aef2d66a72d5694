"""An oversampled drawing in body coordinates, reduced to a sprite's layers at the end."""
import cv2
import numpy as np

_EDGE = ((0.45, 0.0), (1.0, -0.018))  # (tone, change of the thickness): a darker edge beneath
_PLAIN = ((1.0, 0.0),)


class Canvas:
    """A drawing: its colour, and which body part lies on top of each pixel.

    Args:
        size: int (2,), width and height of the final picture in pixels.
        origin: float64 (2,), body coordinates of the upper left corner.
        scale: Final pixels in a unit of the body coordinates.
        oversample: Drawn pixels in a final one, along each side.
    """

    def __init__(
        self,
        size: np.ndarray,
        origin: np.ndarray,
        scale: float,
        oversample: int,
    ) -> None:
        width, height = size * oversample
        self._size = size.tolist()
        self._origin = origin
        self._oversample = oversample
        self._scale = scale * oversample
        self.colour = np.zeros((height, width, 3), np.float32)
        self.part = np.zeros((height, width), np.uint8)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Turn body coordinates (n, 2) into oversampled pixel coordinates."""
        return (points - self._origin) * self._scale

    def layers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return colour, ink and alpha at the final size, float32; see ``Sprite``."""
        body = (self.part > 0).astype(np.float32)
        reach = max(0.011 * self._scale, 0.9 * self._oversample)
        rim = 2 * round(reach) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (rim, rim))
        ink = self._reduce(body)
        alpha = self._reduce(cv2.dilate(body, kernel))
        colour = self._reduce(self.colour)
        colour = colour / np.maximum(ink, 1e-3)[..., None]
        ink = ink / np.maximum(alpha, 1e-3)
        return colour, ink, alpha

    def _reduce(self, layer: np.ndarray) -> np.ndarray:
        return cv2.resize(layer, self._size, interpolation=cv2.INTER_AREA)

    def limb(
        self,
        part: int,
        points: np.ndarray,
        thickness: float,
        colour: np.ndarray,
    ) -> None:
        """Draw a thick line with round ends through the points, with a darker edge."""
        self._stroke(part, points, thickness, colour, closed=False)

    def polygon(
        self,
        part: int,
        points: np.ndarray,
        thickness: float,
        colour: np.ndarray,
    ) -> None:
        """Draw a filled polygon with a thick round border, with a darker edge."""
        self._stroke(part, points, thickness, colour, closed=True)

    def disc(
        self,
        part: int,
        centre: np.ndarray,
        radius: float,
        colour: np.ndarray,
        edge: bool = True,
    ) -> None:
        """Draw a filled disc, with or without a darker edge."""
        points = np.stack([centre, centre])
        self._stroke(part, points, 2 * radius, colour, closed=False, edge=edge)

    def _stroke(
        self,
        part: int,
        points: np.ndarray,
        thickness: float,
        colour: np.ndarray,
        closed: bool,
        edge: bool = True,
    ) -> None:
        corners = np.round(self.pixels(points)).astype(np.int32)
        for tone, extra in _EDGE if edge else _PLAIN:
            width = max(round((thickness + extra) * self._scale), 1)
            paint = [float(channel) * tone for channel in colour]
            for layer, value in ((self.colour, paint), (self.part, part)):
                if closed:
                    cv2.fillPoly(layer, [corners], value)
                cv2.polylines(layer, [corners], closed, value, width)
