"""Scenes sent to an address in place of a folder."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from ivid.cli import main
from tests.support.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def arguments(model: Path, out: str | Path, count: int, *more: str) -> list[str]:
    return ["--model", str(model), "--num-samples", str(count), "--out", str(out), "--device", "cpu", *more]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


@pytest.mark.parametrize("layout", ["plain", "published"])
def test_an_address_gets_the_files_of_a_folder(model, tmp_path, memory, capsys, layout):
    common = "--views", "random", "--layout", layout
    assert main(["generate", *arguments(model, tmp_path / "here", 2, *common)]) == 0
    assert main(["generate", *arguments(model, "memory://there/scenes", 2, *common)]) == 0
    sent = {path.removeprefix("/there/scenes/"): memory.cat(path) for path in memory.find("/there/scenes")}
    assert sent == contents(tmp_path / "here")
    capsys.readouterr()
    assert main(["generate", *arguments(model, "memory://there/scenes", 3, *common)]) == 0
    assert "2 of 3 scenes are there already" in capsys.readouterr().err
    assert main(["generate", *arguments(model, "memory://there/scenes", 2, *common, "--guidance", "2")]) == (
        0 if layout == "published" else 2  # its folder has another name
    )


def test_an_address_of_no_protocol_is_refused(model, capsys):
    assert main(["generate", *arguments(model, "nowhere://scenes", 1)]) == 2
    assert "nowhere" in capsys.readouterr().err
