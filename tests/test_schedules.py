import pytest
import torch
from diffusers import DDPMScheduler

from ivid.diffusion.sampling import SAMPLERS, make_scheduler
from ivid.diffusion.schedules import alphas_cumprod, recorded_schedule, schedule_arguments

COSINE = {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"}


def test_without_a_shift_it_is_the_librarys_schedule():
    expected = DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2").alphas_cumprod
    torch.testing.assert_close(alphas_cumprod(COSINE), expected, rtol=0, atol=0)
    assert schedule_arguments(COSINE) == {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2"}


def test_a_shift_of_two_hides_a_picture_of_twice_the_size_as_much():
    plain, shifted = alphas_cumprod(COSINE).double(), alphas_cumprod(COSINE | {"noise_shift": 2.0}).double()
    # The mean of 2 x 2 pixels keeps the picture and halves the noise.
    noise_in_small, noise_in_large = ((1 - a).sqrt() / a.sqrt() for a in (plain, shifted))
    middle = slice(0, 990)  # the last betas are capped
    torch.testing.assert_close(noise_in_large[middle] / 2, noise_in_small[middle], rtol=2e-3, atol=1e-4)
    assert (shifted[1:] < shifted[:-1]).all()
    assert shifted[-1] > 0


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_takes_what_a_model_records(sampler):
    recorded = recorded_schedule(COSINE | {"noise_shift": 2.0})
    assert recorded["noise_shift"] == 2.0
    assert "prediction_type" not in recorded
    scheduler = make_scheduler(sampler, recorded, 7)
    torch.testing.assert_close(scheduler.alphas_cumprod, alphas_cumprod(COSINE | {"noise_shift": 2.0}))
