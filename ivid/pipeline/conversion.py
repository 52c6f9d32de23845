"""The authors' published weights made into a model folder of ours (method §9)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ivid.pipeline.config import LabelConfig, ModelConfig
from ivid.published.class_names import imagenet_class_names
from ivid.published.network_config import PublishedWeightsError
from ivid.published.unet import convert_published, load_published, recognised_config
from ivid.scene.files import check_new_folder, folder_written_aside

if TYPE_CHECKING:
    from diffusers import UNet2DModel

PUBLISHED_SCHEDULE = {"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}


def convert_files(
    uncond: str | Path,
    cond: str | Path,
    out: str | Path,
    name: str | None = None,
    upsampler: str | Path | None = None,
) -> Path:
    """Make the two published `.pt` files, and an upsampler's if there is one, into a model folder (method §9).

    The rest of its config is as published, which `ModelConfig` has for its defaults. The folder is written aside and
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
    from ivid.pipeline.pipeline import IvidPipeline

    out = Path(out)
    check_new_folder(out)
    networks = {
        role: _network(path, channels, role.replace("_", "-"))
        for role, path, channels in (("first_view", uncond, 4), ("novel_view", cond, 10), ("upsampler", upsampler, 8))
        if path is not None
    }
    known_classes = {role: unet.config["num_class_embeds"] or 1 for role, unet in networks.items()}
    if len(set(known_classes.values())) > 1:
        listed = ", ".join(f"{role.replace('_', '-')} {rows - 1}" for role, rows in known_classes.items())
        raise PublishedWeightsError(f"the networks do not belong together: they know different classes ({listed})")
    pipeline = IvidPipeline(
        **{f"{role}_unet": unet for role, unet in networks.items()},
        config=ModelConfig(
            name=name or out.name,
            schedule=PUBLISHED_SCHEDULE,
            labels=LabelConfig(classes=tuple(_class_names(known_classes["first_view"] - 1))),
        ),
    )
    with folder_written_aside(out) as aside:
        pipeline.save_pretrained(aside)
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


def _class_names(count: int) -> Sequence[str]:
    names = imagenet_class_names()
    return names if count == len(names) else [f"class {index}" for index in range(count)]
