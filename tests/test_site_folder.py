"""`ivid site`: what stands in the folder, and what is refused before anything is written."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from ivid.cli import main
from ivid.page.theme import theme
from ivid.site import contents, folder, runtime
from ivid.site.folder import write_site
from ivid.site.runtime import FILES, VERSION, find_runtime

ROOT = Path(__file__).resolve().parent.parent
IMPORT = re.compile(r"""^\s*(?:import|export)\b[^"';]*["'](\.[^"']+)["']""", re.MULTILINE)


@pytest.fixture(scope="module")
def model(tiny_with_graphs) -> Path:
    return tiny_with_graphs


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The npm package, as far as writing a site looks at it."""
    package = tmp_path_factory.mktemp("npm") / "package"
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": "onnxruntime-web", "version": VERSION}))
    for name in FILES:
        (package / "dist" / name).write_text(name)
    return package


@pytest.fixture(scope="module")
def site(model, package, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out") / "site"
    assert main(["site", str(model), "--out", str(out), "--onnxruntime-web", str(package)]) == 0
    return out


def snapshot(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_every_file_that_is_named_is_there(site):
    modules = [path for path in site.rglob("*.js") if "vendor" not in path.parts]
    assert site / "ivid/site/web/main.js" in modules
    for module in modules:
        for name in IMPORT.findall(module.read_text("utf-8")):
            assert (module.parent / name).is_file(), f"{module.relative_to(site)} imports {name}"
    for name in re.findall(r'(?:href|src)="([^"]+)"', (site / "index.html").read_text("utf-8")):
        assert name.startswith("./"), "the page must work under any path"
        assert (site / name).is_file()
    early = re.findall(r'rel="modulepreload" href="\./([^"]+)"', (site / "index.html").read_text("utf-8"))
    assert {"ivid/site/web/main.js", "ivid/site/web/generator.js", "viewer/web/viewer.js"} < set(early)
    assert len(early) == len(set(early)) > 50
    told = json.loads(re.match(r"self\.IVID_SITE = (.*);\n", (site / "service_worker.js").read_text("utf-8"))[1])
    assert {"index.html", "ivid/site/web/main.js", "viewer/web/viewer.js", "model/model.json"} <= set(told["files"])
    assert all((site / name).is_file() for name in told["files"])
    assert {path.name for path in (site / "vendor/onnxruntime-web").iterdir()} == {*FILES, "LICENSE"}


def test_what_the_page_is_told_of_the_model(site):
    told = json.loads((site / "model/model.json").read_text("utf-8"))
    assert told["size"] == 32
    assert [len(told["view_sets"][name]["cameras"]) for name in contents.VIEW_SETS] == [27, 25, 1]
    first = told["view_sets"]["3x9"]["cameras"][0]
    assert (first["row"], first["column"], first["yaw"]) == (1, 4, 0)


def test_the_readme_makes_a_static_space(site):
    _, front, text = (site / "README.md").read_text("utf-8").split("---\n", 2)
    settings = yaml.safe_load(front)
    assert settings["sdk"] == "static"
    assert (site / settings["app_file"]).is_file()
    headers = settings["custom_headers"]
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    sent = (site / "_headers").read_text("utf-8").lower()
    assert all(f"{name}: {value}" in sent for name, value in headers.items())
    assert "# ivid tiny" in text


def test_a_site_is_replaced_whole(site, model, package, tmp_path):
    out = tmp_path / "site"
    shutil.copytree(site, out)
    (out / "ivid/site/web/old.js").write_text("of an older version")
    write_site(model, out, package)
    assert snapshot(out) == snapshot(site)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_site_stays_where_another_cannot_be_written(site, model, package, tmp_path, monkeypatch):
    out = tmp_path / "site"
    shutil.copytree(site, out)
    before = snapshot(out)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "copy_runtime", full)
    with pytest.raises(OSError, match="No space left"):
        write_site(model, out, package)
    assert snapshot(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_that_is_no_site_is_refused(site, model, package, tmp_path, capsys):
    arguments = ["site", str(model), "--onnxruntime-web", str(package), "--out"]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    assert main([*arguments, str(mine)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    ours = tmp_path / "ours"
    shutil.copytree(site, ours)
    (ours / ".git").mkdir()
    assert main([*arguments, str(ours)]) == 2
    assert f"{ours} has .git in it, which is not of the site" in capsys.readouterr().err
    assert (mine / "letter.txt").is_file()
    assert (ours / ".git").is_dir()


def test_a_model_that_does_not_fit_is_refused(model, package, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(folder, "MOST_WEIGHT_BYTES", 10**5)
    out = tmp_path / "site"
    assert main(["site", str(model), "--out", str(out), "--onnxruntime-web", str(package)]) == 2
    assert re.search(r"tiny does not fit into a browser: .* 0\.0 GB .* at most 0\.0001 GB", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_another_package_is_refused(model, tmp_path, capsys):
    (tmp_path / "dist").mkdir()
    arguments = ["site", str(model), "--out", str(tmp_path / "site"), "--onnxruntime-web", str(tmp_path)]
    assert main(arguments) == 2
    assert "is not the npm package onnxruntime-web" in capsys.readouterr().err
    (tmp_path / "package.json").write_text('{"version": "1.0.0"}')
    assert main(arguments) == 2
    assert f"has version 1.0.0 of onnxruntime-web; the site is made for {VERSION}" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """A machine without the package, where programs are looked for in one folder, which is returned."""
    monkeypatch.setattr(runtime, "CHECKOUT", tmp_path / "node_modules")
    monkeypatch.setenv("IVID_CACHE", str(tmp_path / "cache"))
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def test_without_npm_one_sentence_says_what_to_do(elsewhere):
    with pytest.raises(ValueError, match=r"neither is npm to fetch it; install npm, or .* --onnxruntime-web"):
        find_runtime()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('echo "npm error code ENOTFOUND" >&2; exit 1', r"could not be fetched \(npm error code ENOTFOUND\)"),
        ('echo changed > "$5/onnxruntime-web.tgz"', "arrived with another content than it is known to have"),
    ],
)
def test_what_npm_cannot_fetch_or_is_not_the_package_is_refused(elsewhere, script, message):
    npm = elsewhere / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    with pytest.raises(ValueError, match=message):
        find_runtime()
    assert not [path for path in (elsewhere.parent / "cache").iterdir() if not path.name.startswith(".")]


def test_the_package_is_the_one_of_the_lock_file():
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]["node_modules/onnxruntime-web"]
    assert (lock["version"], lock["integrity"]) == (VERSION, f"sha512-{runtime.SHA512}")


def test_the_site_has_the_colours_of_the_page():
    light, dark = theme()._get_theme_css().split(".dark", 1)
    own_light, own_dark = (ROOT / "ivid/site/web/theme.css").read_text("utf-8").split("body.dark", 1)

    def value(name: str, *sheets: str) -> str:
        """Of a variable, in the first sheet that has it, references followed."""
        found = next(match[1] for sheet in sheets if (match := re.search(rf"--{name}:\s*([^;]+);", sheet)))
        reference = re.fullmatch(r"(?:var\(--|\*)([\w-]+)\)?", found)
        return value(reference[1], *sheets) if reference else found.replace('"', "").replace("'", "").lower()

    names = re.findall(r"--([\w-]+):", own_light)
    assert len(names) > 10
    for name in names:
        assert value(name, own_light) == value(name, light), name
        assert value(name, own_dark, own_light) == value(name, dark, light), name


def test_hidden_files_and_caches_stay_out(site):
    hidden = [path for path in snapshot(site) if os.path.basename(path).startswith(".")]
    assert hidden == [".nojekyll"]
