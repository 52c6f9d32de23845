"""How good are generated pictures and scenes: distances between sets of features, and geometry (method §13)."""

from ivid.evaluation.distances import fid, inception_score, mmd, nearest_neighbours
from ivid.evaluation.geometry import (
    Consistency,
    GroundPlane,
    ground_plane_fit,
    neighbouring_views,
    non_flatness,
    reprojection_consistency,
)
from ivid.evaluation.images import ImageScores, evaluate_images

__all__ = [
    "Consistency",
    "GroundPlane",
    "ImageScores",
    "evaluate_images",
    "fid",
    "ground_plane_fit",
    "inception_score",
    "mmd",
    "nearest_neighbours",
    "neighbouring_views",
    "non_flatness",
    "reprojection_consistency",
]
