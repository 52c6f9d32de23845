"""A scene as one HTML file: the viewer and the views packed together, opened from disk, without any request."""

from __future__ import annotations

import base64
import html
import json
import posixpath
import re
import zlib
from pathlib import Path

from ivid.scene.files import written_aside
from ivid.scene.scene import Scene
from viewer.protocol import data_url, dumps, manifest, pack_view, scene_keyframes, scene_title
from viewer.server import planned_cameras

WEB = Path(__file__).with_name("web")
ENTRY = "standalone.js"
TITLE_PLACE, SCENE_PLACE = "@ivid-title@", "@ivid-scene@"
IMPORT = re.compile(r"""\b(from|import)\s*(["'])(\.{1,2}/[^"']+)\2""")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' blob:; \
style-src 'unsafe-inline'; img-src blob: data:">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
html, body {{ height: 100%; margin: 0; background: #101216; font: 15px system-ui, sans-serif; color: #ccd; }}
@media (prefers-color-scheme: light) {{ html, body {{ background: #eef0f3; color: #334; }} }}
main {{ height: 100%; --viewer-radius: 0px; }}
main p {{ padding: 20vh 10% 0; text-align: center; }}
h1 {{ position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); }}
</style>
</head>
<body>
<h1>{title}</h1>
<main id="viewer"><p>Opening the scene …</p></main>
<noscript>Looking at a scene needs JavaScript.</noscript>
<script type="application/json" id="scene">{scene}</script>
<script type="text/plain" id="modules">{modules}</script>
<script>
(async () => {{
  const host = document.getElementById("viewer");
  try {{
    const packed = Uint8Array.from(atob(document.getElementById("modules").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const {{ modules, style }} = await new Response(stream).json();
    const imports = {{}};
    for (const [name, source] of Object.entries(modules)) {{
      imports[name] = URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }}));
    }}
    const map = document.createElement("script");
    map.type = "importmap";
    map.textContent = JSON.stringify({{ imports }});
    document.head.append(map);
    const {{ showAlone }} = await import("ivid-viewer/{entry}");
    host.replaceChildren();
    window.ividViewer = showAlone(host, document.getElementById("scene").textContent, style);
  }} catch (error) {{
    host.firstElementChild.textContent = "This browser cannot show the scene: " + error.message;
  }}
}})();
</script>
</body>
</html>
"""


def write_html(scene: Scene, path: str | Path) -> Path:
    """Write a scene and the viewer as one self-contained page; returns its path.

    The page makes no network request (its content security policy forbids them) and works from `file://`. A scene of 27
    views at 128² stays below 2.5 MB.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    with written_aside(path) as aside:
        aside.write_text(scene_page(scene, path.stem), encoding="utf-8")
    return path


def scene_page(scene: Scene, title: str = "scene") -> str:
    """The self-contained page of a scene; `title` is for scenes that say neither class nor seed."""
    content = manifest(
        [(data_url(pack_view(view, scene.depth_range)), view.camera) for view in scene.views],
        size=scene.size,
        depth_range=scene.depth_range,
        planned=planned_cameras(scene),
        title=scene_title(scene) or title,
        keyframes=scene_keyframes(scene),
    )
    return _page(html.escape(content["title"]), dumps(content))


def page_template() -> str:
    """The self-contained page of a scene that is yet to come.

    `TITLE_PLACE` stands where its title goes, escaped for HTML, and `SCENE_PLACE` where its manifest goes, as
    `viewer.protocol.dumps` writes it.
    """
    return _page(TITLE_PLACE, SCENE_PLACE)


def _page(title: str, scene: str) -> str:
    return _PAGE.format(title=title, scene=scene, modules=_packed_viewer(), entry=ENTRY)


def scene_frame(scene: Scene, height_px: int = 480) -> str:
    """The page of a scene as an HTML `<iframe>` that holds all of it, for notebooks."""
    page = html.escape(scene_page(scene))
    title = html.escape(scene_title(scene) or "3D scene")
    return (
        f'<iframe title="{title}" srcdoc="{page}" allow="fullscreen; xr-spatial-tracking" '
        f'style="width: 100%; height: {height_px}px; border: 0"></iframe>'
    )


def _packed_viewer() -> str:
    """The viewer's modules and style, deflated, as base64 of JSON."""
    packed = {"modules": bundled_modules(ENTRY), "style": (WEB / "style.css").read_text(encoding="utf-8")}
    return base64.b64encode(zlib.compress(json.dumps(packed).encode(), 9)).decode("ascii")


def bundled_modules(entry: str) -> dict[str, str]:
    """An entry module and all it imports, by bare names; relative imports are rewritten to these names.

    Relative specifiers mean nothing inside blob URLs, bare ones go through the page's import map.
    """
    modules: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if _bare(name) in modules:
            continue
        source = (WEB / name).read_text(encoding="utf-8")
        folder = posixpath.dirname(name)
        targets = {spec: posixpath.normpath(posixpath.join(folder, spec)) for _, _, spec in IMPORT.findall(source)}
        for spec, target in targets.items():
            for quote in ('"', "'"):
                source = source.replace(f"{quote}{spec}{quote}", f'"{_bare(target)}"')
        modules[_bare(name)] = source
        waiting += targets.values()
    return modules


def _bare(name: str) -> str:
    return f"ivid-viewer/{name}"
