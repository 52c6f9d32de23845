"""How the scene in a file was made, as the file itself says, so that it is not made again, nor taken for another."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ivid.scene.bounded_io import archive_errors, read_member, require_regular_file
from ivid.scene.files import read_json
from ivid.scene.fingerprint import FIRST_VIEW, MODEL
from ivid.scene.scene import Scene
from ivid.scene.scene_file import HEADER, MAX_HEADER_BYTES

INPUTS = (FIRST_VIEW, "cameras", "upsampled")  # settings that a scene has only if it was made with them
NAMES = {
    FIRST_VIEW: "another first view",
    "cameras": "other cameras",
    "upsampled": "views of another size",
    MODEL: "another model of the same name",
}

Record = Mapping[str, Any]


def record_of(scene: Scene) -> dict[str, Any]:
    """How a scene was made: model, class, seed, view set and settings."""
    return {
        "model": scene.model,
        "class_name": scene.class_name,
        "seed": scene.seed,
        "view_set": scene.view_set,
        "settings": dict(scene.settings),
    }


def read_record(path: Path) -> Record:
    """The record in a scene file of either format; empty where there is none.

    Raises:
        ValueError: the file is damaged, or is no scene.
        OSError: it cannot be read.
    """
    try:
        require_regular_file(path)
        with archive_errors("scene file"), zipfile.ZipFile(path) as archive:
            if HEADER not in archive.namelist():
                return {}
            record = read_json(read_member(archive, HEADER, MAX_HEADER_BYTES), "its record")
    except ValueError as error:
        raise ValueError(f"{path} is there, but cannot be read: {error}") from None
    return record if isinstance(record, Mapping) and isinstance(record.get("settings"), Mapping) else {}


def find_record(path: Path) -> Record | None:
    """What `read_record` reads; None where there is no file."""
    return read_record(path) if path.exists() else None


def difference(found: Record, wanted: Record) -> str:
    """In what the scene of one record differs from that of another, in a few words; "" when it is the same scene."""
    if not found:
        return "in a way that its file does not tell"
    before, now = ({**record, **record["settings"]} for record in (found, wanted))
    names = [name for name in (*wanted, *wanted["settings"]) if name != "settings"]
    for name in dict.fromkeys((*names, *INPUTS)):
        if name == MODEL and name not in before:
            return "with a model of which its file has no more than the name"
        if before.get(name) != now.get(name):
            return f"with {NAMES.get(name) or f'{name} {before.get(name)!r} in place of {now.get(name)!r}'}"
    return ""
