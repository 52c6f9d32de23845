from dataclasses import asdict

import pytest
import torch
from diffusers import UNet2DModel

from ivid.training.config import TrainingConfig
from ivid.training.optimisers import make_optimiser
from tests.support.tiny_renders import UNET


def network() -> UNet2DModel:
    torch.manual_seed(0)
    return UNet2DModel(sample_size=8, in_channels=16, out_channels=16, num_class_embeds=3, **UNET)


def config(**changes) -> TrainingConfig:
    settings = {
        "network": "first_view",
        "unet": UNET,
        "scheduler": {"prediction_type": "sample"},
        "learning_rate": 0.01,
        "betas": (0.8, 0.95),
    }
    return TrainingConfig(**settings, **changes)


def gradients(unet: UNet2DModel, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(weight.shape, generator=generator) for name, weight in unet.named_parameters()}


def test_muon_turns_hidden_weights_by_orthogonal_matrices_and_the_rest_as_adamw_does():
    unet, plain = network(), network()
    muon, adamw = make_optimiser(config(optimiser="muon"), unet), make_optimiser(config(), plain)
    first, second, between = gradients(unet, 1), gradients(unet, 2), {}
    for drawn in (first, second):
        between = {name: weight.detach().clone() for name, weight in unet.named_parameters()}
        for net, optimiser in ((unet, muon), (plain, adamw)):
            for name, weight in net.named_parameters():
                weight.grad = drawn[name].clone()
            optimiser.step()
    as_adamw = {name for name, weight in plain.named_parameters() if torch.allclose(weight, unet.get_parameter(name))}
    assert {"conv_in.weight", "conv_out.weight", "class_embedding.weight", "conv_in.bias"} < as_adamw
    hidden = dict(unet.named_parameters()).keys() - as_adamw
    assert {"mid_block.resnets.0.conv1.weight", "mid_block.resnets.0.conv2.weight"} < hidden
    for name in hidden:
        # Nesterov's momentum, then Moonlight's scale; Newton-Schulz leaves singular values between 0.7 and 1.2.
        momentum = 0.95 * 0.05 * first[name] + 0.05 * second[name]
        left, _, right = torch.linalg.svd((0.05 * second[name] + 0.95 * momentum).flatten(1), full_matrices=False)
        update = (between[name] - unet.get_parameter(name).detach()).flatten(1)
        inside = left.T @ update @ right.T / (0.01 * 0.2 * max(update.shape) ** 0.5)
        stretch = torch.diagonal(inside)
        assert stretch.min() > 0.5
        assert stretch.max() < 1.3
        torch.testing.assert_close(inside, torch.diag(stretch), atol=2e-3, rtol=0)


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(ValueError, match="adamw or muon"):
        TrainingConfig.parse({**asdict(config()), "optimiser": "sgd"})
