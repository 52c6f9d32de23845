"""Rendering views into new cameras without any network: fusion, conditions, forward-backward warping (method §4-§6, §10)."""

from ivid.fusion.warping import WarpedPair, forward_backward_warp, random_warp_camera

__all__ = ["WarpedPair", "forward_backward_warp", "random_warp_camera"]
