"""What the authors' program leaves and takes: its networks, its scene files, its folders (method §9, §12)."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ivid.published.scene_file import load_published_scene, open_scene, save_published_scene
    from ivid.published.unet import convert_published, load_published

__all__ = ["convert_published", "load_published", "load_published_scene", "open_scene", "save_published_scene"]

if not TYPE_CHECKING:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "scene_file": ["load_published_scene", "open_scene", "save_published_scene"],
            "unet": ["convert_published", "load_published"],
        },
    )
