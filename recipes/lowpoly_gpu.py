"""From a folder of 3D models to a model in a few minutes, on a machine with a GPU and without network or display.

A first-view network larger than the bundled one is trained on new renders. Beside it, on the same GPU, the networks of
further views go on from the bundled ones, on rollouts around true and redrawn first views. Then the refiner of first
views goes on. Rays are cast on the processors, so that OpenGL is not needed. Every minute OUT gets the networks as they
are, as model.tar in parts of at most 15 MiB, at the end the model folder: cat OUT/model.tar.* | tar x
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tarfile
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ivid.cli.arguments import lines_of

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs" / "lowpoly"
PART = 15 * 2**20  # bytes
RUNS = ("first_view", "novel_view", "refiner", "novel_refiner")
# Of the time there is, until when a network is trained; the first view's is trained beside the others.
UNTIL = {"novel_view": 0.55, "novel_refiner": 0.76, "first_view": 0.76, "refiner": 0.9}
FULL_RATE = 0.75  # share of a network's time before its learning rate falls


@dataclass(frozen=True)
class Recipe:
    """What is made, and of what.

    Attributes:
        assets: one folder of GLB files per class.
        out: gets the model.
        work: renders, rollouts and runs.
        start: the model whose other networks are gone on with.
        only: the assets to train on, `class/file.glb`; all if None.
        minutes: when to be done.
        device: cuda or cpu.
        size: side of the pictures in pixels.
        first_images: renders that first views are learnt from.
        scenes, views: staged scenes with true views, and how many of each.
        rollouts: scenes drawn for training.
        batch, small_batch: samples of a step of the first-view network, and of the others.
        channels: of the three levels of the first-view network.
        loaders: processes that make a run's samples.
        began: when, in seconds since the epoch.
    """

    assets: Path
    out: Path
    work: Path
    start: Path
    only: tuple[str, ...] | None
    minutes: float
    device: str
    size: int
    first_images: int
    scenes: int
    views: int
    rollouts: int
    batch: int
    small_batch: int
    channels: tuple[int, ...]
    loaders: int
    began: float

    def seconds_until(self, share: float) -> float:
        """How long it is until a share of the time is over, at least a second."""
        return max(1.0, self.began + 60 * self.minutes * share - time.time())


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a model as the command line says."""
    recipe = _read(arguments)
    for folder in (recipe.out, recipe.work):
        folder.mkdir(parents=True, exist_ok=True)
    over = threading.Event()
    collector = threading.Thread(target=_collect, args=(recipe, over), daemon=True)
    collector.start()
    _render(recipe)
    further = multiprocessing.get_context("spawn").Process(target=train_further_views, args=(recipe,))
    further.start()
    try:
        train_network(recipe, "first_view", "studio", batch=recipe.batch)
        further.join()
    finally:
        further.kill()
    if further.exitcode:
        raise SystemExit(1)
    train_network(recipe, "refiner", "studio", "studio", recipe.start / "refiner_unet", ("first_view", "novel_view"))
    _bundle(recipe)
    over.set()
    collector.join()  # it may be in the middle of its parts
    write_parts(recipe.work / "model", recipe.out)
    print(recipe.out)


def train_further_views(recipe: Recipe) -> None:
    """Rollouts, and the two networks of further views on them."""
    from ivid.data.renders import Renders
    from ivid.pipeline.loading import load_pipeline
    from ivid.training.rollouts import RolloutSettings, record_rollouts

    settings = RolloutSettings(seed=1, views=min(8, recipe.views - 1), redrawn=0.7)
    pipeline = load_pipeline(recipe.start, recipe.device)
    record_rollouts(
        pipeline, Renders.open(recipe.work / "scenes"), recipe.work / "rollouts", recipe.rollouts, settings, 16
    )
    train_network(recipe, "novel_view", "scenes", "rollouts", recipe.start / "novel_view_unet")
    train_network(recipe, "novel_refiner", "scenes", "rollouts", recipe.start / "novel_refiner_unet", ("novel_view",))


def train_network(
    recipe: Recipe,
    name: str,
    data: str,
    further: str | None = None,
    start: Path | None = None,
    refines: Sequence[str] = (),
    batch: int | None = None,
) -> None:
    """Train one network until its time is over: first at the full rate, then at one that falls to 0.

    How many steps the second part has is known only when the first is over.

    Args:
        recipe: of the whole.
        name: of the config, and of the run.
        data, further: folders of `recipe.work`.
        start: weights to go on from.
        refines: the runs whose networks it refines.
        batch: samples of a step; `recipe.small_batch` unless told.
    """
    from ivid.cli.train import open_data, open_further
    from ivid.scene.files import read_json
    from ivid.training.config import TrainingConfig
    from ivid.training.loop import train

    changes = {
        "batch_size": batch or recipe.small_batch,
        "mixed_precision": "bf16" if recipe.device == "cuda" else "no",
        "loader_workers": recipe.loaders,
        "save_every": 100,
        "refines": [str(recipe.work / run / "unet") for run in refines],
        "init_from": str(start) if start else None,
        "steps": 10**6,
        "decay_steps": 0,
    }
    config = TrainingConfig.read(CONFIGS / f"{name}.json", changes)
    if name == "first_view":
        config = replace(config, unet={**config.unet, "block_out_channels": list(recipe.channels)})
    images, run = open_data(recipe.work / data, recipe.size), recipe.work / name
    samples = open_further(recipe.work / further, recipe.work / data, recipe.size) if further else None
    seconds = recipe.seconds_until(UNTIL[name])
    train(config, images, run, FULL_RATE * seconds, samples)
    step = read_json(run / "state" / "step.json")["step"]
    falling = max(1, round(step * (1 - FULL_RATE) / FULL_RATE))
    config = replace(config, steps=step + falling, decay_steps=falling)
    train(config, images, run, seconds, samples, override=("steps", "decay_steps"))


def write_parts(folder: Path, out: Path, names: Sequence[str] = (".",)) -> None:
    """Put parts of a folder into `out` as model.tar in files of at most `PART` bytes; older ones are replaced."""
    from ivid.scene.files import written_aside

    with tempfile.TemporaryFile() as whole:
        with tarfile.open(fileobj=whole, mode="w") as tar:
            for name in names:
                tar.add(folder / name, name)
        whole.seek(0)
        count = 0
        while part := whole.read(PART):
            with written_aside(out / f"model.tar.{count:02d}") as aside:
                aside.write_bytes(part)
            count += 1
    for path in out.glob("model.tar.*"):
        if int(path.suffix[1:]) >= count:
            path.unlink()


def _render(recipe: Recipe) -> None:
    from ivid.data.rendering import render_assets

    for name, seed, images, views in (
        ("scenes", 3, recipe.scenes, recipe.views),
        ("studio", 1, recipe.first_images, 1),
    ):
        render_assets(
            recipe.assets,
            recipe.work / name,
            size=recipe.size,
            images=images,
            views=views,
            seed=seed,
            poses="studio",
            rasteriser="rays",
            only=recipe.only,
        )


def _bundle(recipe: Recipe) -> None:
    from ivid.data.renders import Renders
    from ivid.training.packaging import bundle, read_model_config

    data = Renders.open(recipe.work / "studio")
    first, novel, refiner, novel_refiner = (recipe.work / run for run in RUNS)
    settings = read_model_config(ROOT / "configs" / "models" / "lowpoly.json")
    model = recipe.work / "model"
    bundle(first, novel, model, settings, data.classes, data.depth_range, refiner, novel_refiner)


def _collect(recipe: Recipe, over: threading.Event) -> None:
    while not over.wait(60):
        made = [f"{run}/unet" for run in RUNS if (recipe.work / run / "unet" / "config.json").exists()]
        if made and not over.is_set():
            write_parts(recipe.work, recipe.out, made)


def _read(arguments: Sequence[str] | None) -> Recipe:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("assets", type=Path, help="one folder of GLB files per class")
    parser.add_argument("out", type=Path, help="gets the model, in parts")
    parser.add_argument("--minutes", type=float, default=9.0, help="when to be done")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="where networks are trained")
    parser.add_argument("--work", type=Path, help="renders and runs; a fresh folder if left out")
    parser.add_argument("--start", type=Path, default=ROOT / "ckpts" / "lowpoly", help="the model to go on from")
    parser.add_argument("--only", type=Path, help="list of the assets to train on, CLASS/FILE.glb a line")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures in pixels")
    parser.add_argument("--first-images", type=int, default=20_000, help="renders that first views are learnt from")
    parser.add_argument("--scenes", type=int, default=640, help="staged scenes with true views")
    parser.add_argument("--views", type=int, default=31, help="true views of each of those")
    parser.add_argument("--rollouts", type=int, default=320, help="scenes drawn for training")
    parser.add_argument("--batch", type=int, default=256, help="samples of a step of the first-view network")
    parser.add_argument("--small-batch", type=int, default=64, help="samples of a step of the others")
    parser.add_argument(
        "--channels", type=int, nargs=3, default=(192, 288, 320), help="of the levels of the first-view network"
    )
    parser.add_argument("--loaders", type=int, default=4, help="processes that make the samples of a network")
    given = vars(parser.parse_args(arguments))
    if given["device"] == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if not given["assets"].is_dir():
        parser.error(f"there is no folder {given['assets']}")
    if given["minutes"] <= 0:
        parser.error("--minutes must be positive")
    given["only"] = tuple(lines_of(given["only"])) if given["only"] else None
    given["work"] = given["work"] or Path(tempfile.mkdtemp(prefix="lowpoly-"))
    return Recipe(**{**given, "channels": tuple(given["channels"])}, began=time.time())


if __name__ == "__main__":
    main()
