import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from ivid.training.config import TrainingConfig
from ivid.training.objective import Objective
from ivid.training.tasks import FirstView
from tests.support.tiny_renders import UNET

CONFIG = TrainingConfig(
    network="first_view",
    unet=UNET,
    scheduler={"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"},
    patch_size=2,
)


@pytest.mark.parametrize("bias", [1.0, 3.0])
def test_noisy_timesteps_are_drawn_as_often_as_the_config_says(bias):
    config = replace(CONFIG, timesteps=(200, 1000), timestep_density=bias)
    objective = Objective(FirstView(config, torch.ones(1000)), torch.nn.Identity(), Accelerator())
    drawn = objective.draw_timesteps(20_000, torch.Generator().manual_seed(0)).numpy()
    assert (drawn.dtype, drawn.min() >= 200, drawn.max()) == (np.int64, True, 999)
    for border in (400, 600, 800):
        assert (drawn < border).mean() == pytest.approx(((border - 200) / 800) ** bias, abs=0.015)


@pytest.mark.parametrize(("loss", "best", "weight_power"), [("l2", 0.3, 2), ("l1", 0.0, 1)])
def test_squared_errors_are_least_at_the_mean_and_absolute_ones_at_the_median(loss, best, weight_power):
    clean = torch.zeros(10, 4, 8, 8)
    clean[:3] = 1
    batch = {"clean": clean, "label": torch.zeros(10, dtype=torch.int64)}
    alpha_cumprod = 0.36

    def losses(weighting):
        config = replace(CONFIG, loss=loss, weighting=weighting)
        for value in np.linspace(0, 1, 11):
            task = FirstView(config, torch.full([1000], alpha_cumprod))
            objective = Objective(task, Constant(value), Accelerator())
            yield objective.loss(batch, torch.Generator().manual_seed(0)).item()

    plain, weighted = np.array(list(losses("none"))), np.array(list(losses("v")))
    assert plain.argmin() == round(10 * best)
    np.testing.assert_allclose(weighted, plain / math.sqrt(1 - alpha_cumprod) ** weight_power, rtol=1e-5)


class Constant(torch.nn.Module):
    """A network that always draws the same."""

    config: ClassVar = {"num_class_embeds": None}

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, folded, timesteps, class_labels, return_dict):
        return (torch.full_like(folded, self.value),)
