"""A small network that names the class of a render: what it makes of generated pictures tells how good they are.

Trained on renders of the training assets and tested on those of held-out assets; its features are also the space in
which distances between sets of pictures, and nearest training pictures, are measured.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from ivid.scene.files import written_aside


class LabelledImages(Protocol):
    """Pictures with classes, such as `ivid.data.renders.Renders`.

    Attributes:
        rgb: uint8 [N, S, S, 3].
        labels: int64 [N].
        classes: names in the order of the labels.
    """

    @property
    def rgb(self) -> np.ndarray: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def classes(self) -> Sequence[str]: ...


class Block(nn.Module):
    """Two normalised convolutions beside a shortcut; the first halves the resolution."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(channels, out, 1, bias=False)
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.shortcut(functional.avg_pool2d(x, 2)))


class ImageClassifier(nn.Module):
    """A residual network over pictures brought to 64 pixels; 1.2 M parameters at the default widths.

    Attributes:
        classes: names in the order of the logits.
        widths: channels of the stem and of each block after it.
    """

    SIDE = 64

    def __init__(self, classes: Sequence[str], widths: Sequence[int] = (32, 64, 128, 256)) -> None:
        super().__init__()
        self.classes, self.widths = tuple(classes), tuple(widths)
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in pairwise(widths)))
        self.head = nn.Linear(widths[-1], len(self.classes))

    def features(self, images: Tensor) -> Tensor:
        """[B, widths[-1]], what the last layer sees, of pictures [B, 3, S, S] in [-1, 1]."""
        if images.shape[-1] != self.SIDE:
            images = functional.interpolate(images, (self.SIDE, self.SIDE), mode="area")
        return self.blocks(self.stem(images)).mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes] of pictures [B, 3, S, S] in [-1, 1]."""
        return self.head(self.features(images))


def train_classifier(
    renders: LabelledImages,
    samples: int = 200_000,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 0,
    device: str | None = None,
    widths: Sequence[int] = (32, 64, 128, 256),
    max_seconds: float | None = None,
) -> ImageClassifier:
    """Train a classifier on labelled pictures, mirrored, shifted and tinted at random.

    Args:
        renders: the training pictures.
        samples: pictures to show it, counting repetitions.
        batch_size: pictures per step.
        learning_rate: the highest; it rises for a tenth of the run and falls to 0.
        seed: the same seed gives the same network on the same machine.
        device: the first GPU, or the CPU, when None.
        widths: of the network.
        max_seconds: stop early after this long.

    Raises:
        ValueError: there are no pictures, or only one class.
    """
    if len(renders.labels) == 0 or len(renders.classes) < 2:
        raise ValueError("a classifier needs pictures of at least two classes")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ImageClassifier(renders.classes, widths).to(device)
    rng = np.random.default_rng(seed)
    steps = max(1, samples // batch_size)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps + 1, pct_start=0.1)
    started = time.monotonic()
    model.train()
    with tqdm(range(steps), unit="step", desc="classifier", dynamic_ncols=True) as bar:
        for step in bar:
            chosen = np.sort(rng.integers(len(renders.labels), size=batch_size))
            images = augmented(to_network(renders.rgb[chosen], device), rng)
            labels = torch.from_numpy(np.asarray(renders.labels[chosen], np.int64)).to(device)
            with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=device != "cpu"):
                loss = functional.cross_entropy(model(images), labels, label_smoothing=0.05)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            if step % 20 == 0:
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            if max_seconds is not None and time.monotonic() - started > max_seconds:
                break
    return model.eval()


def augmented(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures [B, 3, S, S] in [-1, 1], each mirrored, shifted by up to S/16 and tinted on its own."""
    count, size = images.shape[0], images.shape[-1]
    reach = size // 16
    flip = torch.from_numpy(rng.random(count) < 0.5).to(images.device)
    images = torch.where(flip[:, None, None, None], images.flip(-1), images)
    padded = functional.pad(images, (reach,) * 4, mode="replicate")
    shifts = rng.integers(0, 2 * reach + 1, (count, 2))
    images = torch.stack(
        [
            picture[:, row : row + size, column : column + size]
            for picture, (row, column) in zip(padded, shifts, strict=True)
        ]
    )
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (count, 3, 1, 1)).astype(np.float32)).to(images.device)
    return ((images + 1) * gain - 1).clamp(-1, 1)


def features(model: ImageClassifier, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Features float32 [N, D] of pictures uint8 [N, S, S, 3]."""
    with torch.inference_mode():
        return np.concatenate(
            [model.features(batch).float().cpu().numpy() for batch in _batches(model, images, batch_size)]
        )


def predict(model: ImageClassifier, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Class indices int64 [N] of pictures uint8 [N, S, S, 3]."""
    with torch.inference_mode():
        return np.concatenate([model(batch).argmax(1).cpu().numpy() for batch in _batches(model, images, batch_size)])


def accuracy(model: ImageClassifier, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of pictures uint8 [N, S, S, 3] whose class, int [N], the model names."""
    return float((predict(model, images) == np.asarray(labels)).mean())


def save_classifier(model: ImageClassifier, path: str | Path) -> None:
    """Write a model to one safetensors file, its classes and widths included."""
    from safetensors.torch import save_file

    described = {"classes": json.dumps(model.classes), "widths": json.dumps(model.widths)}
    with written_aside(path) as aside:
        save_file({name: value.contiguous().cpu() for name, value in model.state_dict().items()}, aside, described)


def load_classifier(path: str | Path, device: str = "cpu") -> ImageClassifier:
    """Read what `save_classifier` wrote.

    Raises:
        ValueError: the file is something else, or damaged.
        OSError: there is no such file, or it cannot be read.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, framework="pt") as file:
            described = file.metadata() or {}
        model = ImageClassifier(json.loads(described["classes"]), json.loads(described["widths"]))
        model.load_state_dict(load_file(path))
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is no classifier of this program ({str(error).splitlines()[0]})") from None
    return model.to(device).eval()


def to_network(images: np.ndarray, device: torch.device | str) -> Tensor:
    """Pictures uint8 [B, S, S, 3] as float32 [B, 3, S, S] in [-1, 1]."""
    tensor = torch.from_numpy(np.array(images)).to(device)  # a copy: mapped files are not writable
    return (tensor.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()


def _batches(model: ImageClassifier, images: np.ndarray, batch_size: int) -> Iterator[Tensor]:
    if len(images) == 0:
        raise ValueError("there are no pictures")
    for start in range(0, len(images), batch_size):
        yield to_network(images[start : start + batch_size], model.head.weight.device)
