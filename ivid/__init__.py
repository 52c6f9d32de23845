"""3D-aware image generation with 2D diffusion models (ivid, ICCV 2023): sample RGBD views, fuse them, look around."""

__version__ = "0.1.0"
