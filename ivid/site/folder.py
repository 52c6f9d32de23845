"""Writing a site: a folder that any web server can serve, whose page makes scenes with a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ivid.pipeline.config import ModelIndex
from ivid.scene.files import check_new_folder, check_writable, folder_written_aside, read_json
from ivid.site.contents import copy_web, view_sets, write_notes, write_worker
from ivid.site.networks import check_samplers, site_networks, weight_bytes
from ivid.site.runtime import copy_runtime, find_runtime

MARKER, FORMAT, FORMAT_VERSION = "site.json", "ivid-site", 1
MOST_WEIGHT_BYTES = 2 * 10**9
"""Of weights in single precision, as they are evaluated: WebAssembly addresses 4 GiB, and needs some for its work."""


@dataclass(frozen=True)
class Site:
    """A site that was written.

    Attributes:
        folder: where it stands.
        model_bytes: of the networks, which every visitor fetches once.
        bytes: of the whole folder.
    """

    folder: Path
    model_bytes: int
    bytes: int


def write_site(model: str | Path, out: str | Path, runtime: str | Path | None = None) -> Site:
    """Write a model as a site; one that stands at `out` is replaced, whole or not at all.

    Args:
        model: a model folder.
        out: a folder that is new, empty, or a site.
        runtime: folder of the npm package onnxruntime-web; see `ivid.site.runtime.find_runtime`.

    Raises:
        ValueError: the model is too large for a browser, `out` is another folder, or the package cannot be had; nothing
            is written then.
        OSError: it cannot be written.
    """
    model, out = Path(model), Path(out)
    index = ModelIndex.read(model)
    check_samplers(index)
    check_fits(model)
    check_site_folder(out)
    package = find_runtime(runtime)

    with folder_written_aside(out, replace=True) as aside:
        described = site_networks(model, aside)
        described = {**described, "view_sets": view_sets(index.config)}
        (aside / "model").mkdir(exist_ok=True)
        (aside / "model" / "model.json").write_text(json.dumps(described), encoding="utf-8")
        copy_web(aside)
        copy_runtime(package, aside / "vendor" / "onnxruntime-web")
        write_worker(aside)
        write_notes(aside, index.config.name)
        entries = sorted([path.name for path in aside.iterdir()] + [MARKER])
        marker = {"format": FORMAT, "version": FORMAT_VERSION, "model": index.config.name, "entries": entries}
        (aside / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")
        model_bytes, all_bytes = _size(aside / "model"), _size(aside)
    return Site(out, model_bytes, all_bytes)


def check_fits(model: Path) -> None:
    """Refuse a model whose networks are larger than a browser can hold.

    Raises:
        ValueError: says how large they are and may be.
    """
    total, name = 2 * weight_bytes(model), ModelIndex.read(model).config.name or model.name
    if total > MOST_WEIGHT_BYTES:
        raise ValueError(
            f"the model {name} does not fit into a browser: its networks have "
            f"{total / 1e9:.1f} GB of weights in single precision, and at most {MOST_WEIGHT_BYTES / 1e9:g} GB leave "
            "room to work in the 4 GiB that WebAssembly has"
        )


def check_site_folder(out: Path) -> None:
    """Refuse a folder that is neither new nor empty nor a site, or has something in it that is not of the site.

    Raises:
        ValueError: says which.
        OSError: it cannot be written.
    """
    if (out / MARKER).is_file():
        marker = read_json(out / MARKER)
        if isinstance(marker, dict) and marker.get("format") == FORMAT and isinstance(marker.get("entries"), list):
            foreign = sorted(path.name for path in out.iterdir() if path.name not in marker["entries"])
            if foreign:
                raise ValueError(
                    f"{out} has {foreign[0]} in it, which is not of the site and would be lost; move it away"
                )
            check_writable(out.absolute().parent, folder=True)
            return
    check_new_folder(out)
    check_writable(out, folder=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
