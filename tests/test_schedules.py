import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from ivid.diffusion.sampling import SAMPLERS, make_scheduler
from ivid.diffusion.schedulers import SINGLE_STEP
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


LINEAR = {"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
SCALED = {"num_train_timesteps": 400, "beta_schedule": "scaled_linear", "beta_start": 1e-3, "beta_end": 0.012}


@pytest.mark.parametrize("schedule", [LINEAR, SCALED, COSINE, COSINE | {"noise_shift": 2.0}])
def test_noise_schedules_are_the_librarys(schedule):
    expected = DDPMScheduler(**schedule_arguments(schedule)).alphas_cumprod
    torch.testing.assert_close(alphas_cumprod(schedule), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("steps", [1, 7, 50])
@pytest.mark.parametrize("sampler", SINGLE_STEP)
def test_steps_are_the_librarys(sampler, steps):
    library = {"ddpm": DDPMScheduler, "ddim": DDIMScheduler}[sampler](
        **schedule_arguments(COSINE), prediction_type="sample", clip_sample=False
    )
    library.set_timesteps(steps)
    ours = make_scheduler(sampler, COSINE, steps)
    library.timesteps = ours.timesteps
    generators = [[torch.Generator().manual_seed(seed) for seed in (1, 2)] for _ in range(2)]
    x_t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    noise, at = x_t.flip(0), ours.timesteps[:1].expand(2)
    torch.testing.assert_close(ours.add_noise(x_t, noise, at), library.add_noise(x_t, noise, at))
    for timestep in ours.timesteps:
        clean = x_t.tanh()
        more = {"generator": generators[1]} if sampler == "ddpm" else {}
        expected = library.step(clean, timestep, x_t, return_dict=False, **more)[0]
        x_t = ours.step(clean, timestep, x_t, generators[0])
        torch.testing.assert_close(x_t, expected, rtol=1e-4, atol=1e-5)
