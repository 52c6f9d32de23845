"""Every export, written once from one scene, read back by another library, and compared with the fused picture."""

import io
import json
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from ivid.export import export_scene
from ivid.export.splats import OPACITY, SH_DC
from ivid.export.surface import at_far_plane
from ivid.fusion import FusionRenderer
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from tests.support.synthetic import distance_to_surface, synthetic_scene

SIZE = 128  # of the pictures compared
CAMERA = Camera.orbit(0.2, 0.05)
PATCHES = {"sphere": (60, 42), "red box": (62, 88), "yellow box": (96, 72), "ground": (112, 20)}  # row, column
VERTICES = {"mesh.ply", "mesh.obj", "mesh.glb"}


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene(64)


@pytest.fixture(scope="module")
def folder(scene, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    export_scene(scene, folder / "points.ply")
    for name in ("mesh.glb", "mesh.obj"):
        export_scene(scene, folder / name)
    export_scene(scene, folder / "mesh.ply", "mesh")
    export_scene(scene, folder / "splats.ply", "splats")
    export_scene(scene, folder / "splats.splat")
    export_scene(scene, folder / "capture", "nerfstudio")
    return folder


@pytest.fixture(scope="module")
def fused(scene):
    """The reference: uint8 [SIZE, SIZE, 3]."""
    return np.rint(FusionRenderer().render(scene.views, CAMERA, SIZE, 2).rgb * 255)


def project(points, camera=CAMERA, size=SIZE):
    """Row, column and depth of world points."""
    x, y, z = (points @ camera.world_to_view[:3, :3].T + camera.world_to_view[:3, 3]).T
    return size * (0.5 - camera.focal * y / -z), size * (0.5 + camera.focal * x / -z), -z


def patch_mean(points, colours, name):
    """Mean colour of the points in front within a patch."""
    row, column, depth = project(points)
    centre_row, centre_column = PATCHES[name]
    inside = (np.abs(row - centre_row) < 4) & (np.abs(column - centre_column) < 4)
    front = inside & (depth < depth[inside].min() + 0.08)
    assert front.sum() >= 5
    return colours[front].mean(axis=0)


def read_ply(path):
    """Columns of a binary PLY's vertices, by the header alone."""
    content = path.read_bytes()
    header, body = content.split(b"end_header\n", 1)
    lines = header.decode().splitlines()
    assert lines[1] == "format binary_little_endian 1.0"
    count = int(next(line for line in lines if line.startswith("element vertex")).split()[2])
    types = {"float": "<f4", "uchar": "u1"}
    layout = np.dtype([(line.split()[2], types[line.split()[1]]) for line in lines if line.startswith("property ")])
    assert len(body) == count * layout.itemsize
    return np.frombuffer(body, layout)


UPRIGHT = np.float32([-1, -1, 1])  # viewers turn splat files by 180° about z


def read_splats(path):
    record = [("position", "<f4", 3), ("scale", "<f4", 3), ("colour", "u1", 4), ("rotation", "u1", 4)]
    return np.frombuffer(path.read_bytes(), record)


def glb_parts(path):
    content = path.read_bytes()
    length = struct.unpack("<I", content[12:16])[0]
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def vertices_of(path):
    """Points [N, 3] and sRGB colours [N, 3] in 0 ... 255 of an exported file."""
    trimesh = pytest.importorskip("trimesh")
    if path.name == "splats.splat":
        records = np.frombuffer(
            path.read_bytes(), [("xyz", "<f4", 3), ("size", "<f4", 3), ("rgba", "u1", 4), ("q", "u1", 4)]
        )
        return records["xyz"] * UPRIGHT, records["rgba"][:, :3].astype(float)
    if path.name == "splats.ply":
        columns = read_ply(path)
        points = np.stack([columns[name] for name in "xyz"], axis=-1)
        return points * UPRIGHT, 255 * (0.5 + SH_DC * np.stack([columns[f"f_dc_{i}"] for i in range(3)], axis=-1))
    loaded = trimesh.load(path, process=False)
    if path.name == "mesh.glb":
        (mesh,) = loaded.geometry.values()
        tree, buffer = glb_parts(path)
        accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
        assert accessor["componentType"] == 5123  # unsigned short
        assert accessor["normalized"]
        view = tree["bufferViews"][accessor["bufferView"]]
        linear = (
            np.frombuffer(buffer, np.uint16, view["byteLength"] // 2, view["byteOffset"]).reshape(-1, 4)[:, :3] / 65535
        )
        return mesh.vertices, 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours = loaded.colors if path.name == "points.ply" else loaded.visual.vertex_colors
    return np.asarray(loaded.vertices), np.asarray(colours)[:, :3].astype(float)


EXPORTED = ["points.ply", "mesh.glb", "mesh.obj", "mesh.ply", "splats.ply", "splats.splat"]


@pytest.mark.parametrize("name", EXPORTED)
def test_colours_are_those_of_the_fused_picture(folder, fused, name):
    points, colours = vertices_of(folder / name)
    for patch, (row, column) in PATCHES.items():
        expected = fused[row - 4 : row + 4, column - 4 : column + 4].mean(axis=(0, 1))
        assert np.abs(patch_mean(points, colours, patch) - expected).max() < 7, patch


@pytest.mark.parametrize("name", EXPORTED)
def test_what_is_exported_lies_on_the_surface(folder, name):
    points, _ = vertices_of(folder / name)
    near = points[np.linalg.norm(points, axis=1) < 0.8]
    assert len(near) > 3000
    assert np.quantile(distance_to_surface(near), 0.95) < 0.015  # a pixel is 0.013 wide at the orbit centre


def test_open3d_reads_the_points(folder):
    open3d = pytest.importorskip("open3d")
    cloud = open3d.io.read_point_cloud(str(folder / "points.ply"))
    columns = read_ply(folder / "points.ply")
    assert len(cloud.points) == len(columns) > 10_000
    assert np.allclose(np.linalg.norm(np.asarray(cloud.normals), axis=1), 1, atol=1e-4)
    assert np.allclose(np.asarray(cloud.colors)[:, 0] * 255, columns["red"])


def test_the_glb_is_unlit_and_has_the_first_camera(folder):
    tree, _ = glb_parts(folder / "mesh.glb")
    assert tree["materials"][0]["extensions"] == {"KHR_materials_unlit": {}}
    assert tree["extensionsUsed"] == ["KHR_materials_unlit"]
    assert tree["cameras"][0]["perspective"]["yfov"] == pytest.approx(np.radians(45))
    (node,) = [node for node in tree["nodes"] if "camera" in node]
    assert np.allclose(np.reshape(node["matrix"], (4, 4)).T, Camera.orbit(0, 0).view_to_world)


def test_z_points_up_where_it_is_asked_for(scene, tmp_path):
    import trimesh

    export_scene(scene, tmp_path / "y.ply", "points")
    export_scene(scene, tmp_path / "z.ply", "points", up="z")
    usual, turned = (np.asarray(trimesh.load_mesh(tmp_path / name).vertices) for name in ("y.ply", "z.ply"))
    np.testing.assert_array_equal(turned, np.stack([usual[:, 0], -usual[:, 2], usual[:, 1]], axis=1))


def test_the_meshes_agree(folder):
    trimesh = pytest.importorskip("trimesh")
    shapes = {name: trimesh.load(folder / name, process=False, force="mesh") for name in VERTICES}
    assert len({(len(mesh.vertices), len(mesh.faces)) for mesh in shapes.values()}) == 1
    for mesh in shapes.values():  # in an order of their own
        assert np.allclose(mesh.bounds, shapes["mesh.glb"].bounds, atol=1e-5)
        assert mesh.area == pytest.approx(shapes["mesh.glb"].area, rel=1e-5)


def test_splats_lie_flat_in_the_surface(folder):
    columns = read_ply(folder / "splats.ply")
    names = "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    assert columns.dtype.names == tuple(names.split())
    quaternions = np.stack([columns[f"rot_{i}"] for i in range(4)], axis=-1)
    normals = np.stack([columns[f"n{axis}"] for axis in "xyz"], axis=-1)
    turned = Rotation.from_quat(quaternions, scalar_first=True).apply([0, 0, 1])
    assert np.abs((turned * normals).sum(-1)).min() > 0.999
    sizes = np.exp(np.stack([columns[f"scale_{i}"] for i in range(3)], axis=-1))
    assert (sizes[:, 2] < 0.2 * sizes[:, 1]).all()
    assert (sizes[:, 0] >= 0.999 * sizes[:, 1]).all()
    assert np.allclose(1 / (1 + np.exp(-columns["opacity"])), OPACITY)


def test_both_splat_files_hold_the_same_splats(folder):
    columns = read_ply(folder / "splats.ply")
    points, colours = vertices_of(folder / "splats.splat")
    expected, expected_colours = vertices_of(folder / "splats.ply")
    order, expected_order = np.lexsort(points.T), np.lexsort(expected.T)
    assert np.array_equal(points[order], expected[expected_order])
    assert np.abs(colours[order] - expected_colours[expected_order]).max() < 1
    records = read_splats(folder / "splats.splat")
    quaternions = np.stack([columns[f"rot_{i}"] for i in range(4)], axis=-1)[expected_order]
    assert np.abs((records["rotation"][order].astype(float) - 128) / 128 - quaternions).max() < 0.01
    sizes = np.exp(np.stack([columns[f"scale_{i}"] for i in range(3)], axis=-1))[expected_order]
    assert np.allclose(records["scale"][order], sizes, rtol=1e-5)
    assert (np.diff(records["scale"].prod(axis=1)) <= 0).all()  # the largest first


def raw_ply(splats):
    return {name: splats[name].astype(np.float64) for name in splats.dtype.names}


@pytest.mark.parametrize("suffix", [".compressed.ply", ".sog", ".spz"])
def test_compressed_splats_hold_nearly_the_same_splats(scene, folder, tmp_path, suffix):
    gaussforge = pytest.importorskip("gaussforge")
    export_scene(scene, tmp_path / f"s{suffix}", "splats")
    content = gaussforge.GaussForge().convert((tmp_path / f"s{suffix}").read_bytes(), suffix[1:], "ply")["data"]
    (tmp_path / "back.ply").write_bytes(content)
    back, true = raw_ply(read_ply(tmp_path / "back.ply")), raw_ply(read_ply(folder / "splats.ply"))
    if suffix == ".spz":  # y up, as its specification has it
        back |= {"x": -back["x"], "y": -back["y"]}
    assert len(back["x"]) == len(true["x"])
    assert (tmp_path / f"s{suffix}").stat().st_size < 0.4 * (folder / "splats.ply").stat().st_size
    for axis in "xyz":
        assert np.abs(np.sort(back[axis]) - np.sort(true[axis])).max() < 2e-3
    for index in range(3):
        colours, true_colours = (SH_DC * np.sort(each[f"f_dc_{index}"]) for each in (back, true))
        assert np.abs(colours - true_colours).mean() < 0.01
        assert np.sort(back[f"scale_{index}"]) == pytest.approx(np.sort(true[f"scale_{index}"]), abs=0.1)


def test_splats_in_glb_follow_the_ratified_extension(scene, folder, tmp_path):
    export_scene(scene, tmp_path / "s.glb", "splats")
    tree, buffer = glb_parts(tmp_path / "s.glb")
    (primitive,) = tree["meshes"][0]["primitives"]
    assert tree["extensionsUsed"] == ["KHR_gaussian_splatting"]
    assert primitive["mode"] == 0
    assert primitive["extensions"]["KHR_gaussian_splatting"]["kernel"] == "ellipse"
    assert primitive["extensions"]["KHR_gaussian_splatting"]["colorSpace"] == "srgb_rec709_display"

    def values(name):
        accessor = tree["accessors"][primitive["attributes"][name]]
        view = tree["bufferViews"][accessor["bufferView"]]
        dtype = {5126: "<f4", 5121: "u1"}[accessor["componentType"]]
        columns = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        return np.frombuffer(buffer, dtype, accessor["count"] * columns, view["byteOffset"]).reshape(-1, columns)

    true = read_ply(folder / "splats.ply")
    assert np.array_equal(values("POSITION"), np.stack([true[axis] for axis in "xyz"], axis=-1) * UPRIGHT)
    assert np.allclose(np.linalg.norm(values("KHR_gaussian_splatting:ROTATION"), axis=1), 1, atol=1e-5)
    assert np.allclose(values("KHR_gaussian_splatting:SCALE")[:, 0], np.exp(true["scale_0"]), rtol=1e-5)
    assert np.allclose(values("KHR_gaussian_splatting:OPACITY"), OPACITY)
    assert np.allclose(values("KHR_gaussian_splatting:SH_DEGREE_0_COEF_0")[:, 1], true["f_dc_1"])
    accessor = tree["accessors"][primitive["attributes"]["POSITION"]]
    assert np.allclose(accessor["max"], values("POSITION").max(0))


def test_higher_harmonics_are_written_as_zeros(scene, tmp_path):
    export_scene(scene, tmp_path / "s.ply", "splats", sh_degree=3)
    columns = read_ply(tmp_path / "s.ply")
    assert [name for name in columns.dtype.names if name.startswith("f_rest")] == [f"f_rest_{i}" for i in range(45)]
    assert not columns["f_rest_44"].any()


def test_nerfstudio_gets_the_same_cameras_pictures_and_depths(folder, scene):
    root = folder / "capture"
    transforms = json.loads((root / "transforms.json").read_text())
    assert len(transforms["frames"]) == len(scene.views)
    for frame, view in zip(transforms["frames"], scene.views, strict=True):
        camera = Camera(np.linalg.inv(frame["transform_matrix"]), np.degrees(2 * np.arctan(32 / frame["fl_y"])))
        assert np.allclose(camera.world_to_view, view.camera.world_to_view)
        assert camera.fov_y_deg == pytest.approx(view.camera.fov_y_deg)
        assert np.array_equal(np.array(Image.open(root / frame["file_path"])), view.rgb)
        depth = np.array(Image.open(root / frame["depth_file_path"]))
        assert depth.dtype == np.uint16
        known = ~at_far_plane(view.depth, scene.depth_range)
        assert np.abs(depth / 1000 - view.depth)[known].max() < 5.1e-4
        assert not depth[~known].any()
        assert (frame["cx"], frame["cy"]) == (32, 32)
    assert (transforms["w"], transforms["h"]) == (64, 64)
    assert not {"fl_x", "fl_y", "cx", "cy"} & transforms.keys()  # readers take those for all frames
    assert len(read_ply(root / transforms["ply_file_path"])) > 5000


def test_every_frame_keeps_its_own_field_of_view(scene, tmp_path):
    pairs = zip(scene.views[:3], (45, 30, 60), strict=True)
    views = [replace(view, camera=replace(view.camera, fov_y_deg=fov)) for view, fov in pairs]
    export_scene(Scene(views, scene.depth_range), tmp_path / "capture", "nerfstudio")
    frames = json.loads((tmp_path / "capture" / "transforms.json").read_text())["frames"]
    expected = [view.size * view.camera.focal for view in views]
    assert [frame["fl_x"] for frame in frames] == pytest.approx(expected)
    lines = (tmp_path / "capture" / "sparse" / "0" / "cameras.txt").read_text().splitlines()[1:]
    assert [float(line.split()[4]) for line in lines] == pytest.approx(expected)


def test_a_far_plane_may_be_kept_as_depth(scene, tmp_path):
    export_scene(Scene(scene.views[:1], scene.depth_range), tmp_path / "capture", "nerfstudio", keep_far=True)
    depth = np.array(Image.open(tmp_path / "capture" / "depths" / "frame_00001.png"))
    assert np.abs(depth / 1000 - scene.views[0].depth).max() < 5.1e-4


def test_colmap_reads_the_binary_model_as_the_text_one(folder, tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    model, text = folder / "capture" / "sparse" / "0", tmp_path
    for name in ("cameras.txt", "images.txt", "points3D.txt"):
        (text / name).write_bytes((model / name).read_bytes())
    binary = tmp_path / "binary"
    binary.mkdir()
    for name in ("cameras.bin", "images.bin", "points3D.bin"):
        (binary / name).write_bytes((model / name).read_bytes())
    one, other = pycolmap.Reconstruction(str(binary)), pycolmap.Reconstruction(str(text))
    assert one.num_images() == other.num_images() == len(list((folder / "capture" / "images").iterdir()))
    assert one.num_points3D() == other.num_points3D() > 1000
    for index, image in one.images.items():
        twin = other.images[index]
        assert image.name == twin.name
        assert np.allclose(image.cam_from_world().matrix(), twin.cam_from_world().matrix(), atol=1e-9)
        assert np.allclose(image.camera.params, twin.camera.params)
    point = next(iter(one.points3D))
    assert np.allclose(one.points3D[point].xyz, other.points3D[point].xyz, rtol=1e-4)


def test_colmap_sees_its_points_where_the_pictures_show_them(folder, scene):
    """COLMAP's camera maths, from the text model alone, lands every visible point on a pixel of its colour."""
    root = folder / "capture" / "sparse" / "0"

    def rows(name):
        return [line.split() for line in (root / name).read_text().splitlines() if line and line[0] != "#"]

    cameras = {row[0]: (int(row[2]), *map(float, row[4:8])) for row in rows("cameras.txt")}
    points = np.array([[float(value) for value in row[1:7]] for row in rows("points3D.txt")])
    assert len(points) > 5000
    images = rows("images.txt")
    assert [row[9] for row in images] == [f"frame_{i + 1:05d}.png" for i in range(len(scene.views))]
    for row, view in zip(images[::5], scene.views[::5], strict=True):
        rotation = Rotation.from_quat([float(value) for value in row[1:5]], scalar_first=True)
        seen = rotation.apply(points[:, :3]) + [float(value) for value in row[5:8]]
        size, fx, fy, cx, cy = cameras[row[8]]
        column, line = (seen[:, :2] / seen[:, 2:] * [fx, fy] + [cx, cy]).T
        inside = (seen[:, 2] > 0) & (column >= 0) & (column < size) & (line >= 0) & (line < size)
        pixel = line[inside].astype(int), column[inside].astype(int)
        visible = np.abs(1 / view.depth[pixel] - 1 / seen[inside, 2]) < 0.01
        assert visible.sum() > 500
        assert np.median(np.abs(view.rgb[pixel][visible] - points[inside, 3:][visible])) < 6


def test_the_zip_holds_the_folder(folder, scene, tmp_path):
    export_scene(scene, tmp_path / "capture.zip")
    with zipfile.ZipFile(tmp_path / "capture.zip") as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        assert names == {str(file.relative_to(folder / "capture")) for file in (folder / "capture").rglob("*.*")}
        picture = Image.open(io.BytesIO(archive.read("images/frame_00001.png")))
        assert np.array_equal(np.array(picture), scene.views[0].rgb)


def test_a_folder_in_use_is_left_alone(scene, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"):
        export_scene(scene, tmp_path, "nerfstudio")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_scene_file_is_an_export_too(scene, tmp_path):
    export_scene(scene, tmp_path / "copy.ivid")
    assert np.array_equal(Scene.load(tmp_path / "copy.ivid").views[3].depth, scene.views[3].depth)
