"""The page's endpoints, called as the README says."""

from pathlib import Path

import imageio.v3
import pytest
import trimesh
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from ivid.page.networks import InThisProcess
from ivid.scene.scene import Scene
from tests.support.estimator import save_photo, use_fake_estimator


@pytest.fixture(scope="module")
def client(served, tmp_path_factory):
    return Client(served.url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


@pytest.fixture(scope="module")
def scene_file(client):
    return client.predict(class_label="tree", seed=3, view_set="random", api_name="/generate")


def test_generate(scene_file, served):
    assert Path(scene_file).name == "tree_seed00003.ivid"
    scene = Scene.load(scene_file)
    assert (scene.class_name, scene.seed, len(scene.views)) == ("tree", 3, 2)


def test_generate_from_a_photograph(client, served, tmp_path, monkeypatch):
    monkeypatch.setattr(served.models, "networks", InThisProcess())  # which has the estimator that is not fetched
    use_fake_estimator(monkeypatch)
    photo = handle_file(str(save_photo(tmp_path / "photo.jpg")))
    scene = Scene.load(
        client.predict(class_label="tree", seed=3, view_set="uncond", picture=photo, api_name="/generate")
    )
    assert scene.views[0].rgb[2].mean() > 200
    assert len(scene.settings["first_view"]) == 16


def test_render(client, scene_file):
    video = client.predict(
        scene=handle_file(scene_file), trajectory="swing", size=64, frames=4, fps=10, api_name="/render"
    )
    assert imageio.v3.imread(video).shape == (4, 64, 64, 3)


def test_export(client, scene_file):
    cloud = trimesh.load(client.predict(scene=handle_file(scene_file), kind="points", api_name="/export"))
    assert len(cloud.vertices) > 100  # pyright: ignore[reportAttributeAccessIssue]


def test_only_three_endpoints_are_public(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/generate", "/render", "/export"}


def test_what_is_wrong_is_said(client, scene_file):
    with pytest.raises(AppError, match="has no class 'spaceship'"):
        client.predict(class_label="spaceship", seed=1, api_name="/generate")
    with pytest.raises(AppError, match="no kind 'statue'"):
        client.predict(scene=handle_file(scene_file), kind="statue", api_name="/export")
