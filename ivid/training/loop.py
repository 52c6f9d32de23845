"""Training either network (method §7, §10): one loop for one process or many, killed at any moment and resumed.

A run folder holds `config.json`, `log.jsonl`, `samples/`, `tensorboard/`, `state/` (everything needed to go on) and
`unet/`, the averaged network in half precision, in diffusers' layout. Sample n, the noise of step k and the learning
rate of step k are functions of the config alone, so a resumed run takes the step that the killed one would have taken.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import GradScalerKwargs
from diffusers import UNet2DModel
from diffusers.training_utils import EMAModel
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from ivid.data.renders import Kinds, Renders
from ivid.data.training_set import RgbdImages, SampleSettings, TrainingSamples
from ivid.diffusion.denoiser import fold_of
from ivid.scene.files import written_aside
from ivid.training.config import INPUT_CHANNELS, TrainingConfig
from ivid.training.labels import EMBEDDING, known_labels, mean_embeddings, write_labels
from ivid.training.log import TrainingLog
from ivid.training.optimisers import make_optimiser
from ivid.training.tasks import Objective

LOSS_SCALING = GradScalerKwargs(init_scale=2.0**20, growth_factor=2**0.001, backoff_factor=0.5, growth_interval=1)
"""Of training in half precision (method §10)."""


def build_unet(config: TrainingConfig, size: int, class_count: int, kinds: Kinds | None = None) -> UNet2DModel:
    """The network of a config for images of `size` pixels; 0 classes makes it unconditional (method §9).

    A refiner is told kinds, but no classes: where it begins, those are settled. `kinds` are those of the labels.
    """
    folded = config.fold**2
    class_count = 0 if config.network == "refiner" and kinds is None else class_count
    unet = UNet2DModel(
        sample_size=size // config.fold,
        in_channels=INPUT_CHANNELS[config.network] * folded,
        out_channels=4 * folded,
        num_class_embeds=class_count + 1 if class_count else None,
        **config.unet,
    )
    if class_count:
        with torch.no_grad():
            embedding_weight(unet)[-1] = 0
    if config.init_from:
        start = Path(config.init_from)
        start_from(unet, UNet2DModel.from_pretrained(start), kinds if class_count else None, known_labels(start))
    return unet


_MARK = 0.4
"""Standard deviation of the marks that tell labels of one class apart; embeddings have about 1."""


def embedding_weight(unet: UNet2DModel) -> torch.nn.Parameter:
    """The class embeddings [classes + 1, D], the null class last."""
    return unet.get_parameter(EMBEDDING)


def start_from(
    unet: UNet2DModel, source: UNet2DModel, kinds: Kinds | None = None, known: list[str] | None = None
) -> None:
    """Copy weights; input channels that `source` lacks start at zero (method §10).

    With folding, the k² channels of one image channel lie together, and x_t comes first, so the new ones are the last.
    A network that folds m times larger blocks begins with pictures reduced by m, and enlarges by m what it draws.
    One that is told labels, which `source` is not, begins with embeddings of zero.
    One whose labels are kinds of the classes that `source` knows begins with the embedding of each one's class, and
    marks at random, one of the model and one of the side, that tell it from its like. Where the labels of `source` are
    kinds too, of the models `known`, each label begins with the mean of the embeddings of its model.

    Raises:
        ValueError: the networks differ in more than their input channels, folding and labels, or a model is not known.
    """
    weights = source.state_dict()
    own = unet.state_dict()
    fold = fold_of(source)
    times = fold_of(unet) // fold
    narrow = _refolded(weights["conv_in.weight"], 1, fold, times) / times**2
    wide = torch.zeros_like(own["conv_in.weight"])
    wide[:, : narrow.shape[1]] = narrow
    weights["conv_in.weight"] = wide
    for name in ("conv_out.weight", "conv_out.bias"):
        weights[name] = _refolded(weights[name], 0, fold, times)
    if EMBEDDING in own and EMBEDDING not in weights:
        weights[EMBEDDING] = torch.zeros_like(own[EMBEDDING])
    elif kinds is not None and known is not None:
        if kinds.shown != known:
            weights[EMBEDDING] = mean_embeddings(weights[EMBEDDING], known, kinds.shown)
    elif kinds is not None and len(weights[EMBEDDING]) == max(kinds.classes) + 2:
        weights[EMBEDDING] = _told_apart(weights[EMBEDDING], kinds)
    differing = own.keys() ^ weights.keys()
    differing |= {name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape}
    if differing:
        raise ValueError(f"the network to start from differs in {len(differing)} tensors, {sorted(differing)[0]} first")
    unet.load_state_dict(weights)


def _told_apart(embeddings: Tensor, kinds: Kinds) -> Tensor:
    """Embeddings of kinds and of the null class, made of those of classes and of the null class."""
    rows = embeddings[list(kinds.classes)]
    for trait in (kinds.models, kinds.sides):
        rows = rows + _MARK * torch.randn(max(trait) + 1, rows.shape[1])[list(trait)]
    return torch.cat([rows, embeddings[-1:]])


def _refolded(weight: Tensor, dim: int, fold: int, times: int) -> Tensor:
    """The channels of blocks of `fold`² pixels along `dim`, each in the places of all it becomes in larger blocks."""
    blocks = weight.unflatten(dim, (-1, fold, fold))
    enlarged = blocks.repeat_interleave(times, dim + 1).repeat_interleave(times, dim + 2)
    return enlarged.flatten(dim, dim + 2)


def train(
    config: TrainingConfig,
    images: RgbdImages,
    out: str | Path,
    max_seconds: float | None = None,
    further: RgbdImages | None = None,
) -> None:
    """Train until `config.steps`, or for `max_seconds`, whichever comes first; goes on from what `out` holds.

    Args:
        config: of the run.
        images: labelled RGBD images (`ivid.data.renders.Renders`, or photographs).
        out: the run folder.
        max_seconds: stop and save after this long.
        further: images like `images`, of which the samples with a condition are made in their place.

    Raises:
        ValueError: `out` holds a run with another config, or the images are of another size or damaged.
    """
    if further is not None and config.network not in ("novel_view", "refiner"):
        raise ValueError(f"a {config.network} network sees no further views: it has no use for images of them")
    out = Path(out)
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        gradient_accumulation_steps=config.accumulation,
        kwargs_handlers=[LOSS_SCALING],
    )
    torch.manual_seed(config.seed)
    size = images[0][1].shape[0]
    if config.size not in (None, size):
        raise ValueError(
            f"the config is for {config.size}x{config.size} pixels, the images are {size}x{size}; "
            f"photographs are brought to any size, here with --size {config.size}"
        )
    kinds = None
    if config.labels == "kind":
        if not isinstance(images, Renders):
            raise ValueError("the config tells the network which model a picture shows: the data must be renders")
        images = images.by_kind(config.sides)
        kinds = images.kinds
        further = further.by_kind(config.sides) if isinstance(further, Renders) else further
    if further is not None and _nature(further) != _nature(images):
        raise ValueError("the images for further views are of another size, show other things or code depth otherwise")
    unet = build_unet(config, size, len(images.classes), kinds)
    if accelerator.device.type == "cpu":
        unet = unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if unet.config["num_class_embeds"]:
        embedding_weight(unet).register_hook(_without_last_row)
    ema = EMAModel(unet.parameters(), decay=config.ema_decay, use_ema_warmup=True, power=0.75, model_cls=UNet2DModel)
    unet, optimiser = accelerator.prepare(unet, make_optimiser(config, unet))
    accelerator.register_for_checkpointing(ema)
    first_step = _resume(accelerator, config, out)
    ema.to(accelerator.device)  # a state is read onto the CPU
    objective = Objective.of(config, unet, accelerator, kinds)
    batches = _batches(config, images, further, first_step, accelerator)
    progress = tqdm(
        total=config.steps,
        initial=first_step,
        unit="step",
        smoothing=0.02,
        disable=not accelerator.is_main_process,
        dynamic_ncols=True,
    )
    log = TrainingLog(out, config, _samples_per_step(config, accelerator), first_step, accelerator.is_main_process)
    started, step = time.monotonic(), first_step
    while step < config.steps:
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate_at(step)
        losses = []
        for part in range(config.accumulation):
            noise = torch.Generator().manual_seed(_noise_seed(config, step, part, accelerator.process_index))
            with accelerator.accumulate(unet):
                loss = objective.loss(next(batches), noise)
                accelerator.backward(loss)
                if accelerator.sync_gradients and config.gradient_clip:
                    accelerator.clip_grad_norm_(unet.parameters(), config.gradient_clip)
                optimiser.step()
                optimiser.zero_grad()
            losses.append(loss.detach())
        ema.step(unet.parameters())
        step += 1
        progress.update()
        log.loss(step, torch.stack(losses).mean(), progress)
        out_of_time = max_seconds is not None and _any(accelerator, time.monotonic() - started > max_seconds)
        last = step == config.steps or out_of_time
        if last or step % config.save_every == 0:
            _save(accelerator, config, unet, ema, step, out, kinds)
        if accelerator.is_main_process and (last or step % config.sample_every == 0):
            sheet = out / "samples" / f"{step:08d}.png"
            with _averaged(ema, accelerator.unwrap_model(unet)):
                objective.draw(images, sheet)
            log.picture(step, sheet)
        if out_of_time:
            break
    progress.close()
    log.close()
    accelerator.end_training()


def _nature(images: RgbdImages) -> tuple:
    return images[0][1].shape, tuple(images.classes), images.depth_range


def _batches(
    config: TrainingConfig, images: RgbdImages, further: RgbdImages | None, first_step: int, accelerator: Accelerator
) -> Iterator[dict[str, Tensor]]:
    """Batches of this process from `first_step` on."""
    settings = SampleSettings(
        seed=config.seed,
        flip=config.flip,
        label_dropout=config.label_dropout,
        pairs=config.pairs if config.network in ("novel_view", "refiner") else None,
        pair_share=config.pair_share if config.network == "refiner" else 1.0,
        flip_first_views=config.flip_first_views,
    )
    share = config.batch_size // config.accumulation
    stride = share * accelerator.num_processes
    batch_size = _samples_per_step(config, accelerator)
    starts = range(first_step * batch_size + accelerator.process_index * share, config.steps * batch_size, stride)
    loader = DataLoader(
        TrainingSamples(images, settings, further),
        batch_sampler=(list(range(n, n + share)) for n in starts),  # made one by one: there are millions
        num_workers=config.loader_workers,
        persistent_workers=config.loader_workers > 0,
        pin_memory=accelerator.device.type == "cuda",
        multiprocessing_context="spawn" if config.loader_workers else None,
    )
    try:
        for batch in loader:
            yield {name: value.to(accelerator.device, non_blocking=True) for name, value in batch.items()}
    except ValueError as error:  # a worker's has its traceback in front
        raise ValueError(str(error).strip().splitlines()[-1].removeprefix("ValueError: ")) from None


def _samples_per_step(config: TrainingConfig, accelerator: Accelerator) -> int:
    return config.batch_size * accelerator.num_processes


def _any(accelerator: Accelerator, true_here: bool) -> bool:
    """Whether something is true of any process; they must agree on when to stop, because they save together."""
    if accelerator.num_processes == 1:
        return true_here
    found = accelerator.gather(torch.tensor([float(true_here)], device=accelerator.device))
    return bool(torch.as_tensor(found).any())


def _noise_seed(config: TrainingConfig, step: int, part: int, process: int) -> int:
    return int(np.random.SeedSequence((config.seed, step, part, process)).generate_state(1, np.uint64)[0] >> 1)


def _without_last_row(gradient: Tensor) -> Tensor:
    """The null class stays a zero embedding throughout training (method §9)."""
    gradient = gradient.clone()
    gradient[-1] = 0
    return gradient


def _resume(accelerator: Accelerator, config: TrainingConfig, out: Path) -> int:
    """Read the newest state of the run, and return its step; 0 for a new run."""
    recorded = out / "config.json"
    if recorded.exists():
        before = TrainingConfig.read(recorded)
        fixed = ("network", "unet", "scheduler", "fold")
        changed = [name for name in fixed if getattr(before, name) != getattr(config, name)]
        if changed:
            raise ValueError(f"{out} holds a run with another {', '.join(changed)}; train into another folder")
    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        with written_aside(recorded) as aside:
            aside.write_text(json.dumps(asdict(config), indent=1))
    accelerator.wait_for_everyone()
    state, replaced = out / "state", out / "state.replaced"
    if not state.exists() and replaced.exists():  # killed between the two renames of a save
        replaced.rename(state)
    if not state.exists():
        return 0
    accelerator.load_state(str(state))
    return json.loads((state / "step.json").read_text())["step"]


def _save(
    accelerator: Accelerator,
    config: TrainingConfig,
    unet: torch.nn.Module,
    ema: EMAModel,
    step: int,
    out: Path,
    kinds: Kinds | None,
) -> None:
    """Write the state and the averaged network aside, then rename."""
    aside, state, replaced = out / "state.aside", out / "state", out / "state.replaced"
    if accelerator.is_main_process:
        shutil.rmtree(aside, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(aside))
    accelerator.wait_for_everyone()
    if not accelerator.is_main_process:
        return
    samples = step * _samples_per_step(config, accelerator)
    (aside / "step.json").write_text(json.dumps({"step": step, "samples": samples}))
    shutil.rmtree(replaced, ignore_errors=True)
    if state.exists():
        state.rename(replaced)
    aside.rename(state)
    shutil.rmtree(replaced, ignore_errors=True)
    plain = accelerator.unwrap_model(unet)
    network = out / "unet.aside"
    with _averaged(ema, plain):
        copy.deepcopy(plain).half().save_pretrained(str(network))
    if kinds is not None and plain.config["num_class_embeds"]:
        write_labels(network, kinds)
    shutil.rmtree(out / "unet", ignore_errors=True)
    os.replace(network, out / "unet")


class _averaged:
    """The averaged weights in the network, for the length of a with block."""

    def __init__(self, ema: EMAModel, unet: torch.nn.Module) -> None:
        self.ema, self.unet = ema, unet

    def __enter__(self) -> None:
        self.ema.store(self.unet.parameters())
        self.ema.copy_to(self.unet.parameters())
        self.unet.eval()

    def __exit__(self, *_: object) -> None:
        self.ema.restore(self.unet.parameters())
        self.unet.train()
