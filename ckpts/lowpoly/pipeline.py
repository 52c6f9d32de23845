"""The class of this model, for `DiffusionPipeline.from_pretrained(..., trust_remote_code=True)`.

It is part of the package ivid, which must be installed.
"""

from ivid.pipeline.diffusers_pipeline import IvidDiffusionPipeline

__all__ = ["IvidDiffusionPipeline"]
