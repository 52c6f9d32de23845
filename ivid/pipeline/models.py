"""Which models there are, where their weights come from, and the authors' published weights made into one of ours.

A model is a folder in diffusers' layout that `IvidPipeline` reads. `lowpoly` comes with the project; `imagenet128` is
fetched from the Hugging Face hub and converted on first use; any other name is a folder.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ivid.published.unet import (
    PUBLISHED_CONFIGS,
    PublishedWeightsError,
    convert_published,
    load_published,
    recognised_config,
)

if TYPE_CHECKING:
    from diffusers import UNet2DModel

__all__ = [
    "BUNDLED_MODELS",
    "MODELS",
    "PUBLISHED_CONFIGS",
    "ModelError",
    "PublishedWeightsError",
    "cache_folder",
    "check_model_folder",
    "convert_files",
    "convert_published",
    "imagenet_class_names",
    "load_published",
    "model_folder",
]

BUNDLED_MODELS = Path(__file__).resolve().parents[2] / "ckpts"
HUB_REPOSITORY = "JeffreyXiang/ivid"
HUB_FILES = {"imagenet128": ("imagenet128_uncond.pt", "imagenet128_cond.pt")}
MODELS = ("lowpoly", *HUB_FILES)

PUBLISHED_SCHEDULE = {"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}

Tell = Callable[[str], object]


class ModelError(ValueError):
    """A model that is unknown, incomplete, or cannot be fetched; the message says which, and what would be right."""


def model_folder(name_or_path: str | Path, tell: Tell | None = None) -> Path:
    """The folder of a model, ready for `IvidPipeline.from_pretrained`.

    `imagenet128` is downloaded (resumable, with a progress bar; from the hub's cache when it is already there) and
    converted on first use, which takes minutes; afterwards no network is needed.

    Args:
        name_or_path: one of `MODELS`, or a folder.
        tell: called with a few words on how far a download is, besides the bar on the terminal.

    Raises:
        ModelError: there is no such model, its folder is not complete, or it could not be fetched.
    """
    name = str(name_or_path)
    bundled = BUNDLED_MODELS / name
    if name in MODELS and bundled.is_dir():
        return check_model_folder(bundled)
    if name in HUB_FILES:
        return _fetched(name, tell or (lambda _: None))
    folder = Path(name).expanduser()
    if not folder.is_dir():
        what = "the bundled model is missing from" if name in MODELS else "there is no model"
        where = str(bundled) if name in MODELS else repr(name)
        raise ModelError(f"{what} {where}; choose one of {', '.join(MODELS)}, or give a model folder")
    return check_model_folder(folder)


def check_model_folder(folder: str | Path) -> Path:
    """The folder, if it holds a complete model: an index, and configuration and whole weights of each network.

    Raises:
        ModelError: something is missing or cut short; the message names the file.
    """
    from safetensors import SafetensorError, safe_open

    folder = Path(folder)
    index_file = folder / "model_index.json"
    if not index_file.is_file():
        raise ModelError(f"{folder} is not a model: it has no model_index.json")
    try:
        index = json.loads(index_file.read_text(encoding="utf-8"))
        networks = [n for n, kind in index.items() if isinstance(kind, list) and kind[:1] == ["diffusers"]]
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{folder} is not a model: its model_index.json cannot be read ({error})") from None
    if index.get("_class_name") != "IvidPipeline" or not networks:
        raise ModelError(f"{folder} is not a model of this program: its model_index.json does not describe one")
    for network in networks:
        weights = next(iter(sorted((folder / network).glob("diffusion_pytorch_model*.safetensors"))), None)
        if weights is None or not (folder / network / "config.json").is_file():
            missing = "config.json" if weights else "weights (diffusion_pytorch_model.safetensors)"
            raise ModelError(f"the model {folder} is only half there: {network} has no {missing}")
        try:
            with safe_open(weights, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(f"the model {folder} is only half there: {network}/{weights.name} ({error})") from None
    return folder


def convert_files(
    uncond: str | Path,
    cond: str | Path,
    out: str | Path,
    name: str | None = None,
    upsampler: str | Path | None = None,
) -> Path:
    """Make the two published `.pt` files, and an upsampler's if there is one, into a model folder (method §9).

    Depth range, steps, guidance and the constants of the pull are the published ones. The folder is written aside and
    renamed. Networks of the same layout and other widths are recognised too.

    Args:
        uncond: weights of the first-view network, 4 input channels.
        cond: weights of the novel-view network, 10 input channels.
        out: the folder to write; it must not exist, or be empty.
        name: what the model is called; the folder's name when None.
        upsampler: weights of the network that doubles the size of views, 8 input channels.

    Returns:
        `out`.

    Raises:
        ValueError: the files are no such weights or do not belong together, or `out` has something in it already.
        OSError: a file cannot be read or written.
    """
    from ivid.diffusion.conditioning import Blending
    from ivid.pipeline.pipeline import IvidPipeline

    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already; give the name of a folder that is not")
    networks = {
        role: _network(path, channels, role.replace("_", "-"))
        for role, path, channels in (("first_view", uncond, 4), ("novel_view", cond, 10), ("upsampler", upsampler, 8))
        if path is not None
    }
    known_classes = {role: unet.config["num_class_embeds"] or 1 for role, unet in networks.items()}
    if len(set(known_classes.values())) > 1:
        told = ", ".join(f"{role.replace('_', '-')} {rows - 1}" for role, rows in known_classes.items())
        raise PublishedWeightsError(f"the networks do not belong together: they know different classes ({told})")
    pipeline = IvidPipeline(
        first_view_unet=networks["first_view"],
        novel_view_unet=networks["novel_view"],
        upsampler_unet=networks.get("upsampler"),
        name=name or out.name,
        class_names=_class_names(known_classes["first_view"] - 1),
        depth_range=(0.6, 5.0),
        schedule=PUBLISHED_SCHEDULE,
        prediction_type="epsilon",
        first_steps=1000,
        novel_steps=50,
        guidance=3.0,
        pull=asdict(Blending()),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        pipeline.save_pretrained(str(aside))
        aside.chmod(0o755)  # mkdtemp makes folders that only their owner can enter
        if out.exists():
            out.rmdir()
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return out


def _network(path: str | Path, in_channels: int, role: str) -> UNet2DModel:
    """The network of a published file, for a role that takes so many channels."""
    tensors = load_published(path)
    try:
        config = recognised_config(tensors)
        if config["in_channels"] != in_channels:
            article = "an" if role == "upsampler" else "a"
            raise PublishedWeightsError(
                f"it has {config['in_channels']} input channels; {article} {role} network has {in_channels}"
            )
        return convert_published(tensors, config)
    except PublishedWeightsError as error:
        raise PublishedWeightsError(f"{Path(path).name}: {error}") from None


def imagenet_class_names() -> list[str]:
    """The 1000 classes of ImageNet in the order of their indices, each with its synonyms, all different."""
    return json.loads(files("ivid.published").joinpath("imagenet_classes.json").read_text(encoding="utf-8"))


def cache_folder() -> Path:
    """Where what is fetched or computed once is kept: `$IVID_CACHE`, the user's cache, or a temporary folder.

    The last is for homes that cannot be written to.
    """
    chosen = os.environ.get("IVID_CACHE")
    candidates = [Path(chosen)] if chosen else []
    candidates.append(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ivid")
    for folder in candidates:
        if _can_be_written(folder):
            return folder
    folder = Path(tempfile.gettempdir()) / "ivid-cache"
    folder.mkdir(exist_ok=True)
    return folder


def _can_be_written(folder: Path) -> bool:
    """Whether files can be put into a folder; it is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _class_names(count: int) -> Sequence[str]:
    names = imagenet_class_names()
    return names if count == len(names) else [f"class {index}" for index in range(count)]


def _fetched(name: str, tell: Tell) -> Path:
    """The converted model in the cache, downloaded and converted if it is not there yet."""
    from filelock import FileLock

    folder = cache_folder() / name
    if not folder.is_dir():
        with FileLock(folder.with_suffix(".lock")):  # several processes may want it at once
            if not folder.is_dir():
                uncond, cond = _downloaded(name, tell)
                tell("Converting the weights")
                return convert_files(uncond, cond, folder, name=name)
    return check_model_folder(folder)


def _downloaded(name: str, tell: Tell) -> list[str]:
    """The published files of a model in the hub's cache; what is there already needs no network."""
    from httpx2 import HTTPError
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    files = HUB_FILES[name]
    cache = Path(constants.HF_HUB_CACHE) if _can_be_written(Path(constants.HF_HUB_CACHE)) else cache_folder() / "hub"

    def download(file: str) -> str:
        try:
            return hf_hub_download(HUB_REPOSITORY, file, cache_dir=cache, local_files_only=True)
        except LocalEntryNotFoundError:
            # asked once, where the download would ask for half a minute before it gives up
            get_hf_file_metadata(hf_hub_url(HUB_REPOSITORY, file))
            return hf_hub_download(HUB_REPOSITORY, file, cache_dir=cache, tqdm_class=_telling_bar(file, tell))

    try:
        return [download(file) for file in files]
    except (HTTPError, OSError) as error:  # the library's own errors are kinds of these
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"the model {name} could not be downloaded from the hub's {HUB_REPOSITORY} ({reason}); connect to the "
            f"network and try again, or get {' and '.join(files)} and run: "
            f"python -m ivid convert {' '.join(files)} --out {BUNDLED_MODELS / name}"
        ) from None


def _telling_bar(file: str, tell: Tell) -> type:
    """The hub's progress bar, telling too, also where there is no terminal to draw it on."""
    from huggingface_hub.utils import tqdm

    class TellingBar(tqdm):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            self.arrived, self.whole = options.get("initial", 0), options.get("total")

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += n or 0
            tell(f"Downloading {file}" + (f": {100 * self.arrived / self.whole:.0f} %" if self.whole else ""))
            return super().update(n)

    return TellingBar
