"""How time and memory grow with the number of views, with their size and with the number of scenes.

    python -m benchmarks growth --out growth.svg

Every point is measured in a process of its own, in seconds of its processor time, so that it matters little what else
runs. The slope of a line is that of its logarithms: 1 is linear growth.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.timing import Row
from ivid.scene.cameras import Camera
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene
from ivid.scene.view import View

SUFFIXES = (".png", ".svg")
DEPTH_RANGE = (0.6, 5.0)
VIEWS, SIDES_PX, SCENES = (27, 100, 400), (128, 256, 512), (1, 4, 16)
STEEPEST = 1.15  # of a slope that counts as linear: the clock is not exact
RUNS = 3
MIB = 1 << 20


@dataclass(frozen=True)
class Point:
    """One measurement: of what, at which value of the axis, and the seconds and bytes it took."""

    x: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Line:
    """A piece of work along an axis.

    Attributes:
        axis: what grows.
        what: the work.
        points: with growing x.
    """

    axis: str
    what: str
    points: tuple[Point, ...]

    @property
    def slope(self) -> float:
        """Of the logarithm of time, the steepest between two neighbouring points."""
        return max(
            math.log(later.seconds / sooner.seconds) / math.log(later.x / sooner.x)
            for sooner, later in pairwise(self.points)
        )


# Pieces of work: each is called with the axis's value, prepares, and returns what is timed.
Piece = Callable[[int], Callable[[], object]]


def condition_of_views(count: int) -> Callable[[], object]:
    """The condition of a new view from `count` views that are meshed."""
    from ivid.fusion import FusionRenderer, aggregate_conditions

    scene, renderer = wavy_scene(count, 128), FusionRenderer()
    return lambda: aggregate_conditions(scene.views, Camera.orbit(0.25, 0.1), DEPTH_RANGE, renderer=renderer)


def picture_of_views(count: int) -> Callable[[], object]:
    """A fused picture of 256² from `count` views that are meshed."""
    from ivid.fusion import FusionRenderer

    scene, renderer = wavy_scene(count, 128), FusionRenderer()
    return lambda: renderer.render(scene.views, Camera.orbit(0.25, 0.1), 256)


def meshes_of_views(count: int) -> Callable[[], object]:
    """Meshing `count` views."""
    from ivid.fusion import FusionRenderer

    scene = wavy_scene(count, 128)
    return lambda: FusionRenderer().render([view.quantised() for view in scene.views], Camera.orbit(0.25, 0.1), 1)


def saved_views(count: int) -> Callable[[], object]:
    """Saving a scene of `count` views and opening it again."""
    scene = wavy_scene(count, 128)
    return lambda: _saved(scene)


def condition_of_pixels(side: int) -> Callable[[], object]:
    """The condition of a new view from 9 views of `side` pixels."""
    from ivid.fusion import FusionRenderer, aggregate_conditions

    scene, renderer = wavy_scene(9, side), FusionRenderer()
    return lambda: aggregate_conditions(scene.views, Camera.orbit(0.25, 0.1), DEPTH_RANGE, renderer=renderer)


def picture_of_pixels(side: int) -> Callable[[], object]:
    """A fused picture of `side` pixels from 9 views of as many."""
    from ivid.fusion import FusionRenderer

    scene, renderer = wavy_scene(9, side), FusionRenderer()
    return lambda: renderer.render(scene.views, Camera.orbit(0.25, 0.1), side)


def saved_pixels(side: int) -> Callable[[], object]:
    """Saving a scene of 9 views of `side` pixels and opening it again."""
    scene = wavy_scene(9, side)
    return lambda: _saved(scene)


def conditions_of_scenes(count: int) -> Callable[[], object]:
    """The conditions of the 28th view of `count` scenes, in turn: of each, 27 views are meshed."""
    from ivid.fusion import FusionRenderer, aggregate_conditions

    scenes, renderer = [wavy_scene(27, 128, seed) for seed in range(count)], FusionRenderer()
    return lambda: [
        aggregate_conditions(scene.views, Camera.orbit(0.25, 0.1), DEPTH_RANGE, renderer=renderer) for scene in scenes
    ]


def scenes_made(count: int) -> Callable[[], object]:
    """`count` scenes of two views by the bundled model, in one batch."""
    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder

    pipeline = load_pipeline(model_folder("lowpoly"), "cpu")
    names = [pipeline.class_names[0]] * count
    return lambda: list(pipeline.stream_batch(names, list(range(count)), "random"))


PIECES: Sequence[tuple[str, Sequence[int], str, Piece]] = (
    ("views", VIEWS, "condition", condition_of_views),
    ("views", VIEWS, "fused picture", picture_of_views),
    ("views", VIEWS, "meshes", meshes_of_views),
    ("views", VIEWS, "saved and opened", saved_views),
    ("pixels", [side**2 for side in SIDES_PX], "condition", condition_of_pixels),
    ("pixels", [side**2 for side in SIDES_PX], "fused picture", picture_of_pixels),
    ("pixels", [side**2 for side in SIDES_PX], "saved and opened", saved_pixels),
    ("scenes", SCENES, "conditions", conditions_of_scenes),
    ("scenes", SCENES, "two views made", scenes_made),
)


def wavy_scene(count: int, side: int, seed: int = 0) -> Scene:
    """Views of a wavy surface from `count` cameras within half a radian, coloured by its waves."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    phases = np.random.default_rng(seed).uniform(0, 6, 2)
    depth = (1.2 + 0.2 * np.sin(9 * columns + phases[0]) * np.cos(7 * rows + phases[1])).astype(np.float32)
    rgb = np.stack([rows, columns, depth - 0.8], axis=-1)
    rgb = np.rint(255 * np.clip(rgb, 0, 1)).astype(np.uint8)
    angles = np.linspace(-0.5, 0.5, count) if count > 1 else np.zeros(1)
    views = [View(rgb.copy(), depth.copy(), Camera.orbit(float(yaw), 0.0)) for yaw in angles]
    return Scene(views, DEPTH_RANGE, model="waves", seed=seed, view_set="custom")


def rows(
    out: str | Path = "growth.svg", pieces: Sequence[tuple[str, Sequence[int], str, Piece]] = PIECES
) -> Iterator[Row]:
    """Measure all pieces, and draw them.

    Args:
        out: the plot, .png or .svg.
        pieces: (axis, values, what, piece).

    Raises:
        ValueError: `out` is no such file.
    """
    out = Path(out)
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"the plot is a {' or '.join(SUFFIXES)} file, not {out.name}")
    lines = []
    for axis, values, what, piece in pieces:
        points = tuple(_measured(piece, math.isqrt(x) if axis == "pixels" else x, x) for x in values)
        lines.append(line := Line(axis, what, points))
        for point in line.points:
            yield f"{what}, {point.x} {axis}", 1000 * point.seconds, "ms", ""
            yield "  memory", point.bytes / MIB, "MiB", ""
        yield f"{what}: steepest slope over {axis}", line.slope, "", f"<= {STEEPEST}"
    draw(lines, out)


def draw(lines: Sequence[Line], out: Path) -> None:
    """Time above, memory below, a column for each axis; both scales logarithmic."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    axes_names = list(dict.fromkeys(line.axis for line in lines))
    figure = Figure(figsize=(4.2 * len(axes_names), 6.4), layout="constrained")
    grid = figure.subplots(2, len(axes_names), squeeze=False)
    for column, axis in enumerate(axes_names):
        time_plot, memory_plot = grid[0][column], grid[1][column]
        for line in (line for line in lines if line.axis == axis):
            xs = [point.x for point in line.points]
            times = [1000 * point.seconds for point in line.points]
            time_plot.loglog(xs, times, marker="o", label=f"{line.what} ({line.slope:.2f})")
            memory_plot.loglog(xs, [max(1, point.bytes) / MIB for point in line.points], marker="o", label=line.what)
        for plot, label in ((time_plot, "ms of processor time"), (memory_plot, "MiB above the start")):
            plot.set_xlabel(axis)
            plot.set_ylabel(label)
            plot.set_xticks(xs, [str(x) for x in xs])
            plot.minorticks_off()
            plot.grid(alpha=0.3)
            plot.legend(fontsize="small")
    with written_aside(out) as aside, rc_context({"svg.fonttype": "none"}):  # letters stay letters
        figure.savefig(aside, format=out.suffix[1:].lower())


def _measured(piece: Piece, value: int, x: int) -> Point:
    """Median processor time of the piece, and how much the most memory of its process lay above that before it."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, piece, value))
    process.start()
    sender.close()
    try:
        seconds, taken = receiver.recv()
    except EOFError:
        raise RuntimeError(f"{piece.__name__} of {value} broke off") from None
    finally:
        process.join()
    return Point(x, seconds, taken)


def _measure(sender, piece: Piece, value: int) -> None:
    work = piece(min(value, 9))  # libraries and kernels are loaded
    work()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = piece(value)
    work()
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sender.send((sorted(times)[RUNS // 2], taken * 1024))


def _saved(scene: Scene) -> Scene:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.ivid"
        scene.save(path)
        return Scene.load(path)
