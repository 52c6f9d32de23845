"""What the published networks' labels stand for."""

from __future__ import annotations

from importlib.resources import files

from ivid.scene.files import read_json


def imagenet_class_names() -> list[str]:
    """The 1000 classes of ImageNet in the order of their indices, each with its synonyms, all different."""
    return read_json(files("ivid.published").joinpath("imagenet_classes.json").read_bytes(), "imagenet_classes.json")
