import numpy as np
import pytest
import torch
from diffusers import UNet2DModel

from ivid.cli import main
from ivid.pipeline.events import Preview, ViewDone
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.upsampling import stream_upsampling, upsampled
from ivid.scene.scene import Scene
from tests.support.tiny_model import SIZE, tiny_pipeline


@pytest.fixture(scope="module")
def pipeline():
    torch.manual_seed(0)
    upsampler = UNet2DModel(
        sample_size=2 * SIZE // 4,
        in_channels=8 * 16,
        out_channels=4 * 16,
        block_out_channels=(32,),
        layers_per_block=1,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=8,
        num_class_embeds=4,
    )
    plain = tiny_pipeline()
    return IvidPipeline(plain.first_view_unet, plain.novel_view_unet, plain.config, upsampler_unet=upsampler)


def test_all_views_or_the_first_become_twice_as_large(pipeline):
    scene = pipeline("house", 1, "random")
    large = upsampled(pipeline, scene)
    assert (large.size, len(large.views)) == (2 * SIZE, 2)
    assert large.settings["upsampled"] == "all"
    assert [view.camera for view in large.views] == [view.camera for view in scene.views]
    first = upsampled(pipeline, scene, "first")
    assert len(first.views) == 1
    np.testing.assert_array_equal(first.views[0].rgb, large.views[0].rgb)


def test_it_streams(pipeline):
    scene = pipeline("house", 1, "random")
    events = list(stream_upsampling(pipeline, scene, novel_steps=3))
    assert [isinstance(event, ViewDone) for event in events] == [False, False, False, True] * 2
    assert [event.step for event in events if isinstance(event, Preview)] == [1, 2, 3, 1, 2, 3]


def test_views_in_one_network_call_are_those_enlarged_alone(pipeline):
    scene = pipeline("house", 1, "3x9")
    seen = []
    together = upsampled(pipeline, scene, novel_steps=2, batch=10, on_evaluation=lambda e: seen.append(e.view_index))
    assert len(seen) == 2 * 27
    alone = upsampled(pipeline, scene, novel_steps=2)
    for one, other in zip(together.views, alone.views, strict=True):
        assert abs(one.rgb.astype(int) - other.rgb).max() <= 1
        np.testing.assert_allclose(one.depth, other.depth, rtol=1e-3)
        assert one.camera == other.camera


def test_what_it_draws_depends_on_the_view(pipeline):
    one, other = pipeline("house", 1, "uncond"), pipeline("house", 2, "uncond")
    assert not np.array_equal(upsampled(pipeline, one).views[0].rgb, upsampled(pipeline, other).views[0].rgb)


def test_it_is_saved_with_the_model(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    loaded = IvidPipeline.from_pretrained(tmp_path / "model")
    scene = pipeline("tree", 4, "uncond")
    pictures = [upsampled(model, scene).views[0].rgb.astype(int) for model in (loaded, pipeline)]
    np.testing.assert_allclose(*pictures, atol=1)


def test_the_command_line_enlarges(pipeline, tmp_path, capsys):
    pipeline.save_pretrained(tmp_path / "model")
    arguments = ["generate", "--model", str(tmp_path / "model"), "--views", "random", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--upsample", "all", "--batch", "2"]) == 0
    scene = Scene.load(tmp_path / "out" / "house_seed00000.ivid")
    assert (scene.size, len(scene.views), scene.settings["upsampled"]) == (2 * SIZE, 2, "all")
    assert "10/10" in capsys.readouterr().err  # 4 and 2 steps of the views, and 2 of each when they are enlarged


def test_of_the_first_view_alone_no_other_is_made(pipeline, tmp_path, capsys):
    pipeline.save_pretrained(tmp_path / "model")
    arguments = ["generate", "--model", str(tmp_path / "model"), "--device", "cpu", "--upsample", "first"]
    assert main([*arguments, "--views", "3x9", "--out", str(tmp_path / "out")]) == 0
    scene = Scene.load(tmp_path / "out" / "house_seed00000.ivid")
    assert (scene.size, len(scene.views), scene.view_set, scene.settings["upsampled"]) == (64, 1, "uncond", "first")
    assert "6/6" in capsys.readouterr().err  # 4 steps of the view, and 2 when it is enlarged
    cameras = tmp_path / "cameras.json"
    cameras.write_text('[{"yaw": 0, "pitch": 0}, {"yaw": 0.2, "pitch": 0}]')
    published = ["--layout", "published", "--views", str(cameras), "--out", str(tmp_path / "published")]
    assert main([*arguments, *published]) == 0
    written = sorted(
        path.parent.name for path in (tmp_path / "published" / "viewset_cameras_steps_u4_c2_guidance0.0").rglob("*.*")
    )
    assert written == ["results", "scenes"]


def test_a_model_without_an_upsampler_is_refused_before_anything_is_made(tmp_path, capsys):
    tiny_pipeline().save_pretrained(str(tmp_path / "tiny"))
    assert (
        main(["generate", "--model", str(tmp_path / "tiny"), "--upsample", "all", "--out", str(tmp_path / "out")]) == 2
    )
    assert capsys.readouterr().err.strip() == "ivid: the model tiny has no upsampler"


def test_bad_input_is_refused(pipeline):
    scene = pipeline("house", 1, "uncond")
    with pytest.raises(ValueError, match="tiny has no upsampler"):
        stream_upsampling(tiny_pipeline(), scene)
    with pytest.raises(ValueError, match="all or first"):
        stream_upsampling(pipeline, scene, "second")
    with pytest.raises(ValueError, match="takes views of 32x32, got 64x64"):
        stream_upsampling(pipeline, upsampled(pipeline, scene))
