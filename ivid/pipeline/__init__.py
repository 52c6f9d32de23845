"""From a class and a seed to a scene: the pipeline, its config and sampling, and where models are found.

torch and diffusers are imported when `IvidPipeline` is first asked for.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ivid.pipeline.config import ModelConfig
    from ivid.pipeline.events import Event, Preview, ViewDone
    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder
    from ivid.pipeline.pipeline import IvidPipeline
    from ivid.pipeline.sampling import Sampling

__all__ = ["Event", "IvidPipeline", "ModelConfig", "Preview", "Sampling", "ViewDone", "load_pipeline", "model_folder"]

if not TYPE_CHECKING:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "events": ["Event", "Preview", "ViewDone"],
            "loading": ["load_pipeline"],
            "models": ["model_folder"],
            "config": ["ModelConfig"],
            "pipeline": ["IvidPipeline"],
            "sampling": ["Sampling"],
        },
    )
