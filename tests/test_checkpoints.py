"""Published weights, their conversion, and where models are found."""

from __future__ import annotations

import importlib
import io
import json
import os
import pickle
import re
import shutil
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from diffusers import UNet2DModel

from ivid.pipeline.conversion import convert_files
from ivid.pipeline.model_files import check_model_folder
from ivid.pipeline.models import ModelError, model_folder
from ivid.published.class_names import imagenet_class_names
from ivid.published.network_config import PUBLISHED_CONFIGS, PublishedWeightsError, unet_arguments
from ivid.published.unet import convert_published, load_published, recognised_config
from ivid.training.config import TrainingConfig
from ivid.training.networks import build_unet
from tests.support import published_network

CLASSES = 7


@pytest.fixture(scope="module")
def all_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return published_network.write_files(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def published_files(all_files: tuple[Path, Path, Path]) -> tuple[Path, Path]:
    return all_files[:2]


@pytest.fixture(scope="module")
def model(published_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert_files(*published_files, tmp_path_factory.mktemp("models") / "imagenet128")


class TestConversion:
    @pytest.mark.parametrize(
        ("in_channels", "classes"), [(4, CLASSES), (4, None), (10, CLASSES), (10, None), (8, CLASSES), (8, None)]
    )
    def test_the_converted_network_computes_what_the_published_one_does(
        self, in_channels: int, classes: int | None
    ) -> None:
        config = published_network.tiny_config(in_channels, classes)
        weights = published_network.random_weights(config, seed=in_channels)
        x = torch.randn(3, in_channels, 32, 32, generator=torch.Generator().manual_seed(0))
        timesteps = torch.tensor([0, 481, 999])
        unet = convert_published(weights, config)
        labels = torch.tensor([0, CLASSES - 1, CLASSES]) if classes else None
        with torch.no_grad():
            ours = unet(x, timesteps, class_labels=labels).sample.double()
        expected = published_network.evaluate(
            weights, config, x, timesteps, [0, CLASSES - 1, None] if classes else None
        )
        assert (ours - expected).abs().max() <= 1e-5 * expected.abs().max()

    def test_the_null_class_is_a_zero_row_after_the_classes(self) -> None:
        config = published_network.tiny_config(4, CLASSES)
        weights = published_network.random_weights(config)
        embedding = convert_published(weights, config).class_embedding.weight
        assert torch.equal(embedding[:-1], weights["label_emb.weight"])
        assert embedding.shape[0] == CLASSES + 1
        assert not embedding[-1].any()

    def test_precision_is_kept_and_a_mixture_becomes_single(self) -> None:
        config = published_network.tiny_config(4, None)
        weights = published_network.random_weights(config, dtype=torch.half)
        assert convert_published(weights, config).dtype == torch.half
        mixed = weights | {"out.2.weight": weights["out.2.weight"].float()}
        assert {tensor.dtype for tensor in convert_published(mixed, config).parameters()} == {torch.float32}

    def test_everything_wrong_is_named_in_one_error(self) -> None:
        config = published_network.tiny_config(10, CLASSES)
        weights = published_network.random_weights(config)
        del weights["middle_block.1.qkv.bias"], weights["output_blocks.3.0.skip_connection.weight"]
        weights["out.2.weight"] = weights["out.2.weight"][:3]
        weights["ema.decay"] = torch.zeros(1)
        weights["time_embed.1.bias"] = weights["time_embed.1.bias"].to(torch.int32)
        weights["input_blocks.1.0.in_layers.2.bias"][3] = torch.nan
        with pytest.raises(PublishedWeightsError) as caught:
            convert_published(weights, config)
        message = str(caught.value)
        assert "missing: " in message
        assert "middle_block.1.qkv.bias" in message
        assert "output_blocks.3.0.skip_connection.weight" in message
        assert "not expected: ema.decay" in message
        assert "out.2.weight [3, 32, 3, 3] in place of [4, 32, 3, 3]" in message
        assert "time_embed.1.bias torch.int32" in message
        assert "not finite: input_blocks.1.0.in_layers.2.bias" in message
        assert message.count("\n") == 0

    def test_other_time_frequencies_are_refused(self) -> None:
        config = published_network.tiny_config(4, None)
        weights = published_network.random_weights(config)
        weights["time_embed.0.freqs"] = weights["time_embed.0.freqs"] * 1.01
        with pytest.raises(PublishedWeightsError, match=r"time_embed\.0\.freqs"):
            convert_published(weights, config)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"channel_mult": None}, "lacks channel_mult"),
            ({"colour": 1}, "unknown colour"),
            ({"num_heads": 4}, "num_heads 4"),
            ({"resblock_updown": False}, "resblock_updown False"),
            ({"num_head_channels": 0}, "num_head_channels 0 .* positive number"),
            ({"image_size": "128"}, "image_size '128' .* positive number"),
            ({"channel_mult": "1,1,2"}, "channel_mult '1,1,2' .* list positive numbers"),
            ({"model_channels": 33}, "33 channels times 1 cannot be split into 32 num_groups"),
        ],
    )
    def test_a_configuration_of_another_kind_is_refused(self, change: dict, complaint: str) -> None:
        config = {n: v for n, v in (published_network.tiny_config(4, None) | change).items() if v is not None}
        with pytest.raises(PublishedWeightsError, match=complaint):
            convert_published({}, config)

    def test_the_six_published_configurations(self) -> None:
        sizes = {}
        for name, config in PUBLISHED_CONFIGS.items():
            with torch.device("meta"):
                unet = UNet2DModel(**unet_arguments(config))
            sizes[name] = round(sum(p.numel() for p in unet.parameters()) / 1e6)
            assert unet.mid_block.attentions[0].group_norm is not None
        assert sizes["imagenet128_uncond"] == 422  # what the paper's authors and the literature say of this size
        assert len(sizes) == 6

    @pytest.mark.parametrize("name", PUBLISHED_CONFIGS)
    def test_each_has_a_training_config_of_the_same_network(self, name: str) -> None:
        published = PUBLISHED_CONFIGS[name]
        config = TrainingConfig.read(Path(__file__).parent.parent / "configs" / f"{name}.json")
        with torch.device("meta"):
            trained = build_unet(config, published["image_size"], published["num_classes"] or 0)
            expected = UNet2DModel(**unet_arguments(published))
        shapes = [{n: t.shape for n, t in unet.state_dict().items()} for unet in (trained, expected)]
        assert shapes[0] == shapes[1]
        trained_config, expected_config = dict(trained.config), dict(expected.config)
        assert trained_config.pop("_use_default_values") == expected_config.pop("_use_default_values")
        assert trained_config == expected_config
        assert config.mixed_precision == ("fp16" if published["use_fp16"] else "no")

    def test_configurations_are_recognised_from_the_weights(self) -> None:
        config = published_network.tiny_config(4, CLASSES, 128)
        assert recognised_config(published_network.random_weights(config)) == config
        upsampler = published_network.tiny_config(8, None, 256)
        assert recognised_config(published_network.random_weights(upsampler)) == upsampler
        with pytest.raises(PublishedWeightsError, match="guided-diffusion"):
            recognised_config({"conv1.weight": torch.zeros(3, 3)})


class TestFiles:
    def test_weights_are_read_without_running_code(self, tmp_path: Path) -> None:
        class Hostile:
            def __reduce__(self):
                return os.system, (f"touch {tmp_path / 'ran'}",)

        torch.save({"out.0.weight": Hostile()}, tmp_path / "hostile.pt")
        with pytest.raises(PublishedWeightsError, match=r"hostile\.pt is refused: it tries to load \w+\.system"):
            load_published(tmp_path / "hostile.pt")
        assert not (tmp_path / "ran").exists()

    def test_files_of_another_kind_are_refused(self, tmp_path: Path, published_files: tuple[Path, Path]) -> None:
        (tmp_path / "text.pt").write_text("no weights at all")
        (tmp_path / "pickle.pt").write_bytes(pickle.dumps([1, 2]))
        (tmp_path / "cut.pt").write_bytes(published_files[0].read_bytes()[:100_000])
        torch.save([torch.zeros(2)], tmp_path / "list.pt")
        for name in ("text.pt", "pickle.pt", "cut.pt", "list.pt"):
            with pytest.raises(PublishedWeightsError, match=name):
                load_published(tmp_path / name)

    def test_swapped_files_and_an_occupied_folder_are_refused(
        self, tmp_path: Path, published_files: tuple[Path, Path]
    ) -> None:
        uncond, cond = published_files
        with pytest.raises(PublishedWeightsError, match="10 input channels; a first-view network has 4"):
            convert_files(cond, uncond, tmp_path / "swapped")
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes.txt").write_text("keep")
        with pytest.raises(ValueError, match="is there already"):
            convert_files(uncond, cond, tmp_path / "mine")
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine", "notes.txt"]

    def test_an_upsampler_becomes_part_of_the_model(self, all_files: tuple[Path, Path, Path], tmp_path: Path) -> None:
        from ivid.pipeline.pipeline import IvidPipeline
        from ivid.pipeline.upsampling import upsampled

        *published_files, upsampler = all_files
        folder = convert_files(*published_files, tmp_path / "model", upsampler=upsampler)
        pipeline = IvidPipeline.from_pretrained(check_model_folder(folder))
        scene = pipeline("goldfish", 3, view_set="random", first_steps=1, novel_steps=1, guidance=0)
        large = upsampled(pipeline, scene, "first", novel_steps=2, guidance=1.0)
        assert large.views[0].rgb.shape == (256, 256, 3)
        with pytest.raises(PublishedWeightsError, match="4 input channels; an upsampler network has 8"):
            convert_files(*published_files, tmp_path / "other", upsampler=published_files[0])
        config = published_network.tiny_config(8, 3, 256)
        torch.save(published_network.random_weights(config), tmp_path / "three.pt")
        with pytest.raises(PublishedWeightsError, match=r"different classes \(first-view 1000, .*upsampler 3\)"):
            convert_files(*published_files, tmp_path / "other", upsampler=tmp_path / "three.pt")
        assert not (tmp_path / "other").exists()

    def test_the_model_folder_makes_scenes(self, model: Path) -> None:
        from ivid.pipeline.pipeline import IvidPipeline

        pipeline = IvidPipeline.from_pretrained(model)
        settings = pipeline.sampling()
        assert (settings.first_steps, settings.novel_steps, settings.guidance) == (1000, 50, 3.0)
        assert (settings.first_sampler, settings.novel_sampler) == ("ddpm", "ddim")
        assert pipeline.depth_range == (0.6, 5.0)
        assert pipeline.class_index("goldfish") == 1
        scene = pipeline("goldfish", 3, view_set="random", first_steps=2, novel_steps=2, guidance=0)
        assert len(scene.views) == 2
        assert scene.views[1].size == 128
        assert scene.model == "imagenet128"

    def test_class_names(self) -> None:
        names = imagenet_class_names()
        assert len(set(names)) == 1000
        assert names[0] == "tench, Tinca tinca"
        assert names[999] == "toilet tissue, toilet paper, bathroom tissue"


class TestModelFolder:
    def test_unknown_names(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="there is no model 'lowploy'; choose one of lowpoly, imagenet128"):
            model_folder("lowploy")
        with pytest.raises(ModelError, match=r"has no model_index\.json"):
            model_folder(tmp_path)

    def test_half_there(self, model: Path, tmp_path: Path) -> None:
        assert model_folder(model) == model
        weights = Path("novel_view_unet", "diffusion_pytorch_model.safetensors")

        def damaged(name: str) -> Path:
            return Path(shutil.copytree(model, tmp_path / name))

        (damaged("lost") / weights).unlink()
        with pytest.raises(ModelError, match="half there: novel_view_unet has no weights"):
            check_model_folder(tmp_path / "lost")
        os.truncate(damaged("cut") / weights, 100_000)
        with pytest.raises(ModelError, match=r"half there: novel_view_unet/diffusion_pytorch_model\.safetensors"):
            check_model_folder(tmp_path / "cut")
        (damaged("bare") / "first_view_unet" / "config.json").unlink()
        with pytest.raises(ModelError, match=r"first_view_unet has no config\.json"):
            check_model_folder(tmp_path / "bare")
        (damaged("torn") / "model_index.json").write_text("{")
        with pytest.raises(ModelError, match=r"^\S+torn/model_index\.json is not valid JSON: "):
            check_model_folder(tmp_path / "torn")
        (tmp_path / "torn" / "model_index.json").write_text("{}")
        with pytest.raises(ModelError, match=r"^\S+torn/model_index\.json does not describe a model of this program$"):
            check_model_folder(tmp_path / "torn")

    def test_download_resumes_converts_once_and_works_offline(
        self,
        published_files: tuple[Path, Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with _hub(published_files) as hub, pytest.MonkeyPatch.context() as environment:
            environment.setenv("HF_ENDPOINT", hub.url)
            environment.setenv("HF_HOME", str(tmp_path / "hub"))
            importlib.reload(huggingface_hub.constants)  # the library reads its environment once
            monkeypatch.setenv("IVID_CACHE", str(tmp_path / "cache"))
            terminal = _Terminal()
            environment.setattr(sys, "stderr", terminal)
            told: list[str] = []
            folder = model_folder("imagenet128", told.append)
        importlib.reload(huggingface_hub.constants)
        assert folder == tmp_path / "cache" / "imagenet128"
        assert re.search(r"imagenet128_cond\.pt: 100%", terminal.getvalue())
        for file in ("imagenet128_uncond.pt", "imagenet128_cond.pt"):
            shares = [int(s[1]) for each in told if (s := re.match(rf"Downloading {file}: (\d+) %", each))]
            assert len(shares) > 1
            assert shares == sorted(shares)
            assert shares[-1] == 100
        assert told[-1].startswith("Converting")
        assert [name for name, _ in hub.downloads] == ["imagenet128_uncond.pt"] * 2 + ["imagenet128_cond.pt"]
        # the server broke the first one off, and it was taken up there
        assert [asked for _, asked in hub.downloads] == [None, "bytes=20971520-", None]
        assert json.loads((folder / "model_index.json").read_text())["name"] == "imagenet128"

        with pytest.MonkeyPatch.context() as environment:  # from here on the hub is gone
            environment.setenv("HF_ENDPOINT", hub.url)
            environment.setenv("HF_HOME", str(tmp_path / "hub"))
            importlib.reload(huggingface_hub.constants)
            assert model_folder("imagenet128") == folder
            shutil.rmtree(folder)
            assert model_folder("imagenet128") == check_model_folder(folder)
            shutil.rmtree(folder)
            shutil.rmtree(tmp_path / "hub")
            began = time.monotonic()
            with pytest.raises(ModelError, match=r"could not be downloaded .* python -m ivid convert") as caught:
                model_folder("imagenet128")
            assert "\n" not in str(caught.value)
            assert time.monotonic() - began < 10  # not after the library's minute of attempts
        importlib.reload(huggingface_hub.constants)


class _Terminal(io.StringIO):
    """Progress bars are drawn on terminals only."""

    def isatty(self) -> bool:
        return True


class _hub:
    """A Hugging Face hub on loopback that serves two files, and breaks off the first download.

    The client writes in pieces of 10 MiB, so the files are larger than that.
    """

    def __init__(self, paths: tuple[Path, Path]) -> None:
        contents = {path.name: path.read_bytes() for path in paths}
        downloads: list[tuple[str, str | None]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # one connection a request, so that a closed hub is gone

            def do_HEAD(self) -> None:
                self._answer(send_body=False)

            def do_GET(self) -> None:
                self._answer(send_body=True)

            def _answer(self, send_body: bool) -> None:
                name = self.path.rpartition("/")[2].partition("?")[0]
                if self.path != f"/JeffreyXiang/ivid/resolve/main/{name}":
                    self.send_error(404)
                    return
                content = contents[name]
                asked = self.headers.get("Range")
                first = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
                self.send_response(206 if first else 200)
                self.send_header("ETag", f'"{name}-{len(content)}"')
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(len(content) - first))
                if first:
                    self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
                self.end_headers()
                if send_body:
                    downloads.append((name, asked))
                    cut = len(downloads) == 1
                    self.wfile.write(content[first : len(content) * 3 // 4 if cut else None])
                    if cut:
                        self.wfile.flush()
                        self.close_connection = True

            def log_message(self, *_: object) -> None:
                return

        self.downloads = downloads
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> _hub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
