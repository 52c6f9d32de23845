"""Rendering views into new cameras without any network (method §4-§6, §10).

`FusionRenderer` renders pictures, `aggregate_conditions` makes the condition of a novel view, and
`forward_backward_warp` makes one for training.
"""

from ivid.fusion.conditions import aggregate_conditions
from ivid.fusion.consistency import consistent_views, cross_check, speck_share, without_specks
from ivid.fusion.renderer import FusionRenderer, Rendering
from ivid.fusion.warping import forward_backward_warp, random_warp_camera
from ivid.scene.condition import Condition

__all__ = [
    "Condition",
    "FusionRenderer",
    "Rendering",
    "aggregate_conditions",
    "consistent_views",
    "cross_check",
    "forward_backward_warp",
    "random_warp_camera",
    "speck_share",
    "without_specks",
]
