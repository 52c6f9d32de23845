"""Meshes and splats in the programs people open them with: three.js, PlayCanvas, Spark and others, in Chromium."""

import base64
import csv
import io
import mimetypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ivid.export import export_scene
from ivid.export.surface import at_far_plane
from ivid.fusion import FusionRenderer
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import PATIENCE_MS

MODULES = Path(__file__).parent.parent / "node_modules"
SPLATS = "@mkkellogg/gaussian-splats-3d/build/gaussian-splats-3d.module.js"
SPARK = "@sparkjsdev/spark/dist/spark.module.js"
CAMERA = Camera.orbit(0.1, 0.05)
SIZE = 128
PATCHES = {"sphere": (64, 44), "red box": (62, 82), "ground": (112, 24)}  # row, column

MESHES = {
    "mesh.glb": {},
    "textured.glb": {"texture": 256, "max_triangles": 4000},
    "small.glb": {"texture": 256, "max_triangles": 4000, "compress": True},
}

PAGE = f"""<!doctype html><canvas width={SIZE} height={SIZE}></canvas>
<script type="importmap">{{"imports": {{
  "three": "/modules/three/build/three.module.js", "three/addons/": "/modules/three/examples/jsm/",
  "splats": "/modules/{SPLATS}", "spark": "/modules/{SPARK}", "playcanvas": "/modules/playcanvas/build/playcanvas.mjs"
}}}}</script>"""

DRAW = """async ([name, matrix]) => {
  const THREE = await import("three");
  const { GLTFLoader } = await import("three/addons/loaders/GLTFLoader.js");
  const { MeshoptDecoder } = await import("three/addons/libs/meshopt_decoder.module.js");
  const gltf = await new GLTFLoader().setMeshoptDecoder(MeshoptDecoder).loadAsync(`/files/${name}`);
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
def page_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def page(browser, scene, page_folder):
    """A page that finds the exported files under /files and packages of npm under /modules."""
    if not (MODULES / SPLATS).exists() or not (MODULES / "three").exists():
        pytest.skip("three.js and the splat reader are not installed (npm ci)")
    folder = page_folder
    for name, options in MESHES.items():
        export_scene(scene, folder / name, **options)
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


@pytest.mark.parametrize("name", MESHES)
def test_three_shows_the_mesh_in_the_colours_of_the_fused_picture(page, scene, name):
    told = page.evaluate(DRAW, [name, CAMERA.view_to_world.T.ravel().tolist()])
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
    x, y, z = (ordered[0][:, :3] * [-1, -1, 1] @ CAMERA.world_to_view[:3, :3].T + CAMERA.world_to_view[:3, 3]).T
    column, row = SIZE * (0.5 + CAMERA.focal * x / -z), SIZE * (0.5 - CAMERA.focal * y / -z)
    for patch, (centre_row, centre_column) in PATCHES.items():
        inside = (np.abs(row - centre_row) < 4) & (np.abs(column - centre_column) < 4)
        front = inside & (-z < -z[inside].max() + 0.08)
        expected = fused[centre_row - 4 : centre_row + 4, centre_column - 4 : centre_column + 4].mean((0, 1))
        assert np.abs(ordered[0][front, 3:6].mean(0) - expected).max() < 7, patch


SPLAT_FILES = ("s.ply", "s.compressed.ply", "s.splat", "s.sog", "s.spz", "s.glb")
READ_BY_SPARK = SPLAT_FILES[:-1]  # it does not know the extension
PLAYCANVAS = "playcanvas/build/playcanvas.mjs"

DRAW_SPLATS = """async ([name, size, turned]) => {
  const pc = await import("playcanvas");
  const canvas = document.createElement("canvas");
  document.body.append(canvas);
  const app = new pc.Application(canvas, { graphicsDeviceOptions: { preserveDrawingBuffer: true, antialias: false } });
  app.setCanvasResolution(pc.RESOLUTION_FIXED, size, size);
  app.start();
  const camera = new pc.Entity();
  const clearColor = new pc.Color(0, 0, 0, 0);
  const asTheyAre = { toneMapping: pc.TONEMAP_NONE, gammaCorrection: pc.GAMMA_SRGB };
  camera.addComponent("camera", { fov: 45, nearClip: 0.05, farClip: 50, clearColor, ...asTheyAre });
  camera.setPosition(0, 0, 1);
  app.root.addChild(camera);
  const container = name.endsWith(".glb");
  const asset = new pc.Asset(name, container ? "container" : "gsplat", { url: `/files/${name}`, filename: name });
  await new Promise((resolve, reject) => {
    asset.on("load", resolve);
    asset.on("error", reject);
    app.assets.add(asset);
    app.assets.load(asset);
  });
  const entity = container ? asset.resource.instantiateRenderEntity() : new pc.Entity();
  if (!container) entity.addComponent("gsplat", { asset });
  if (turned) entity.setLocalEulerAngles(0, 0, 180);
  app.root.addChild(entity);
  let shown = "";
  for (let still = 0; still < 5; ) {  // splats are sorted by a worker: until the picture no longer changes
    await new Promise((resolve) => setTimeout(resolve, 200));
    const now = canvas.toDataURL();
    still = now === shown && now.length > 2000 ? still + 1 : 0;
    shown = now;
  }
  app.destroy();
  canvas.remove();
  return shown;
}"""

DRAW_BY_SPARK = """async ([name, size, turned]) => {
  const THREE = await import("three");
  const { SparkRenderer, SplatMesh } = await import("spark");
  const canvas = document.createElement("canvas");
  const renderer = new THREE.WebGLRenderer({ canvas, preserveDrawingBuffer: true });
  renderer.setSize(size, size, false);
  const camera = new THREE.PerspectiveCamera(45, 1, 0.05, 50);
  camera.position.z = 1;
  const scene = new THREE.Scene();
  const spark = new SparkRenderer({ renderer, preBlurAmount: 0.3, blurAmount: 0 });  // splats without anti-aliasing
  const splats = new SplatMesh({ url: `/files/${name}`, fileName: name });
  if (turned) splats.rotation.z = Math.PI;
  scene.add(spark, splats);
  await splats.initialized;
  let shown = "";
  for (let still = 0; still < 5; ) {  // splats are sorted by a worker: until the picture no longer changes
    renderer.render(scene, camera);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const now = canvas.toDataURL();
    still = now === shown && now.length > 2000 ? still + 1 : 0;
    shown = now;
  }
  renderer.dispose();
  renderer.forceContextLoss();
  return shown;
}"""


@pytest.fixture(scope="module")
def splat_folder(scene, page_folder):
    for name in SPLAT_FILES:
        export_scene(scene, page_folder / name, "splats")
    return page_folder


def test_splat_transform_finds_the_same_splats_in_every_file(splat_folder):
    command = MODULES / ".bin" / "splat-transform"
    if not command.exists():
        pytest.skip("splat-transform is not installed (npm ci)")
    tables = {}
    for name in SPLAT_FILES[:-1]:  # it writes .glb, and does not read it
        told = subprocess.run(
            [command, "-q", "-w", splat_folder / name, splat_folder / "told.csv"], capture_output=True, text=True
        )
        assert told.returncode == 0, told.stderr
        with (splat_folder / "told.csv").open(encoding="utf-8") as file:
            tables[name] = list(csv.DictReader(file))
    true = tables["s.ply"]
    for name, rows in tables.items():
        assert len(rows) == len(true)
        for column, tolerance in (("x", 1e-3), ("y", 1e-3), ("z", 1e-3), ("f_dc_0", 0.02), ("scale_1", 0.02)):
            sign = -1 if name == "s.spz" and column in "xz" else 1  # read as turned about x, where .ply is about z
            mean, true_mean = (np.mean([float(row[column]) for row in each]) for each in (rows, true))
            assert sign * mean == pytest.approx(true_mean, abs=tolerance), (name, column)


@pytest.fixture(scope="module")
def drawn_by_spark(page, splat_folder):
    if not (MODULES / SPARK).exists():
        pytest.skip("Spark is not installed (npm ci)")
    jobs = [[name, SIZE, name != "s.spz"] for name in READ_BY_SPARK]
    pictures = page.evaluate(f"(jobs) => Promise.all(jobs.map({DRAW_BY_SPARK}))", jobs)  # none waits for another
    return dict(zip(READ_BY_SPARK, pictures, strict=True))


@pytest.mark.parametrize("name", ["s.ply", "s.compressed.ply", "s.sog", "s.glb"])
def test_playcanvas_draws_splats_like_the_fused_picture(page, splat_folder, fused, name):
    if not (MODULES / PLAYCANVAS).exists():
        pytest.skip("PlayCanvas is not installed (npm ci)")
    assert psnr_inside(page.evaluate(DRAW_SPLATS, [name, SIZE, name != "s.glb"]), *fused) >= 25


@pytest.mark.parametrize("name", READ_BY_SPARK)
def test_spark_draws_splats_like_the_fused_picture(drawn_by_spark, fused, name):
    assert psnr_inside(drawn_by_spark[name], *fused) >= 25


@pytest.fixture(scope="module")
def fused(scene) -> tuple[np.ndarray, np.ndarray]:
    """The fused picture at the first camera, and which of its pixels are well inside of the surface."""
    fused = FusionRenderer().render(scene.views, Camera.orbit(0, 0), SIZE, 3)
    surface = fused.mask & ~at_far_plane(fused.depth, scene.depth_range)
    inside = ndimage.binary_erosion(surface, iterations=3)  # splats have soft silhouettes
    assert inside.mean() > 0.5
    return fused.rgb, inside


def psnr_inside(url: str, fused: np.ndarray, inside: np.ndarray) -> float:
    """Of a picture, a data URL, to the fused one, in dB."""
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        drawn = np.array(image.convert("RGB")).astype(float) / 255
    return float(-10 * np.log10(np.mean((drawn[inside] - fused[inside]) ** 2)))
