"""Meshes with a texture and compressed ones, as other programs read them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from ivid.export import export_scene
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "plain.glb": {},
    "plain.ply": {},
    "packed.glb": {"compress": True},
    "textured.glb": {"texture": 256, "max_triangles": 4000},
    "small.glb": {"texture": 256, "max_triangles": 4000, "compress": True},
    "textured.obj": {"texture": 256, "max_triangles": 4000},
}
VALIDATE = """
const { readFileSync } = require("node:fs");
const { validateBytes } = require("gltf-validator");
(async () => {
  const reports = await Promise.all(process.argv.slice(1).map((file) => validateBytes(readFileSync(file))));
  console.log(JSON.stringify(reports.map((report) => report.issues)));
})();
"""
UNPACK = """
const { readFileSync } = require("node:fs");
(async () => {
  const { MeshoptDecoder } = await import("three/addons/libs/meshopt_decoder.module.js");
  await MeshoptDecoder.ready;
  const [file, ...views] = process.argv.slice(1);
  const content = readFileSync(file);
  console.log(JSON.stringify(JSON.parse(views).map(({ count, byteStride, byteOffset, byteLength, mode }) => {
    const unpacked = new Uint8Array(count * byteStride);
    const packed = content.subarray(byteOffset, byteOffset + byteLength);
    MeshoptDecoder.decodeGltfBuffer(unpacked, count, byteStride, packed, mode);
    return Buffer.from(unpacked).toString("hex");
  })));
})();
"""


@pytest.fixture(scope="module")
def scene() -> Scene:
    whole = synthetic_scene(64)
    return Scene(whole.views[:9], whole.depth_range)


@pytest.fixture(scope="module")
def folder(scene, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("meshes")
    for name, options in FILES.items():
        export_scene(scene, folder / name, "mesh", **options)
    return folder


def node(code: str, *arguments: str | Path):
    if shutil.which("node") is None or not (ROOT / "node_modules" / "gltf-validator").exists():
        pytest.skip("Node.js or its packages are not installed (npm ci)")
    done = subprocess.run(["node", "-e", code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def parts(path: Path) -> tuple[dict, bytes, int]:
    """The JSON of a .glb file, its content, and where the binary chunk begins in it."""
    content = path.read_bytes()
    length = int.from_bytes(content[12:16], "little")
    return json.loads(content[20 : 20 + length]), content, 28 + length


def mesh_of(path: Path) -> trimesh.Trimesh:
    return trimesh.load(path, force="mesh", process=False)  # pyright: ignore[reportReturnType]


def colours(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points on the surface [N, 3], and their colours in the texture [N, 3] in 0 to 255."""
    mesh = mesh_of(path)
    material = mesh.visual.material  # pyright: ignore[reportAttributeAccessIssue]
    picture = np.asarray(getattr(material, "baseColorTexture", None) or material.image).astype(float)[..., :3]
    centres = mesh.visual.uv[mesh.faces].mean(1)  # pyright: ignore[reportAttributeAccessIssue]
    size = len(picture)
    column, row = (np.clip(each * size, 0, size - 1).astype(int) for each in (centres[:, 0], 1 - centres[:, 1]))
    return mesh.triangles_center, picture[row, column]


def test_the_validator_of_gltf_has_nothing_to_say(folder):
    names = [name for name in FILES if name.endswith(".glb")]
    for name, issues in zip(names, node(VALIDATE, *(folder / name for name in names)), strict=True):
        # it does not know the extension, nor then what its buffer is for
        expected = {"UNSUPPORTED_EXTENSION", "UNUSED_OBJECT"} if "compress" in FILES[name] else set()
        assert issues["numErrors"] == issues["numWarnings"] == 0, (name, issues["messages"])
        assert {each["code"] for each in issues["messages"]} <= expected, (name, issues["messages"])


@pytest.mark.parametrize("name", ["textured.glb", "textured.obj"])
def test_a_texture_shows_the_colours_of_the_vertices(folder, name):
    plain = mesh_of(folder / "plain.ply")
    true = plain.visual.vertex_colors[:, :3].astype(float)  # pyright: ignore[reportAttributeAccessIssue]
    places, found = colours(folder / name)
    distance, nearest = cKDTree(plain.vertices).query(places)
    near = distance < 0.01
    assert near.mean() > 0.5
    assert np.median(np.abs(found[near] - true[nearest[near]])) < 4
    assert len(mesh_of(folder / name).faces) <= 4000


def test_a_textured_obj_names_its_files(folder):
    assert "mtllib textured.mtl\n" in (folder / "textured.obj").read_text()
    assert "map_Kd textured.png\n" in (folder / "textured.mtl").read_text()


def test_compression_keeps_the_mesh(folder):
    """What three.js's decoder unpacks is the surface that was not packed, within half a step of the grid."""
    tree, content, start = parts(folder / "packed.glb")
    assert len(content) < 0.4 * (folder / "plain.glb").stat().st_size
    views = [view["extensions"]["EXT_meshopt_compression"] for view in tree["bufferViews"]]
    for view in views:
        view["byteOffset"] += start
    unpacked = [bytes.fromhex(each) for each in node(UNPACK, folder / "packed.glb", json.dumps(views))]
    (primitive,) = tree["meshes"][0]["primitives"]

    def values(index: int, dtype: str, width: int) -> np.ndarray:
        return np.frombuffer(unpacked[tree["accessors"][index]["bufferView"]], dtype).reshape(-1, width)

    (node_of_mesh,) = (each for each in tree["nodes"] if "mesh" in each)
    matrix = np.array(node_of_mesh["matrix"]).reshape(4, 4).T
    grid = values(primitive["attributes"]["POSITION"], "<u2", 4)[:, :3]
    positions = grid @ matrix[:3, :3].T + matrix[:3, 3]
    triangles = values(primitive["indices"], "<u4", 3)
    plain = mesh_of(folder / "plain.glb")
    assert triangles.shape == plain.faces.shape
    step = np.ptp(plain.vertices, axis=0).max() / 65535

    def corners(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
        return vertices[faces].mean(1)

    distance, _ = cKDTree(corners(plain.vertices, plain.faces)).query(corners(positions, triangles))
    assert distance.max() < step
    normals = values(primitive["attributes"]["NORMAL"], "i1", 4)[:, :3] / 127
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 0.02


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.ply", {"texture": 256}, "a texture goes into .glb or .obj, not into .ply"),
        ("a.glb", {"texture": 16}, "a texture must be 64 to 8192 pixels wide, got 16"),
        ("a.obj", {"compress": True}, "only .glb can be compressed, not .obj"),
    ],
)
def test_what_cannot_be_is_told(scene, tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        export_scene(scene, tmp_path / name, "mesh", **options)
    assert not list(tmp_path.iterdir())


def test_blender_shows_its_colours(folder):
    """Where Blender is installed as a Python module (pip install bpy)."""
    bpy = pytest.importorskip("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(folder / "plain.glb"))
    (shown,) = (each for each in bpy.data.objects if each.type == "MESH")
    stored = shown.data.color_attributes[0]
    assert stored.domain == "CORNER"  # a colour at every corner of every triangle
    found = np.array([each.color_srgb[:3] for each in stored.data]) * 255
    places = np.array([shown.data.vertices[each.vertex_index].co for each in shown.data.loops])
    true = mesh_of(folder / "plain.ply")
    distance, nearest = cKDTree(true.vertices).query(places[:, [0, 2, 1]] * [1, 1, -1])  # z is up in Blender
    assert distance.max() < 1e-4
    assert np.abs(found - true.visual.vertex_colors[nearest, :3]).max() < 4  # pyright: ignore
