"""Denoising: networks, guidance, schedulers, and the blending with what is known (method §6, §7); no geometry."""

SAMPLERS = ("ddpm", "ddim", "dpm++", "unipc")
"""What a sampler can be called; `ivid.diffusion.sampling.make_scheduler` makes it."""
