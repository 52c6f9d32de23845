"""How a 3D asset is staged for a picture: pose, light, the colours of ground and sky; and the shading, in numpy.

Convention: the *stage* is a frame with y up whose origin is the orbit centre, the middle of the asset's bounding box,
over a level ground. The scene's frame is the stage turned about that origin so that the training camera, the stage's
`Camera.orbit(yaw_rad, pitch_rad)`, is the scene's first camera. Colours are linear light unless a name says `srgb`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ivid.scene.cameras import Camera

# Hues in degrees (OKLCH) that make pleasant grounds and skies, and how often each is drawn.
_GROUNDS = (  # hue, hue spread, lightness, chroma, weight
    (135, 14, (0.62, 0.82), (0.07, 0.14), 5),  # grass
    (85, 12, (0.72, 0.90), (0.04, 0.10), 4),  # sand
    (55, 12, (0.58, 0.76), (0.05, 0.10), 2),  # clay
    (250, 25, (0.86, 0.95), (0.005, 0.03), 2),  # snow
    (190, 20, (0.64, 0.82), (0.04, 0.08), 2),  # lagoon
    (300, 20, (0.60, 0.80), (0.04, 0.10), 2),  # lavender
    (10, 14, (0.70, 0.84), (0.04, 0.09), 2),  # rose
    (260, 40, (0.50, 0.72), (0.01, 0.05), 2),  # slate
)
_SKIES = (  # zenith hue, horizon hue, hue spread, zenith lightness, chroma, weight
    (240, 220, 10, (0.66, 0.84), (0.06, 0.12), 6),  # day
    (220, 190, 14, (0.72, 0.88), (0.04, 0.09), 3),  # haze
    (265, 40, 12, (0.60, 0.80), (0.05, 0.10), 3),  # sunset
    (300, 20, 12, (0.66, 0.82), (0.05, 0.09), 2),  # dusk
    (60, 85, 12, (0.82, 0.92), (0.04, 0.09), 2),  # dawn
    (160, 110, 14, (0.80, 0.90), (0.03, 0.07), 1),  # mint
    (255, 250, 20, (0.42, 0.60), (0.04, 0.09), 1),  # evening
)
Spread = tuple[float, float] | tuple[float, float, float]
"""Of a random number: (low, high), uniform; or (low, likeliest, high), triangular."""


@dataclass(frozen=True)
class Poses:
    """From where assets are seen and lit; angles in degrees.

    Attributes:
        yaw_deg: of the camera, 0 in front of the asset.
        pitch_deg: how far the camera looks down.
        light_azimuth_deg: how far beside the camera the light stands, on either side.
        light_elevation_deg: of the light over the horizon.
        recoloured: share of the pictures whose asset gets quite other colours.
        diagonal: of the asset's bounding box, in metres; the camera is one metre away.
    """

    yaw_deg: Spread
    pitch_deg: Spread
    light_azimuth_deg: Spread
    light_elevation_deg: Spread
    recoloured: float
    diagonal: Spread = (0.62, 0.80)


POSES = {
    "around": Poses((0.0, 360.0), (8.0, 32.0), (15.0, 55.0, 130.0), (32.0, 62.0), 0.15),
    # As a catalogue shows things: mirrored pictures are the other three-quarter view.
    "three-quarter": Poses((-15.0, 35.0, 85.0), (4.0, 18.0, 32.0), (15.0, 50.0, 110.0), (38.0, 58.0), 0.05),
    # As a photographer's table does, where the camera hardly moves.
    "studio": Poses((23.0, 35.0, 47.0), (12.0, 18.0, 24.0), (25.0, 50.0, 85.0), (42.0, 54.0), 0.1, (0.68, 0.78)),
}
HOVERING = {"spaceship": (0.06, 0.30), "fish": (0.05, 0.22)}  # height over the ground, in bounding-box diagonals


@dataclass(frozen=True, eq=False)
class Appearance:
    """Everything about a picture that is drawn at random, apart from the asset.

    Attributes:
        yaw_rad, pitch_rad: the training camera on the stage; pitch is how far it looks down.
        diagonal: of the asset's bounding box, in metres.
        hover: height over the ground in diagonals.
        hue_rad, saturation, brightness: the palette shift of the asset's colours.
        to_light: [3] unit vector towards the light, on the stage.
        sun, ambient: [3] light on a surface facing it; the ambient one is what the sky sends.
        ground, zenith, horizon: [3] colours; the ground's is as lit.
        fog_per_metre: how fast the ground fades into the horizon.
    """

    yaw_rad: float
    pitch_rad: float
    diagonal: float
    hover: float
    hue_rad: float
    saturation: float
    brightness: float
    to_light: np.ndarray
    sun: np.ndarray
    ambient: np.ndarray
    ground: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    fog_per_metre: float

    @classmethod
    def draw(cls, rng: np.random.Generator, class_name: str = "", poses: str = "around") -> Appearance:
        """Draw one; `poses` names one of `POSES`, the class decides only whether the asset may hover."""
        ranges = POSES[poses]
        yaw, pitch = math.radians(_drawn(rng, ranges.yaw_deg)), math.radians(_drawn(rng, ranges.pitch_deg))
        low, high = HOVERING.get(class_name, (0.0, 0.0))
        hover = rng.uniform(low, high)
        bold = rng.random() < ranges.recoloured
        hue = rng.uniform(-math.pi, math.pi) if bold else math.radians(rng.normal(0.0, 9.0))

        lightness, chroma, weights = (np.array([g[k] for g in _GROUNDS]) for k in (2, 3, 4))
        kind = rng.choice(len(_GROUNDS), p=weights / weights.sum())
        ground_hue = rng.normal(_GROUNDS[kind][0], _GROUNDS[kind][1])
        ground = oklch(rng.uniform(*lightness[kind]), rng.uniform(*chroma[kind]), ground_hue)

        weights = np.array([s[5] for s in _SKIES])
        zenith_hue, horizon_hue, spread, sky_lightness, sky_chroma, _ = _SKIES[
            rng.choice(len(_SKIES), p=weights / weights.sum())
        ]
        turn, light, colourful = rng.normal(0.0, spread), rng.uniform(*sky_lightness), rng.uniform(*sky_chroma)
        zenith = oklch(light, colourful, zenith_hue + turn)
        horizon_light = light + (0.97 - light) * rng.uniform(0.35, 0.75)
        horizon = oklch(horizon_light, colourful * rng.uniform(0.35, 0.8), horizon_hue + turn)

        # The light comes from beside the camera more often than from behind the asset.
        azimuth = yaw + math.copysign(math.radians(_drawn(rng, ranges.light_azimuth_deg)), rng.random() - 0.5)
        elevation = math.radians(_drawn(rng, ranges.light_elevation_deg))
        to_light = np.array(
            [math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)]
        )
        sun = oklch(1.0, rng.uniform(0.0, 0.05), rng.choice((75.0, 60.0, 250.0), p=(0.5, 0.35, 0.15)))
        ambient = 0.5 * (zenith + horizon)
        ambient = 0.6 * ambient / luminance(ambient) + 0.4
        return cls(
            yaw_rad=yaw,
            pitch_rad=pitch,
            diagonal=_drawn(rng, ranges.diagonal),
            hover=float(hover),
            hue_rad=float(hue),
            saturation=float(rng.uniform(0.95, 1.45) * (0.75 if bold else 1.0)),
            brightness=float(rng.uniform(0.85, 1.2)),
            to_light=to_light,
            sun=sun / luminance(sun) * rng.uniform(1.0, 1.3),
            ambient=ambient * rng.uniform(0.46, 0.64),
            ground=ground,
            zenith=zenith,
            horizon=horizon,
            fog_per_metre=float(rng.uniform(0.15, 0.75)),
        )

    @property
    def scene_from_stage(self) -> np.ndarray:
        """[3, 3] rotation of stage coordinates into scene coordinates; both have the orbit centre as origin."""
        return Camera.orbit(self.yaw_rad, self.pitch_rad).world_to_view[:3, :3]

    def recolour(self, colours: np.ndarray) -> np.ndarray:
        """The palette shift of linear colours [..., 3]: hue, saturation, brightness."""
        grey = colours @ LUMINANCE
        chroma = colours - grey[..., None]
        # Rotation about the grey axis keeps the three channels' sum, and so roughly the brightness.
        c, s, t = math.cos(self.hue_rad), math.sin(self.hue_rad), (1 - math.cos(self.hue_rad)) / 3
        q = s / math.sqrt(3)
        turn = np.array([[t + c, t - q, t + q], [t + q, t + c, t - q], [t - q, t + q, t + c]])
        chroma = chroma @ turn.T * self.saturation
        return np.clip((grey[..., None] + chroma) * self.brightness, 0.004, 1.0).astype(np.float32)

    def sky(self, sine_elevation: np.ndarray) -> np.ndarray:
        """Colour [..., 3] of the sky at these sines of the angle over the horizon; below it, the horizon's."""
        up = np.clip(sine_elevation, 0.0, 1.0)[..., None]
        rise = 1 - np.exp(-3.2 * up, dtype=np.float32)
        return (self.horizon + (self.zenith - self.horizon) * rise).astype(np.float32)

    def lit(self, albedo: np.ndarray, normal: np.ndarray, sunlit: np.ndarray, openness: np.ndarray) -> np.ndarray:
        """Colour [N, 3] of surfaces.

        Args:
            albedo, normal: [N, 3]; unit normals on the stage.
            sunlit: [N] in [0, 1], the share of the sun that arrives.
            openness: [N] in [0, 1], the share of the sky that is seen (ambient occlusion).
        """
        facing = np.clip(normal @ self.to_light.astype(np.float32), 0, None) * sunlit
        upward = 0.5 + 0.5 * normal[:, 1:2]
        bounce = (0.55 * self.ground + 0.15).astype(np.float32)
        sky = self.ambient.astype(np.float32)
        ambient = (sky * upward + bounce * self.ambient.mean() * (1 - upward)) * openness[:, None]
        return albedo * (facing[:, None] * self.sun.astype(np.float32) + ambient)

    def ground_shade(self, sunlit: np.ndarray, openness: np.ndarray) -> np.ndarray:
        """Factor [N, 3] on the ground's colour: what shadow and occlusion leave of the light that falls on it."""
        sun = (self.sun * self.to_light[1]).astype(np.float32)
        sky = self.ambient.astype(np.float32)
        return (sun * sunlit[:, None] + sky * openness[:, None]) / (sun + sky)

    def fog(self, distance: np.ndarray) -> np.ndarray:
        """Share [...] of the horizon's colour in what is seen at this distance in metres; clear around the asset."""
        return 1 - np.exp(-self.fog_per_metre * np.clip(distance - 1.1, 0, None), dtype=np.float32)


def _drawn(rng: np.random.Generator, spread: Spread) -> float:
    return float(rng.uniform(*spread) if len(spread) == 2 else rng.triangular(*spread))


LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_TO_LINEAR = np.where(
    np.arange(256) / 255 <= 0.04045, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)


def luminance(colour: np.ndarray) -> float:
    """Relative luminance of a linear colour [3]."""
    return float(colour @ LUMINANCE)


def linear_from_srgb(srgb: np.ndarray) -> np.ndarray:
    """Linear float32 colours of sRGB bytes, any shape."""
    return _TO_LINEAR[srgb]


def srgb_from_linear(colour: np.ndarray) -> np.ndarray:
    """sRGB bytes of linear colours, any shape; clipped to [0, 1]."""
    colour = np.clip(colour, 0.0, 1.0)
    curve = np.where(colour <= 0.0031308, 12.92 * colour, 1.055 * np.power(colour, 1 / 2.4, dtype=np.float32) - 0.055)
    return np.rint(curve * 255).astype(np.uint8)


def oklch(lightness: float, chroma: float, hue_deg: float) -> np.ndarray:
    """Linear colour [3] of OKLCH coordinates (Ottosson, "A perceptual color space for image processing", 2020)."""
    a, b = chroma * math.cos(math.radians(hue_deg)), chroma * math.sin(math.radians(hue_deg))
    cones = (
        np.array(
            [
                lightness + 0.3963377774 * a + 0.2158037573 * b,
                lightness - 0.1055613458 * a - 0.0638541728 * b,
                lightness - 0.0894841775 * a - 1.2914855480 * b,
            ]
        )
        ** 3
    )
    mix = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return np.clip(mix @ cones, 0.0, 1.0)
