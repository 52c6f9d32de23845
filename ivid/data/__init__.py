"""Photographs and 3D models into RGBD training data; training pairs."""
