"""Rendering views into new cameras without any network (method §4-§6, §10).

`FusionRenderer` for pictures, `aggregate_conditions` for what a novel-view network is told, `forward_backward_warp` for
what it is told in training.
"""

from ivid.fusion.conditions import aggregate_conditions
from ivid.fusion.renderer import FusionRenderer, Rendering
from ivid.fusion.warping import forward_backward_warp, random_warp_camera
from ivid.scene.condition import Condition

__all__ = [
    "Condition",
    "FusionRenderer",
    "Rendering",
    "aggregate_conditions",
    "forward_backward_warp",
    "random_warp_camera",
]
