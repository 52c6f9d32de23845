"""What the networks of a model learn: one class each, with its inputs, its target and a picture of what it can do."""

from ivid.training.tasks.base import NoisyBatch, Task
from ivid.training.tasks.first_view import FirstView
from ivid.training.tasks.novel_refiner import NovelRefiner
from ivid.training.tasks.novel_view import NovelView
from ivid.training.tasks.refiner import Refiner
from ivid.training.tasks.upsampler import Upsampler

TASKS: dict[str, type[Task]] = {
    "first_view": FirstView,
    "novel_view": NovelView,
    "refiner": Refiner,
    "novel_refiner": NovelRefiner,
    "upsampler": Upsampler,
}
"""The task of each `network` that a config can name."""

__all__ = ["TASKS", "FirstView", "NoisyBatch", "NovelRefiner", "NovelView", "Refiner", "Task", "Upsampler"]
