"""The sampling loop against a slow twin written from the formulas of method §6 and §7."""

import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from diffusers import UNet2DModel

from ivid.diffusion.conditioning import Blending, ConditionBatch, blend_with_known
from ivid.diffusion.denoiser import Denoiser, clean_sample, training_target
from ivid.diffusion.refining import GUESS_VARIANCE, Refiner
from ivid.diffusion.sampling import SAMPLERS, make_scheduler, sample
from ivid.pipeline.sampling import Sampling

LINEAR = {"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
SIZE = 8


def small_unet(in_channels=4, fold=1, classes=3):
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=SIZE // fold,
        in_channels=in_channels * fold**2,
        out_channels=4 * fold**2,
        block_out_channels=(32,),
        layers_per_block=1,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=8,
        attention_head_dim=8,
        num_class_embeds=classes + 1 if classes else None,
    )
    return unet.eval()


def linear_alphas_cumprod():
    """ᾱ of 1000 steps, β linear from 1e-4 to 0.02 (method §7)."""
    product, values = 1.0, []
    for step in range(1000):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * step / 999)
        values.append(product)
    return values


def random_known(seed):
    rng = torch.Generator().manual_seed(seed)
    mask = torch.rand(1, 1, SIZE, SIZE, generator=rng) > 0.4
    mask_rgb = mask & (torch.rand(1, 1, SIZE, SIZE, generator=rng) > 0.3)
    rgb = torch.rand(1, 3, SIZE, SIZE, generator=rng) * mask_rgb
    depth = torch.rand(1, 1, SIZE, SIZE, generator=rng) * mask
    floor = torch.rand(1, 1, SIZE, SIZE, generator=rng)
    return ConditionBatch(rgb, depth, mask, mask_rgb, floor)


def slow_ddim(unet, steps, seed, label, guidance, known=None, constants=(0.1, 0.2, 0.5), interval=(0.0, 1.0)):
    """The published loop for one sample, method §6 and §7 line by line, in double precision but for the network."""
    alphas = linear_alphas_cumprod()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(4, SIZE, SIZE, generator=generator).double().numpy()
    stride = 1000 // steps
    history = []
    for i in range(steps, 0, -1):
        t = stride * i - 1
        channels = [x]
        if known is not None:
            rgb_noise = torch.randn(3, SIZE, SIZE, generator=generator).numpy()
            depth_noise = torch.randn(1, SIZE, SIZE, generator=generator).numpy()
            mask_rgb, mask = known.mask_rgb[0].numpy(), known.mask[0].numpy()
            rgb, depth = known.rgb[0].numpy() * 2 - 1, known.depth[0].numpy() * 2 - 1
            channels += [mask_rgb.astype(float), np.where(mask_rgb, rgb, rgb_noise)]
            channels += [np.where(mask, depth, depth_noise), mask.astype(float)]
        network_input = torch.from_numpy(np.concatenate(channels)[None]).float()

        def epsilon(class_index, network_input=network_input, t=t):
            with torch.no_grad():
                return unet(network_input, t, class_labels=torch.tensor([class_index])).sample[0].double().numpy()

        scale = guidance if interval[0] <= t / 1000 <= interval[1] else 0
        eps = (1 + scale) * epsilon(label) - (scale * epsilon(3) if scale else 0)
        clean = (x - math.sqrt(1 - alphas[t]) * eps) / math.sqrt(alphas[t])
        if known is not None:
            known_rgb, known_depth, floor = (v[0].double().numpy() for v in (known.rgb, known.depth, known.depth_floor))
            w_rgb, w_depth, w_floor = constants
            if i > 1:
                clean[:3] = np.where(mask_rgb, w_rgb * (2 * known_rgb - 1) + (1 - w_rgb) * clean[:3], clean[:3])
            inside = w_depth * (2 * known_depth - 1) + (1 - w_depth) * clean[3:]
            outside = w_floor * np.maximum(clean[3:], 2 * floor - 1) + (1 - w_floor) * clean[3:]
            clean[3:] = np.where(mask, inside, outside)
        eps = (x - math.sqrt(alphas[t]) * clean) / math.sqrt(1 - alphas[t])
        previous = alphas[t - stride] if t - stride >= 0 else 1.0
        x = math.sqrt(previous) * clean + math.sqrt(1 - previous) * eps
        history.append(clean.copy())
    return history, x


@pytest.mark.parametrize("steps", [5, 12, 50])
@pytest.mark.parametrize("guidance", [0.0, 0.5])
def test_first_view_ddim_agrees_with_the_slow_twin(steps, guidance):
    unet = small_unet()
    scheduler = make_scheduler("ddim", LINEAR, steps)
    denoiser = Denoiser(unet, scheduler.alphas_cumprod, "epsilon")
    generators = [torch.Generator().manual_seed(7)]
    ours = [s.clean for s in sample(denoiser, scheduler, (4, SIZE, SIZE), generators, torch.tensor([1]), guidance)]
    history, result = slow_ddim(unet, steps, 7, 1, guidance)
    assert len(ours) == steps
    for mine, slow in zip(ours, history, strict=True):
        scale = np.abs(slow).max()
        np.testing.assert_allclose(mine[0].numpy(), slow, atol=2e-4 * scale)
    np.testing.assert_allclose(ours[-1][0].numpy(), result, atol=2e-4 * np.abs(result).max())


def test_guidance_stays_in_its_interval():
    unet, asked = small_unet(), []
    unet.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    scheduler = make_scheduler("ddim", LINEAR, 10)
    denoiser = Denoiser(unet, scheduler.alphas_cumprod, "epsilon")
    generators, interval = [torch.Generator().manual_seed(7)], (0.3, 0.799)
    steps = sample(denoiser, scheduler, (4, SIZE, SIZE), generators, torch.tensor([1]), 2.0, interval)
    ours = [step.clean for step in steps]
    assert asked == [1, 1, 2, 2, 2, 2, 2, 1, 1, 1]  # at timesteps 999, 899, ... 99
    history, _ = slow_ddim(unet, 10, 7, 1, 2.0, interval=interval)
    for mine, slow in zip(ours, history, strict=True):
        np.testing.assert_allclose(mine[0].numpy(), slow, atol=2e-4 * np.abs(slow).max())


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [4, 6, 20])
def test_counted_evaluations_are_those_of_the_loop(sampler, steps):
    unet, asked = small_unet(), []
    unet.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    sampling = Sampling(steps, 1, 2.0, 0.0, sampler, sampler, (0.2, 0.7)).resolved(Sampling(), 1000)
    scheduler = make_scheduler(sampler, LINEAR, steps)
    denoiser = Denoiser(unet, scheduler.alphas_cumprod, "epsilon")
    generators = [torch.Generator().manual_seed(7)]
    shape, labels = (4, SIZE, SIZE), torch.tensor([1])
    list(sample(denoiser, scheduler, shape, generators, labels, 2.0, sampling.guidance_interval))
    assert sum(asked) == sampling.evaluations(1, 1000)


@pytest.mark.parametrize("guidance", [0.0, 3.0])
def test_novel_view_ddim_agrees_with_the_slow_twin(guidance):
    unet, known = small_unet(in_channels=10), random_known(3)
    scheduler = make_scheduler("ddim", LINEAR, 10)
    denoiser = Denoiser(unet, scheduler.alphas_cumprod, "epsilon")
    generators = [torch.Generator().manual_seed(11)]
    steps = sample(
        denoiser,
        scheduler,
        (4, SIZE, SIZE),
        generators,
        torch.tensor([2]),
        guidance,
        condition=lambda: known.noisy_channels(generators),
        adjust=lambda clean, last: blend_with_known(clean, known, Blending(), last),
    )
    history, _ = slow_ddim(unet, 10, 11, 2, guidance, known)
    for mine, slow in zip(steps, history, strict=True):
        np.testing.assert_allclose(mine.clean[0].numpy(), slow, atol=3e-4 * np.abs(slow).max())


def test_ancestral_sampling_agrees_with_the_slow_twin():
    """The published loop of the first view: 1000 steps, the posterior's variance, none at the end."""

    class Quick(torch.nn.Module):
        dtype, device = torch.float32, torch.device("cpu")
        config: ClassVar = {"out_channels": 4, "num_class_embeds": 4}

        def forward(self, x, timesteps, class_labels, **_):
            return (torch.tanh(x.roll(1, -1) + x + (class_labels - timesteps / 1000).reshape(-1, 1, 1, 1)),)

    network, alphas, guidance = Quick(), linear_alphas_cumprod(), 0.5
    scheduler = make_scheduler("ddpm", LINEAR, 1000)
    denoiser = Denoiser(network, scheduler.alphas_cumprod, "epsilon")
    generators = [torch.Generator().manual_seed(5)]
    steps = sample(denoiser, scheduler, (4, SIZE, SIZE), generators, torch.tensor([1]), guidance)

    generator = torch.Generator().manual_seed(5)
    x = torch.randn(1, 4, SIZE, SIZE, generator=generator).double()
    for t, step in zip(range(999, -1, -1), steps, strict=True):
        given, free = (network(x, torch.tensor([t]), torch.tensor([c]))[0] for c in (1, 3))
        clean = (x - math.sqrt(1 - alphas[t]) * ((1 + guidance) * given - guidance * free)) / math.sqrt(alphas[t])
        np.testing.assert_allclose(step.clean, clean, atol=1e-3 * float(clean.abs().max()))
        if t > 0:
            beta = 1 - alphas[t] / alphas[t - 1]
            mean = math.sqrt(alphas[t - 1]) * beta * clean + math.sqrt(1 - beta) * (1 - alphas[t - 1]) * x
            deviation = math.sqrt(beta * (1 - alphas[t - 1]) / (1 - alphas[t]))
            x = mean / (1 - alphas[t]) + deviation * torch.randn(x.shape, generator=generator)


def test_ancestral_sampling_visits_every_timestep_and_adds_no_noise_at_the_end():
    scheduler = make_scheduler("ddpm", LINEAR, 1000)
    assert scheduler.timesteps.tolist() == list(range(999, -1, -1))
    clean = torch.full((1, 4, 2, 2), 0.3)
    stepped = scheduler.step(clean, 0, torch.randn(1, 4, 2, 2), [])
    torch.testing.assert_close(stepped, clean)


def test_ancestral_step_is_the_posterior_with_small_variance():
    alphas = linear_alphas_cumprod()
    scheduler = make_scheduler("ddpm", LINEAR, 1000)
    clean, x_t = torch.full((1, 1, 64, 64), 0.3), torch.full((1, 1, 64, 64), -0.8)
    t = 400
    stepped = scheduler.step(clean, t, x_t, [torch.Generator().manual_seed(0)])
    beta = 1 - alphas[t] / alphas[t - 1]
    mean = (
        math.sqrt(alphas[t - 1]) * beta / (1 - alphas[t]) * 0.3
        + math.sqrt(1 - beta) * (1 - alphas[t - 1]) / (1 - alphas[t]) * -0.8
    )
    deviation = math.sqrt(beta * (1 - alphas[t - 1]) / (1 - alphas[t]))
    assert stepped.mean().item() == pytest.approx(mean, abs=4 * deviation / 64)
    assert stepped.std().item() == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_finds_the_data_of_a_perfect_denoiser(sampler):
    """With a network that knows the answer, any solver must end at it."""
    target = torch.linspace(-1, 1, 4 * SIZE * SIZE).reshape(1, 4, SIZE, SIZE)

    class Knows:
        unet = torch.nn.Conv2d(1, 1, 1)
        unet.device = torch.device("cpu")

        def __call__(self, x_t, *_):
            return target.expand_as(x_t)

    scheduler = make_scheduler(sampler, LINEAR, 8)
    steps = list(sample(Knows(), scheduler, (4, SIZE, SIZE), [torch.Generator().manual_seed(0)]))
    assert [(s.number, s.steps) for s in steps] == [(i, 8) for i in range(1, 9)]
    torch.testing.assert_close(steps[-1].clean, target)


@pytest.mark.parametrize(("sampler", "error"), [("ddim", 0.1), ("dpm++", 0.005), ("unipc", 0.005)])
def test_solvers_follow_the_exact_flow_of_gaussian_data(sampler, error):
    """Of data N(0, 1/4) the perfect denoiser and its flow are known: samples are their start noise, scaled."""
    scheduler = make_scheduler(sampler, LINEAR, 64)
    variance = 0.25

    class Perfect:
        unet = torch.nn.Conv2d(1, 1, 1)
        unet.device = torch.device("cpu")

        def __call__(self, x_t, timesteps, *_):
            alpha = scheduler.alphas_cumprod[timesteps].double().reshape(-1, 1, 1, 1)
            return alpha.sqrt() * variance / (alpha * variance + 1 - alpha) * x_t

    *_, last = sample(Perfect(), scheduler, (4, SIZE, SIZE), [torch.Generator().manual_seed(0)])
    start = torch.randn(1, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).double()
    first = linear_alphas_cumprod()[int(scheduler.timesteps[0])]
    exact = start * math.sqrt(variance / (first * variance + 1 - first))
    torch.testing.assert_close(last.clean, exact, rtol=0, atol=error)


def test_a_sample_does_not_depend_on_its_batch():
    unet = small_unet()
    results = {}
    for seeds in ([1], [1, 2, 3]):
        scheduler = make_scheduler("ddim", LINEAR, 6)
        denoiser = Denoiser(unet, scheduler.alphas_cumprod, "epsilon")
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        labels = torch.tensor([seed % 3 for seed in seeds])
        *_, last = sample(denoiser, scheduler, (4, SIZE, SIZE), generators, labels)
        results[len(seeds)] = last.clean[0]
    torch.testing.assert_close(results[1], results[3], rtol=1e-4, atol=1e-4 * float(results[1].abs().max()))


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_predictions_lead_back_to_the_clean_sample(prediction_type):
    clean, noise = torch.randn(3, 4, 5, 5), torch.randn(3, 4, 5, 5)
    alpha_cumprod = torch.tensor([0.9, 0.5, 0.05])
    weight = alpha_cumprod.reshape(3, 1, 1, 1)
    x_t = weight.sqrt() * clean + (1 - weight).sqrt() * noise
    target = training_target(clean, noise, alpha_cumprod, prediction_type)
    torch.testing.assert_close(clean_sample(target, x_t, alpha_cumprod, prediction_type), clean, rtol=1e-4, atol=1e-5)


def test_folding_is_a_rearrangement():
    """A folded network sees every k x k block as channels: an identity network leaves the picture as it is."""

    class Identity(torch.nn.Module):
        dtype, device = torch.float32, torch.device("cpu")
        config: ClassVar = {"out_channels": 64}

        def forward(self, x, *_, **__):
            assert x.shape[1:] == (64, SIZE // 4, SIZE // 4)
            return (x,)

    picture = torch.randn(2, 4, SIZE, SIZE)
    denoiser = Denoiser(Identity(), torch.ones(10) * 0.5, "sample")
    torch.testing.assert_close(denoiser(picture, torch.zeros(2, dtype=torch.int64)), picture)


def test_condition_channels_come_in_the_published_order():
    rgb, depth = torch.full((1, 3, 2, 2), 0.75), torch.full((1, 1, 2, 2), 0.25)
    mask_rgb = torch.tensor([[[[True, False], [False, False]]]])
    mask = torch.tensor([[[[True, True], [False, False]]]])
    noise = torch.cat([torch.full((1, 3, 2, 2), 9.0), torch.full((1, 1, 2, 2), 8.0)], dim=1)
    channels = ConditionBatch(rgb, depth, mask, mask_rgb, depth * 0).channels(noise)[0]
    assert channels[0].tolist() == [[1, 0], [0, 0]]
    assert channels[1].tolist() == [[0.5, 9], [9, 9]]
    assert channels[4].tolist() == [[-0.5, -0.5], [8, 8]]
    assert channels[5].tolist() == [[1, 1], [0, 0]]


def test_the_last_step_may_be_pulled_too():
    known, clean = random_known(5), torch.randn(1, 4, SIZE, SIZE)
    free, pulled = (blend_with_known(clean, known, Blending(last_rgb=w), last_step=True) for w in (0.0, 0.6))
    torch.testing.assert_close(free[:, :3], clean[:, :3])
    expected = torch.where(known.mask_rgb, 0.6 * (2 * known.rgb - 1) + 0.4 * clean[:, :3], clean[:, :3])
    torch.testing.assert_close(pulled[:, :3], expected)


def test_the_null_class_adds_no_embedding():
    unet = small_unet()
    with torch.no_grad():
        unet.class_embedding.weight[-1].zero_()
    denoiser = Denoiser(unet, torch.full((10,), 0.5), "sample")
    x, t = torch.randn(1, 4, SIZE, SIZE), torch.tensor([4])
    given, free = denoiser(x, t, torch.tensor([0])), denoiser(x, t, torch.tensor([denoiser.null_class]))
    guided = denoiser(x, t, torch.tensor([0]), guidance=2.0)
    torch.testing.assert_close(guided, 3 * given - 2 * free, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("sampler", "steps"), [("euler", 5), ("ddim", 0), ("ddim", 1001)])
def test_samplers_and_steps_out_of_range_are_refused(sampler, steps):
    with pytest.raises(ValueError, match=r"choose one of ddpm|between 1 and 1000"):
        make_scheduler(sampler, LINEAR, steps)


def test_a_refiner_corrects_the_last_steps_and_they_are_not_guided():
    """Against the loop written out: guided guesses before, then plain guesses, blended with x_t and corrected."""
    torch.manual_seed(0)
    unet, details = small_unet(), small_unet(in_channels=14, fold=2, classes=0)
    scheduler = make_scheduler("ddim", LINEAR, 5)
    alphas_cumprod = scheduler.alphas_cumprod
    denoiser = Denoiser(unet, alphas_cumprod, "epsilon")
    known = torch.randn(2, 6, SIZE, SIZE)
    refiner = Refiner(details, alphas_cumprod, 400, known)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    labels = torch.tensor([0, 2])
    steps = list(sample(denoiser, scheduler, (4, SIZE, SIZE), generators, labels, guidance=2.0, refiner=refiner))

    x = torch.stack([torch.randn(4, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)])
    times = [999, 799, 599, 399, 199]
    with torch.no_grad():
        for step, t in zip(steps, times, strict=True):
            a = alphas_cumprod[t]
            given, free = (unet(x, t, class_labels=c).sample for c in (labels, torch.full_like(labels, 3)))
            if t >= 400:
                clean = (x - (1 - a).sqrt() * (3 * given - 2 * free)) / a.sqrt()
            else:
                guess = (x - (1 - a).sqrt() * given) / a.sqrt()
                trust = GUESS_VARIANCE / (GUESS_VARIANCE + (1 - a) / a)
                told = torch.nn.functional.pixel_unshuffle(torch.cat([x, guess, known], dim=1), 2)
                correction = torch.nn.functional.pixel_shuffle(details(told, t).sample, 2)
                clean = (1 - trust) * guess + trust * x / a.sqrt() + correction
            torch.testing.assert_close(step.clean, clean, rtol=1e-3, atol=1e-3)
            if t != 199:
                after = alphas_cumprod[t - 200]
                noise = (x - a.sqrt() * clean) / (1 - a).sqrt()
                x = after.sqrt() * clean + (1 - after).sqrt() * noise
