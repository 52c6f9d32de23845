"""The container's steps, without a container."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.processes import free_port

ROOT = Path(__file__).resolve().parent.parent
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_hadolint_has_nothing_to_say():
    done = subprocess.run([str(HADOLINT), ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_runs_the_steps_of_the_script():
    text = (ROOT / "Dockerfile").read_text()
    steps = re.findall(r"docker/install\.sh (\w+)", text)
    assert steps == ["program", "system"]
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", text, flags=re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())
    python = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert python
    assert set(re.findall(r"^FROM python:([\d.]+)-slim", text, flags=re.MULTILINE)) == {python[1]}


@pytest.mark.slow
def test_the_steps_install_the_program(tmp_path):
    """In an environment that finds what is installed here, so that nothing is downloaded."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False, symlinks=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
    }
    script = ROOT / "docker" / "install.sh"
    done = subprocess.run([script, "program", environment, "cpu"], env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    command = [environment / "bin" / "ivid", "export", ROOT / "assets" / "house_seed00003.ivid", "--out", "house.html"]
    done = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "house.html").stat().st_size > 200_000
    refused = subprocess.run([script, "program", environment, "tpu"], env=settings, capture_output=True, text=True)
    assert (refused.returncode, refused.stderr) == (2, "there is no device tpu; choose cpu or cuda\n")
    assert subprocess.run([script], capture_output=True).returncode == 2


def test_the_health_check_asks_the_page(served):
    def asked(port: int) -> int:
        return subprocess.run(
            [sys.executable, ROOT / "docker" / "healthcheck.py"],
            env=os.environ | {"PORT": str(port)},
            capture_output=True,
        ).returncode

    assert asked(int(served.url.rstrip("/").rpartition(":")[2])) == 0
    assert asked(free_port()) == 1
