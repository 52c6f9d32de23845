"""Where the browser's ONNX Runtime comes from: the npm package onnxruntime-web."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from importlib.resources import files
from pathlib import Path

from ivid.pipeline.locations import cache_folder
from ivid.scene.files import folder_written_aside, read_json

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the package's archive, in base64, as npm's lock files have it."""
FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""What a page needs of the package's `dist`: a loader, its glue and its WebAssembly, without WebGPU and with it."""
CHECKOUT = Path(str(files("ivid"))).parent / "node_modules" / PACKAGE
LICENCE = Path(__file__).parent / "web" / "vendor" / PACKAGE / "LICENSE"
"""The package names its licence, but holds no copy of it."""

_FETCH_SECONDS = 600


def find_runtime(folder: str | Path | None = None) -> Path:
    """The folder of the package onnxruntime-web.

    It is looked for in `folder`, or else in the checkout's `node_modules`, in the cache, and at last fetched once by
    `npm pack`.

    Args:
        folder: of the package, or its `dist`.

    Raises:
        ValueError: it is not there, is of another version, or cannot be had; one sentence says what to do.
    """
    if folder is not None:
        folder = Path(folder)
        for candidate in (folder, folder.parent):
            if (candidate / "package.json").is_file() and (candidate / "dist").is_dir():
                return _checked(candidate)
        raise ValueError(f"{folder} is not the npm package {PACKAGE}: it has no package.json and dist")
    cached = cache_folder() / f"{PACKAGE}-{VERSION}"
    for candidate in (CHECKOUT, cached):
        if _version(candidate) == VERSION:
            return _checked(candidate)
    _fetch(cached)
    return _checked(cached)


def copy_runtime(package: Path, out: Path) -> None:
    """Copy what a page needs of the package into a new folder, with its licence."""
    out.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(package / "dist" / name, out / name)
    shutil.copyfile(LICENCE, out / "LICENSE")


def _version(package: Path) -> str | None:
    manifest = package / "package.json"
    return read_json(manifest).get("version") if manifest.is_file() else None


def _checked(package: Path) -> Path:
    version = _version(package)
    if version != VERSION:
        raise ValueError(f"{package} has version {version} of {PACKAGE}; the site is made for {VERSION}")
    missing = [name for name in FILES if not (package / "dist" / name).is_file()]
    if missing:
        raise ValueError(f"{package} is only half there: it has no dist/{missing[0]}")
    return package


def _fetch(out: Path) -> None:
    """Fetch the package with npm into a new folder; its archive must have the known hash."""
    npm = shutil.which("npm")
    what = f"the npm package {PACKAGE} {VERSION}, which evaluates the networks in the browser,"
    remedy = "install npm, or unpack the package and name its folder by --onnxruntime-web"
    if npm is None:
        raise ValueError(f"{what} is not on this machine, and neither is npm to fetch it; {remedy}")
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--json", "--pack-destination", scratch]
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=_FETCH_SECONDS)
        except subprocess.TimeoutExpired:
            raise ValueError(
                f"{what} could not be fetched: npm took more than {_FETCH_SECONDS // 60} minutes"
            ) from None
        archives = sorted(Path(scratch).glob("*.tgz"))
        if done.returncode or not archives:
            raise ValueError(f"{what} could not be fetched ({_reason(done.stdout, done.stderr)}); {remedy}")
        content = archives[0].read_bytes()
        if base64.b64encode(hashlib.sha512(content).digest()).decode() != SHA512:
            raise ValueError(f"{what} arrived with another content than it is known to have; nothing of it is used")
        with folder_written_aside(out) as aside, tarfile.open(archives[0]) as archive:
            for name in ("package.json", *(f"dist/{name}" for name in FILES)):
                member = archive.extractfile(f"package/{name}")
                if member is None:
                    raise ValueError(f"{what} arrived without {name}")
                target = aside / name
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(member.read())


def _reason(stdout: str, stderr: str) -> str:
    """What npm says went wrong, in a few words."""
    try:
        return str(json.loads(stdout)["error"]["summary"]).strip().splitlines()[0]
    except (ValueError, KeyError, TypeError, IndexError):
        lines = [line for line in stderr.splitlines() if line.strip()]
        return lines[0].strip() if lines else "npm failed"
