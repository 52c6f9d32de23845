"""What the status line says."""

from __future__ import annotations

import re
from typing import Any

from ivid.page.jobs import Progress
from ivid.page.requests import GenerationRequest


def status(text: str, tone: str = "idle", share: float | None = None, title: str = "") -> dict[str, Any]:
    """The value of the status line.

    Args:
        text: one sentence.
        tone: idle, busy, done or warning.
        share: of the work that is done, 0 to 1; None while it cannot be said.
        title: of the browser's window; "" for the page's own.
    """
    return {"text": text, "tone": tone, "share": share, "title": title}


def progress_status(request: GenerationRequest, progress: Progress, took_s: float) -> dict[str, Any]:
    """The status line of a scene that is being generated, or has been."""
    done, total = len(progress.views), len(request.cameras)
    title = f"{done}/{total} · {request.class_label or request.model}"
    if progress.phase == "waiting":
        if not progress.ahead:
            return status("Starting …", "busy", title=title)
        return status(
            f"Number {progress.ahead + 1} in the queue; {_scenes(progress.ahead)} before yours.", "busy", title=title
        )
    if progress.phase == "loading":
        return status(f"{progress.message or 'Loading the model'} …", "busy", title=title)
    if progress.phase == "failed":
        return status(sentence(progress.message), "warning")
    if progress.phase == "stopped":
        kept = f"; what is done ({done} of {total} views) is kept." if done else "."
        return status(f"Stopped{kept}", "idle")
    if progress.phase == "done":
        views = f"{total} view" + ("s" if total > 1 else "")
        return status(f"Done: {views} in {took_s:.0f} s.", "done", 1.0)
    upsampling = progress.phase == "upsampling"
    done = len(progress.upsampled) if upsampling else done
    now, share, step = min(done + 1, total), done / total, ""
    if progress.preview is not None:
        index, number, steps, _, _ = progress.preview
        now, share = index + 1, (index + number / steps) / total
        step = f" · step {number} of {steps}" if index == 0 else ""
    left = f" · {duration(progress.seconds_left)} left" if progress.seconds_left is not None else ""
    return status(f"{'Enlarging view' if upsampling else 'View'} {now} of {total}{step}{left}", "busy", share, title)


def sentence(text: str) -> str:
    """A message as a sentence: first letter large, unless it begins a file's name, and a full stop at its end."""
    text = " ".join(text.split())
    begins_with_file = re.match(r"\S*\.\w", text)
    return (
        (text[:1] if begins_with_file else text[:1].upper())
        + text[1:]
        + ("" if text.endswith((".", "!", "?")) else ".")
    )


def _scenes(count: int) -> str:
    return "1 scene is" if count == 1 else f"{count} scenes are"


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, in a few letters."""
    if seconds > 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
