"""The scene that is measured with."""

from __future__ import annotations

from pathlib import Path

from ivid.scene.scene import Scene

EXAMPLE = Path(__file__).resolve().parent.parent / "assets" / "house_seed00003.ivid"


def example_scene() -> Scene:
    """A house of the bundled model: 27 views at 128², view set 3x9."""
    return Scene.load(EXAMPLE)
