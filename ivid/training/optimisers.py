"""The optimisers a config can name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ivid.diffusion.unet import UNet2DModel
from ivid.training.config import TrainingConfig

_ENDS = ("conv_in.", "conv_out.", "class_embedding.", "time_embedding.")


def make_optimiser(config: TrainingConfig, unet: UNet2DModel) -> torch.optim.Optimizer:
    """AdamW without weight decay for all of a network; or Muon for its hidden weights and AdamW for the rest.

    Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024) makes the update of a matrix
    orthogonal; a convolution's is [out, in · 3 · 3]. Updates are as large as AdamW's (Liu et al., "Muon is scalable for
    LLM training", 2025), so that both take one learning rate. What the network is told the time and the kind by, its
    first and its last layer stay with AdamW.
    """
    if config.optimiser == "adamw":
        return torch.optim.AdamW(
            unet.parameters(), lr=config.learning_rate, betas=config.betas, weight_decay=0.0, fused=True
        )
    hidden, rest = [], []
    for name, weight in unet.named_parameters():
        inner = weight.ndim > 1 and not name.startswith(_ENDS) and ".time_emb_proj." not in name
        (hidden if inner else rest).append(weight)
    rate = config.learning_rate
    return _muon_class()(
        [
            {"params": hidden, "lr": rate, "use_muon": True, "use_adjusted_lr": True},
            {"params": rest, "lr": rate, "betas": config.betas, "eps": 1e-8, "use_muon": False},
        ]
    )


def _muon_class() -> Callable[..., torch.optim.Optimizer]:
    import pytorch_optimizer  # takes seconds to import
    from pytorch_optimizer.optimizer.utils import zero_power_via_gram_newton_schulz

    class SinglePrecisionMuon(pytorch_optimizer.Muon):
        """The library's, but for its half precision, which is a hundred times slower on most processors."""

        @staticmethod
        def _orthogonalize(group: dict, updates: list[Tensor]) -> list[Tensor]:
            return [
                zero_power_via_gram_newton_schulz(
                    update.flatten(1),
                    num_steps=group["ns_steps"],
                    weights=group["ns_coeffs"],
                    dtype=torch.float32,
                    reset_steps=(),  # against the errors of half precision
                )
                for update in updates
            ]

    return SinglePrecisionMuon
