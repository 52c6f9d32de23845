"""What stands in a site besides the networks: the page, the viewer, and what servers and the page are told."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from ivid.export.stills import grid_layout, orbit_angles
from ivid.pipeline.config import ModelConfig
from viewer.html import page_template
from viewer.protocol import camera_entry

PACKAGES = Path(str(files("ivid"))).parent
WEB = ("viewer/web", "ivid/page/web", "ivid/site/web")
"""Folders of the browser's code; they stand beside each other in a site as they do here, so imports need no change."""
VIEW_SETS = ("3x9", "360", "uncond")
"""Those whose cameras do not depend on the seed; the page's choices."""
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Headers with which browsers let WebAssembly have threads."""
SCENE_TEMPLATE = "scene_template.html"
_MAIN = "ivid/site/web/main.js"
_IMPORT = re.compile(r"""^(?:import|export)\b[^"';]*["'](\.[^"']+)["']""", re.MULTILINE)

_README = """---
title: {title}
emoji: 🏠
colorFrom: blue
colorTo: green
sdk: static
app_file: index.html
pinned: false
custom_headers:
{headers}
---

# {title}

A page that makes 3D scenes in the browser. It needs no program behind it, and nothing that is made on it is sent
anywhere. This folder is all of it ({megabytes:.0f} MB), written by `ivid site`; any web server can serve it, under any
path:

```sh
python -m http.server --directory . 8000   # then open http://127.0.0.1:8000
```

- **A static Space of Hugging Face**: make one, then `hf upload NAME/SPACE . --repo-type space`. The lines at the top of
  this file are its settings.
- **GitHub Pages**: push the folder, and choose it under Settings → Pages.
- **Netlify, Cloudflare Pages**: upload the folder. They read `_headers`.
- **Another server**: it should send the headers of `_headers`, with which browsers evaluate the networks in several
  threads. Where it does not, the page's service worker adds them. Pages must be served by https, or from this machine.
"""


def copy_web(out: Path) -> None:
    """Copy the browser's code."""
    ignored = shutil.ignore_patterns("*.d.ts", "onnxruntime-web", ".*", "__pycache__")
    for folder in WEB:
        shutil.copytree(PACKAGES / folder, out / folder, ignore=ignored)
    for name in ("index.html", "icon.svg"):
        shutil.move(out / "ivid/site/web" / name, out / name)
    (out / SCENE_TEMPLATE).write_text(page_template(), encoding="utf-8")
    _preload_modules(out)


def _preload_modules(out: Path) -> None:
    """Name all modules of the page in its head, so that browsers fetch them at once, not one import after the other."""
    found, new = [_MAIN], [_MAIN]
    while new:
        folder, text = os.path.dirname(new[-1]), (out / new.pop()).read_text("utf-8")
        for name in _IMPORT.findall(text):
            path = os.path.normpath(f"{folder}/{name}").replace(os.sep, "/")
            if path not in found:
                found.append(path)
                new.append(path)
    links = "".join(f'    <link rel="modulepreload" href="./{path}" />\n' for path in found)
    page = out / "index.html"
    page.write_text(page.read_text("utf-8").replace("  </head>\n", f"{links}  </head>\n"), encoding="utf-8")


def view_sets(config: ModelConfig) -> dict[str, Any]:
    """The view sets as the page knows them: cameras in the model's order, and where each stands in the grid.

    Values are {"rows", "columns", "cameras": [{"world_to_view", "fov_y_deg", "yaw", "pitch", "row", "column"}]}, angles
    in radians.
    """
    return {name: _view_set(config, name) for name in VIEW_SETS}


def _view_set(config: ModelConfig, name: str) -> dict[str, Any]:
    cameras = config.cameras(name, seed=0)
    rows, columns, places = grid_layout(cameras, name)
    entries = []
    for camera, (row, column) in zip(cameras, places, strict=True):
        yaw, pitch = orbit_angles(camera)
        entries.append({**camera_entry(camera), "yaw": yaw, "pitch": pitch, "row": row, "column": column})
    return {"rows": rows, "columns": columns, "cameras": entries}


def write_worker(out: Path) -> None:
    """Put the service worker in its place; it is told the page's files and a version that changes with them."""
    source = out / "ivid/site/web/service_worker.js"
    shell = [path for path in _files(out) if not path.startswith(("model/", "vendor/", "ivid/site/web/service_worker"))]
    shell.append("model/model.json")
    told = json.dumps({"version": _digest(out, [*shell, "ivid/site/web/service_worker.js"]), "files": shell})
    (out / "service_worker.js").write_text(f"self.IVID_SITE = {told};\n{source.read_text('utf-8')}", encoding="utf-8")
    source.unlink()


def write_notes(out: Path, name: str) -> None:
    """Write what servers are told: the README of a static Space, and the headers of those that read `_headers`."""
    megabytes = sum((out / path).stat().st_size for path in _files(out)) / 1e6
    headers = "\n".join(f"  {name.lower()}: {value}" for name, value in ISOLATION.items())
    readme = _README.format(title=f"ivid {name}".strip(), headers=headers, megabytes=megabytes)
    (out / "README.md").write_text(readme, encoding="utf-8")
    lines = "".join(f"  {name}: {value}\n" for name, value in ISOLATION.items())
    (out / "_headers").write_text(f"/*\n{lines}", encoding="utf-8")
    (out / ".nojekyll").write_text("", encoding="utf-8")  # GitHub Pages would leave out _headers and vendor


def _files(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def _digest(out: Path, names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0" + hashlib.sha256((out / name).read_bytes()).digest())
    return digest.hexdigest()[:16]
