"""Which models there are, and the folder of each, ready to be loaded.

A model is a folder that `IvidPipeline.from_pretrained` reads. `lowpoly` comes with the project; `imagenet128` is
fetched from the Hugging Face hub and converted on first use; any other name is a folder.
"""

from __future__ import annotations

from pathlib import Path

from ivid.pipeline.config import NETWORKS, LabelConfig, ModelConfig, ModelIndex
from ivid.pipeline.hub import HUB_FILES, ModelError, Tell, download
from ivid.pipeline.locations import BUNDLED_MODELS, cache_folder
from ivid.pipeline.model_files import check_model_folder, model_fingerprint
from ivid.published.class_names import imagenet_class_names

MODELS = ("lowpoly", *HUB_FILES)


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


def read_index(name_or_path: str | Path) -> ModelIndex:
    """What belongs to a model, without fetching, converting or loading it.

    Args:
        name_or_path: as of `model_folder`.

    Raises:
        ModelError: there is no such model, or its folder is not complete.
    """
    name = str(name_or_path)
    if name in HUB_FILES and not (BUNDLED_MODELS / name).is_dir():
        labels = LabelConfig(tuple(imagenet_class_names()))
        return ModelIndex(ModelConfig(name=name, labels=labels), NETWORKS[:2])
    return ModelIndex.read(model_folder(name))


def known_fingerprint(name_or_path: str | Path) -> str:
    """The `model_fingerprint` of a model, without fetching it: "" as long as it is not here.

    Args:
        name_or_path: as of `model_folder`.

    Raises:
        ModelError: there is no such model, or its folder is not complete.
    """
    name = str(name_or_path)
    if name in HUB_FILES and not (BUNDLED_MODELS / name).is_dir() and not (cache_folder() / name).is_dir():
        return ""
    return model_fingerprint(model_folder(name))


def _fetched(name: str, tell: Tell) -> Path:
    """The converted model in the cache, downloaded and converted if it is not there yet."""
    from filelock import FileLock

    from ivid.pipeline.conversion import convert_files  # imports torch

    folder = cache_folder() / name
    if not folder.is_dir():
        with FileLock(folder.with_suffix(".lock")):  # several processes may want it at once
            if not folder.is_dir():
                uncond, cond = download(name, tell)
                tell("Converting the weights")
                return convert_files(uncond, cond, folder, name=name)
    return check_model_folder(folder)
