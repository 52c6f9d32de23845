"""Training a network (method §7, §10): one loop for one process or many, killed at any moment and resumed.

A run folder holds `config.json`, `data.json`, `log.jsonl`, `samples/`, `tensorboard/`, `state/` (everything needed to
go on) and `unet/`, the averaged network in half precision, in diffusers' layout. Sample n, the noise of step k and the
learning rate of step k are functions of the config alone, so a resumed run takes the step that the killed one would
have taken.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import GradScalerKwargs
from diffusers.training_utils import EMAModel
from tqdm import tqdm

from ivid.data.further_views import FurtherViews, WarpedPairs
from ivid.data.images import RgbdImages
from ivid.data.recorded_views import RecordedViews
from ivid.data.renders import Renders
from ivid.diffusion.schedules import alphas_cumprod
from ivid.diffusion.unet import UNet2DModel
from ivid.training.batches import batches, noise_generator, samples_per_step
from ivid.training.checkpoints import RunFolder, averaged
from ivid.training.config import TrainingConfig
from ivid.training.log import TrainingLog
from ivid.training.loss_watch import LossWatch, TrainingDiverged
from ivid.training.networks import build_unet, keep_null_class_zero
from ivid.training.objective import Objective
from ivid.training.optimisers import make_optimiser
from ivid.training.record import checked_changes, facts_of_data, write_record
from ivid.training.tasks import TASKS
from ivid.training.trackers import Trackers, check_trackers

LOSS_SCALING = GradScalerKwargs(init_scale=2.0**20, growth_factor=2**0.001, backoff_factor=0.5, growth_interval=1)
"""Of training in half precision (method §10)."""


def train(
    config: TrainingConfig,
    images: RgbdImages,
    out: str | Path,
    max_seconds: float | None = None,
    further: RgbdImages | RecordedViews | None = None,
    override: Collection[str] = (),
    report_to: Collection[str] = (),
) -> None:
    """Train until `config.steps`, or for `max_seconds`, whichever comes first; goes on from what `out` holds.

    Args:
        config: of the run.
        images: labelled RGBD images (`ivid.data.renders.Renders`, or photographs).
        out: the run folder.
        max_seconds: stop and save after this long.
        further: images like `images`, of which the samples with a condition are made in their place; or recorded views
            of such, which have one.
        override: fields of the config, or `data` and `further`, that may differ from those of the run that `out` holds.
        report_to: trackers that curves and pictures go to beside TensorBoard (`ivid.training.trackers.TRACKERS`).

    Raises:
        ValueError: `out` holds another or a damaged run, the images are of another size or damaged, or a tracker is
            not there.
        TrainingDiverged: the loss is not finite any more; what was saved before stays.
    """
    check_trackers(report_to)
    images, further = _checked(config, images, further)
    instances = images.instances if isinstance(images, Renders) else None
    out = Path(out)
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        gradient_accumulation_steps=config.accumulation,
        kwargs_handlers=[LOSS_SCALING],
        log_with=list(report_to) or None,
    )
    data = facts_of_data(images, further)
    changes = checked_changes(out, config, data, override)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        write_record(out, config, data)
    torch.manual_seed(config.seed)
    unet = build_unet(config, images[0][1].shape[0], len(images.classes), instances)
    if accelerator.device.type == "cpu":
        unet = unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    keep_null_class_zero(unet)
    ema = EMAModel(unet.parameters(), decay=config.ema_decay, use_ema_warmup=True, power=0.75, model_cls=UNet2DModel)
    unet, optimiser = accelerator.prepare(unet, make_optimiser(config, unet))
    accelerator.register_for_checkpointing(ema)
    step_size = samples_per_step(config, accelerator)
    folder = RunFolder(out, accelerator, step_size, instances)
    first_step = folder.resume()
    ema.to(accelerator.device)  # a state is read onto the CPU
    task = TASKS[config.network](config, alphas_cumprod(config.scheduler).to(accelerator.device), instances)
    objective = Objective(task, unet, accelerator)
    stream = batches(config, images, _further_views(config, images, further), first_step, accelerator)
    progress = tqdm(
        total=config.steps,
        initial=first_step,
        unit="step",
        smoothing=0.02,
        disable=not accelerator.is_main_process,
        dynamic_ncols=True,
    )
    trackers = Trackers(accelerator, out, config)
    log = TrainingLog(out, config, step_size, first_step, accelerator.is_main_process, trackers)
    log.changed(first_step, changes)
    watch = LossWatch(tolerant=config.mixed_precision == "fp16")
    started, step = time.monotonic(), first_step
    while step < config.steps:
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate_at(step)
        losses = []
        for part in range(config.accumulation):
            noise = noise_generator(config, step, part, accelerator.process_index)
            with accelerator.accumulate(unet):
                loss = objective.loss(next(stream), noise)
                accelerator.backward(loss)
                if accelerator.sync_gradients and config.gradient_clip:
                    accelerator.clip_grad_norm_(unet.parameters(), config.gradient_clip)
                optimiser.step()
                optimiser.zero_grad()
            losses.append(loss.detach())
        ema.step(unet.parameters())
        step += 1
        progress.update()
        loss = torch.stack(losses).mean()
        watch.see(step, loss)
        out_of_time = max_seconds is not None and _any(accelerator, time.monotonic() - started > max_seconds)
        last = step == config.steps or out_of_time
        if (last or step % config.save_every == 0 or step % config.log_every == 0) and _any(
            accelerator, watch.failed()
        ):
            progress.close()
            raise TrainingDiverged(watch.first_failure, folder.saved_step)
        log.loss(step, loss, progress)
        if last or step % config.save_every == 0:
            folder.save(unet, ema, step)
        if accelerator.is_main_process and (last or step % config.sample_every == 0):
            sheet, plain = out / "samples" / f"{step:08d}.png", accelerator.unwrap_model(unet)
            with averaged(ema, plain):
                task.write_picture(sheet, plain, images)
            log.picture(step, sheet)
        if out_of_time:
            break
    progress.close()
    log.close()
    accelerator.end_training()


def _further_views(
    config: TrainingConfig, images: RgbdImages, further: RgbdImages | RecordedViews | None
) -> FurtherViews | None:
    """Where the samples with a condition come from; None for networks that see none."""
    if not TASKS[config.network].sees_further_views:
        return None
    if isinstance(further, RecordedViews):
        return replace(further, prefer_unknown=config.prefer_unknown)
    return WarpedPairs(further or images, config.pairs)


def _checked(
    config: TrainingConfig, images: RgbdImages, further: RgbdImages | RecordedViews | None
) -> tuple[RgbdImages, RgbdImages | RecordedViews | None]:
    """The images, labelled as the config has it.

    Raises:
        ValueError: they do not fit the config, or one another.
    """
    if further is not None and not TASKS[config.network].sees_further_views:
        raise ValueError(f"a {config.network} network sees no further views: it has no use for images of them")
    size = images[0][1].shape[0]
    if config.size not in (None, size):
        raise ValueError(
            f"the config is for {config.size}x{config.size} pixels, the images are {size}x{size}; "
            f"photographs are brought to any size, here with --size {config.size}"
        )
    if config.labels == "instance":
        if not isinstance(images, Renders):
            raise ValueError("the config tells the network which asset a picture shows: the data must be renders")
        images = images.by_instance()
        if isinstance(further, RecordedViews):
            further = replace(further, renders=further.renders.by_instance())
        elif isinstance(further, Renders):
            further = further.by_instance()
    alike = further.renders if isinstance(further, RecordedViews) else further
    if alike is not None and _nature(alike) != _nature(images):
        raise ValueError("the images for further views are of another size, show other things or code depth otherwise")
    return images, further


def _nature(images: RgbdImages) -> tuple:
    return images[0][1].shape, tuple(images.classes), images.depth_range


def _any(accelerator: Accelerator, true_here: bool) -> bool:
    """Whether something is true of any process; they must agree on when to stop, because they save together."""
    if accelerator.num_processes == 1:
        return true_here
    found = accelerator.gather(torch.tensor([float(true_here)], device=accelerator.device))
    return bool(torch.as_tensor(found).any())
