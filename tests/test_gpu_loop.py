"""Sampling on a GPU, told without one: nothing waits for the device, and recordings repeat evaluations."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ivid.diffusion.denoiser import Denoiser
from ivid.diffusion.graphed_unet import EAGER_CALLS, MOST_GRAPHS, GraphedUNet
from ivid.diffusion.sampling import SAMPLERS, make_scheduler, sample
from ivid.pipeline.events import Preview, ViewDone
from ivid.pipeline.loading import with_cuda_graphs
from tests.support.tiny_model import PATCH, SIZE, tiny_network, tiny_pipeline

SCHEDULE = {"num_train_timesteps": 1000, "beta_schedule": "linear"}


class NothingLeaves(TorchDispatchMode):
    """Refuses what makes the host wait for the device `meta`, which stands for a GPU: values and copies from it."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        on_device = [each for each in args if isinstance(each, torch.Tensor) and each.device.type == "meta"]
        name = str(function)
        assert not (on_device and "_local_scalar_dense" in name), "a value is read from the device"
        left = isinstance(result, torch.Tensor) and result.device.type == "cpu" and "_to_copy" in name
        assert not (on_device and left), "a tensor is copied from the device"
        return result


def on_meta(sampler: str, steps: int):
    unet = tiny_network(4, 3, seed=1).to_empty(device="meta")
    scheduler = make_scheduler(sampler, SCHEDULE, steps)
    denoiser = Denoiser(unet, scheduler.alphas_cumprod.to("meta"), "epsilon")
    labels = torch.zeros(2, dtype=torch.int64, device="meta")
    generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
    return sample(denoiser, scheduler, (4, SIZE, SIZE), generators, labels, 2.0, (0.2, 0.7))


@pytest.fixture
def own_networks():
    """The tiny networks are shared between tests; a test that moves them has its own."""
    tiny_network.cache_clear()
    yield
    tiny_network.cache_clear()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_loop_never_waits_for_the_device(sampler, own_networks):
    with NothingLeaves():
        steps = list(on_meta(sampler, 6))
    assert len(steps) == 6
    assert all(step.clean.device.type == "meta" for step in steps)


def test_waiting_for_the_device_is_noticed():
    value = torch.zeros(3, device="meta")
    with NothingLeaves(), pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        value[0].item()
    with NothingLeaves(), pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        value.cpu()


class Recorder:
    """Stands for CUDA graphs: replaying runs the function again on the tensors it had, and writes where it wrote."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def __call__(self, run):
        run()
        self.recorded += 1
        into = run.__closure__[[name for name in run.__code__.co_freevars].index("output")].cell_contents
        kept = into[0]

        def replay():
            self.replayed += 1
            run()
            kept.copy_(into[0])

        return replay


def inputs(batch, seed):
    torch.manual_seed(seed)
    timesteps = torch.randint(0, 1000, (batch,))
    return torch.randn(batch, 4 * PATCH**2, SIZE // PATCH, SIZE // PATCH), timesteps, torch.arange(batch) % 3


def test_a_recorded_network_is_the_network():
    unet, record = tiny_network(4, 3, seed=1), Recorder()
    graphed = GraphedUNet(unet, record)
    for turn in range(EAGER_CALLS + 3):
        for batch in (1, 2):
            given, timesteps, labels = inputs(batch, turn)
            ours = graphed(given, timesteps, class_labels=labels, return_dict=False)[0]
            with torch.inference_mode():
                assert torch.equal(ours, unet(given, timesteps, class_labels=labels, return_dict=False)[0])
    assert (record.recorded, record.replayed) == (2, 6)
    for batch in range(3, 4 + MOST_GRAPHS):
        for turn in range(EAGER_CALLS + 1):
            given, timesteps, labels = inputs(batch, turn)
            graphed(given, timesteps, class_labels=labels)
    assert len(graphed._recordings) == MOST_GRAPHS


def test_one_timestep_stands_for_all():
    graphed, (given, _, labels) = GraphedUNet(tiny_network(4, 3, seed=1), Recorder()), inputs(2, 0)
    outputs = [graphed(given, timestep, labels)[0] for timestep in (7, torch.tensor([7, 7]), 7, 7)]
    assert all(torch.equal(output, outputs[0]) for output in outputs)


def test_outputs_of_a_recorded_network_do_not_overwrite_each_other():
    graphed = GraphedUNet(tiny_network(4, 3, seed=1), Recorder())
    outputs = [graphed(*inputs(1, turn))[0] for turn in range(EAGER_CALLS + 3)]
    assert not any(torch.equal(outputs[0], other) for other in outputs[1:])


def test_where_nothing_can_be_recorded_one_sentence_says_so(caplog):
    def refuse(run):
        raise RuntimeError("no such thing here\nat some place")

    graphed = GraphedUNet(tiny_network(4, 3, seed=1), refuse)
    for turn in range(EAGER_CALLS + 3):
        given, timesteps, labels = inputs(1, turn)
        with torch.inference_mode():
            right = graphed.unet(given, timesteps, class_labels=labels, return_dict=False)[0]
        assert torch.equal(graphed(given, timesteps, class_labels=labels)[0], right)
    assert [record.getMessage() for record in caplog.records] == [
        "networks are evaluated without CUDA graphs: no such thing here"
    ]


def test_scenes_of_recorded_networks_are_the_same(monkeypatch):
    plain = tiny_pipeline()
    recorders = []

    def recorded(unet):
        recorders.append(Recorder())
        return GraphedUNet(unet, recorders[-1])

    monkeypatch.setattr("ivid.pipeline.loading.GraphedUNet", recorded)
    graphed = with_cuda_graphs(plain)
    one, other = (each("house", 3, "random", first_steps=6, guidance=1.0) for each in (plain, graphed))
    for ours, theirs in zip(one.views, other.views, strict=True):
        np.testing.assert_array_equal(ours.rgb, theirs.rgb)
        np.testing.assert_array_equal(ours.depth, theirs.depth)
    assert recorders[0].replayed == 6 - EAGER_CALLS


def test_previews_that_nobody_looks_at_are_not_made(monkeypatch):
    made = []

    def counted(clean, *rest):
        made.append(len(clean))
        return to_pictures(clean, *rest)

    from ivid.pipeline.pictures import to_pictures

    monkeypatch.setattr("ivid.pipeline.pictures.to_pictures", counted)
    events = list(tiny_pipeline().stream_batch(["house", "tree"], [1, 2], "random"))
    previews = [event for event in events if isinstance(event, Preview)]
    assert len(previews) == 2 * (4 + 2)
    assert made == [2, 2]  # of the finished views of two scenes
    assert previews[1].rgb.shape == (SIZE, SIZE, 3)
    assert previews[0].depth.dtype == np.float32
    assert len(made) == 3  # once for all scenes of the evaluation
    again = pickle.loads(pickle.dumps(previews[1]))
    np.testing.assert_array_equal(again.rgb, previews[1].rgb)
    assert (again.step, again.scene_index) == (1, 1)
    views = [event.view for event in events if isinstance(event, ViewDone) and event.view_index == 0]
    last = [event for event in previews if event.view_index == 0 and event.step == 4]
    for view, preview in zip(views, last, strict=True):
        np.testing.assert_array_equal(view.quantised().rgb, preview.rgb)
