"""Denoising: networks, guidance, schedulers, and the pull towards what is known (method §6, §7)."""
