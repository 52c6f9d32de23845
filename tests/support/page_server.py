"""The page, served in this process, for tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from ivid.page.jobs import GenerationJob, Progress
from ivid.page.layout import build_page, launch_options
from ivid.page.registry import ModelRegistry
from ivid.page.sessions import Sessions
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import save_tiny_model


@dataclass(frozen=True)
class Served:
    url: str
    models: ModelRegistry
    page: gr.Blocks
    model: str
    sessions: Sessions


@contextmanager
def serving_page(folder: Path, port: int | None = None, model: Path | None = None) -> Iterator[Served]:
    """The page with a model, the tiny one unless told, and one example, "still"."""
    model = model or save_tiny_model(folder / "tiny")
    (folder / "examples").mkdir()
    synthetic_scene(48).save(folder / "examples" / "still.ivid")
    models = ModelRegistry([str(model)])
    sessions = Sessions()
    page = build_page(models, folder / "examples", sessions)
    models.load_in_background()
    _, url, _ = page.launch(server_port=port, prevent_thread_lock=True, quiet=True, **launch_options())
    try:
        yield Served(url, models, page, models.first.name, sessions)
    finally:
        page.close(verbose=False)


def finished(job: GenerationJob) -> Progress:
    """The progress of a job once it is over."""
    deadline = time.monotonic() + 120
    while not job.progress().over:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return job.progress()
