"""Meshes and splats in the programs people open them with: three.js and a splat reader from npm, in Chromium."""

import base64
import io
import mimetypes
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivid.export import export_scene
from ivid.fusion import FusionRenderer
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import PATIENCE_MS

MODULES = Path(__file__).parent.parent / "node_modules"
SPLATS = "@mkkellogg/gaussian-splats-3d/build/gaussian-splats-3d.module.js"
CAMERA = Camera.orbit(0.1, 0.05)
SIZE = 128
PATCHES = {"sphere": (64, 44), "red box": (62, 82), "ground": (112, 24)}  # row, column

PAGE = f"""<!doctype html><canvas width={SIZE} height={SIZE}></canvas>
<script type="importmap">{{"imports": {{
  "three": "/modules/three/build/three.module.js", "three/addons/": "/modules/three/examples/jsm/",
  "splats": "/modules/{SPLATS}"
}}}}</script>"""

DRAW = """async (matrix) => {
  const THREE = await import("three");
  const { GLTFLoader } = await import("three/addons/loaders/GLTFLoader.js");
  const gltf = await new GLTFLoader().loadAsync("/files/mesh.glb");
  const camera = new THREE.PerspectiveCamera(45, 1, 0.05, 50);
  new THREE.Matrix4().fromArray(matrix).decompose(camera.position, camera.quaternion, camera.scale);
  const canvas = document.querySelector("canvas");
  const renderer = new THREE.WebGLRenderer({ canvas, preserveDrawingBuffer: true });
  renderer.setSize(canvas.width, canvas.height, false);
  renderer.render(gltf.scene, camera);
  const materials = new Set();
  gltf.scene.traverse((node) => node.material && materials.add(node.material.type));
  return { cameras: gltf.cameras.map((each) => each.fov), materials: [...materials] };
}"""

READ = """async (name) => {
  const { PlyLoader, SplatLoader } = await import("splats");
  const THREE = await import("three");
  const bytes = await (await fetch(`/files/${name}`)).arrayBuffer();
  const loader = name.endsWith(".ply") ? PlyLoader : SplatLoader;
  const splats = await loader.loadFromFileData(bytes, 0, 0, false);
  const centre = new THREE.Vector3(), colour = new THREE.Vector4();
  const size = new THREE.Vector3(), rotation = new THREE.Quaternion();
  const rows = [];
  for (let index = 0; index < splats.getSplatCount(); index++) {
    splats.getSplatCenter(index, centre);
    splats.getSplatColor(index, colour);
    splats.getSplatScaleAndRotation(index, size, rotation);
    rows.push([...centre.toArray(), ...colour.toArray(), ...size.toArray()]);
  }
  return rows;
}"""


@pytest.fixture(scope="module")
def scene():
    whole = synthetic_scene(64)
    return Scene(whole.views[:9], whole.depth_range)


@pytest.fixture(scope="module")
def page(browser, scene, tmp_path_factory):
    """A page that finds the exported files under /files and packages of npm under /modules."""
    if not (MODULES / SPLATS).exists() or not (MODULES / "three").exists():
        pytest.skip("three.js and the splat reader are not installed (npm ci)")
    folder = tmp_path_factory.mktemp("exports")
    export_scene(scene, folder / "mesh.glb")
    export_scene(scene, folder / "splats.ply", "splats")
    export_scene(scene, folder / "splats.splat")
    roots = {"modules": MODULES, "files": folder}

    def answer(route):
        root, _, rest = route.request.url.removeprefix("http://exports.test/").partition("/")
        if root not in roots:
            route.fulfill(body=PAGE, content_type="text/html")
        else:
            route.fulfill(path=roots[root] / rest, content_type=mimetypes.guess_type(rest)[0] or "text/javascript")

    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.route("http://exports.test/**", answer)
    page.goto("http://exports.test/")
    yield page
    page.close()


def test_three_shows_the_mesh_in_the_colours_of_the_fused_picture(page, scene):
    told = page.evaluate(DRAW, CAMERA.view_to_world.T.ravel().tolist())
    assert told["materials"] == ["MeshBasicMaterial"]
    assert told["cameras"] == pytest.approx([45])
    url = page.evaluate("() => document.querySelector('canvas').toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        drawn = np.array(image.convert("RGB")).astype(float)
    fused = FusionRenderer().render(scene.views, CAMERA, SIZE, 2)
    for patch, (row, column) in PATCHES.items():
        window = slice(row - 4, row + 4), slice(column - 4, column + 4)
        assert np.abs(drawn[window].mean((0, 1)) - 255 * fused.rgb[window].mean((0, 1))).max() < 7, patch
    surface = drawn.sum(-1) > 0
    assert surface.mean() > 0.5
    assert np.abs(drawn[surface].mean(0) - 255 * fused.rgb[surface].mean(0)).max() < 4


def test_a_splat_reader_finds_the_same_splats_in_both_files(page, scene):
    rows = {name: np.array(page.evaluate(READ, name)) for name in ("splats.ply", "splats.splat")}
    ordered = [each[np.lexsort(each[:, :3].T)] for each in rows.values()]
    assert len(ordered[0]) == len(ordered[1]) > 3000
    assert np.allclose(ordered[0][:, :3], ordered[1][:, :3], atol=1e-4)
    assert np.abs(ordered[0][:, 3:7] - ordered[1][:, 3:7]).max() <= 1
    assert np.allclose(ordered[0][:, 7:], ordered[1][:, 7:], rtol=1e-3)
    sizes = np.sort(ordered[0][:, 7:], axis=1)
    assert (sizes[:, 0] < 0.2 * sizes[:, 1]).all()
    fused = 255 * FusionRenderer().render(scene.views, CAMERA, SIZE, 2).rgb
    x, y, z = (ordered[0][:, :3] @ CAMERA.world_to_view[:3, :3].T + CAMERA.world_to_view[:3, 3]).T
    column, row = SIZE * (0.5 + CAMERA.focal * x / -z), SIZE * (0.5 - CAMERA.focal * y / -z)
    for patch, (centre_row, centre_column) in PATCHES.items():
        inside = (np.abs(row - centre_row) < 4) & (np.abs(column - centre_column) < 4)
        front = inside & (-z < -z[inside].max() + 0.08)
        expected = fused[centre_row - 4 : centre_row + 4, centre_column - 4 : centre_column + 4].mean((0, 1))
        assert np.abs(ordered[0][front, 3:6].mean(0) - expected).max() < 7, patch
