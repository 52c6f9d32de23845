"""Scenes made, and rendered, by the workers of a Ray cluster, one of which is killed on the way."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from ivid.cli import main
from ivid.pipeline.cluster import Cluster, _Worker, connected, share_out
from tests.support.processes import free_port, running
from tests.support.serving import running as serving
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import save_tiny_model
from tests.support.worker_tasks import cannot_be_made, ends_its_worker

ROOT = Path(__file__).resolve().parent.parent
Found = TypeVar("Found")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def cluster():
    """The address of a Ray cluster of two machines with a processor each, both of which are this one."""
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'ivid[ray]')")
    import ray.cluster_utils

    machine = {"num_cpus": 1, "object_store_memory": 80 << 20}
    head = {**machine, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # 15 by default, with which nothing is done beside other tests
        started = ray.cluster_utils.Cluster(initialize_head=True, head_node_args=head)
        started.add_node(**machine)
        yield started.address
        started.shutdown()


def files(folder: Path) -> dict[str, bytes]:
    """Those that are finished."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("[!.]*") if path.is_file()}


def at_work() -> list[psutil.Process]:
    """Workers of the cluster that are making something."""
    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            if "ray::_Worker.make" in " ".join(each.cmdline()):
                found.append(each)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for(what: Callable[[], Found], timeout_s: float = 200) -> Found:
    end = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.3)
    return found


@pytest.mark.slow
class TestWithRay:
    def test_makes_what_one_process_does_though_a_worker_is_killed(self, model, cluster, tmp_path, capsys):
        common = ["generate", "--model", str(model), "--device", "cpu", "--views", "random", "--batch", "2"]
        out = tmp_path / "cluster"
        to_cluster = ["--out", f"file://{out}", "--ray", cluster]  # a folder by its address, as on s3:// and the like
        command = [sys.executable, "-m", "ivid", *common, *to_cluster, "--seeds", "0-9999"]
        with running(command, cwd=ROOT) as started:
            wait_for(lambda: len(at_work()) == 2)
            started.until(r"seed000(0[4-9]|[1-9])", 200)
            killed = at_work()[0]
            killed.kill()
            wait_for(lambda: len(at_work()) == 2 and killed not in at_work())
            started.until(r"seed000[2-9]", 200)
            assert re.search(r"/\d+ \[\d\d:\d\d<\d", started.output)  # how much time is left
            started.process.send_signal(signal.SIGINT)
            assert started.process.wait(30) == 130
        assert "stopped; what was finished is kept" in started.output
        wait_for(lambda: not at_work())

        assert main([*common, "--out", str(tmp_path / "one"), "--seeds", "0-9"]) == 0
        one, made = files(tmp_path / "one"), files(out)
        assert len(one) == 20
        assert {name: made[name] for name in one} == one
        capsys.readouterr()
        assert main([*common, *to_cluster, "--seeds", "0-9"]) == 0
        assert "10 of 10 scenes are there already" in capsys.readouterr().err

    def test_renders_what_one_process_does(self, cluster, tmp_path, capsys):
        folder = tmp_path / "scenes"
        synthetic_scene(32).save(folder / "chair.ivid")
        (folder / "broken.ivid").write_bytes(b"broken")
        arguments = ["render", str(folder), "--trajectory", "random", "--size", "32", "--device", "cpu"]
        on_cluster = ["--out", str(tmp_path / "two"), "--ray", cluster, "--processes", "1"]
        assert main([*arguments, *on_cluster]) == 1
        said = capsys.readouterr().err
        assert "broken.png not written: broken.ivid cannot be opened" in said
        assert "2 of 4 files could not be rendered" in said
        assert main([*arguments, "--out", str(tmp_path / "one")]) == 1
        one = files(tmp_path / "one")
        assert sorted(one) == ["depths/chair.png", "results/chair.png"]
        assert files(tmp_path / "two") == one

    def test_what_goes_wrong_on_a_worker_is_told(self, cluster, monkeypatch):
        monkeypatch.setattr("ivid.pipeline.cluster.DEATHS_IN_A_ROW", 1)
        one = Cluster(cluster, workers=1)
        with connected(one) as ray:
            with pytest.raises(ValueError, match=r"^7 cannot be made$"):
                list(share_out(ray, cannot_be_made, [7], one))
            with pytest.raises(RuntimeError, match="die again and again"):
                list(share_out(ray, ends_its_worker, [1], one))


class TestBadInput:
    def said(self, capsys, tmp_path: Path, model: Path, *more: str) -> str:
        assert main(["generate", "--model", str(model), "--out", str(tmp_path / "out"), *more]) == 2
        assert not (tmp_path / "out").exists()
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    def test_without_ray(self, model, tmp_path, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        said = self.said(capsys, tmp_path, model, "--ray", "auto")
        assert "needs the package ray, which is not installed; try: pip install 'ivid[ray]'" in said

    def test_an_address_where_nobody_answers(self, model, tmp_path, capsys):
        pytest.importorskip("ray", reason="Ray is not installed (pip install 'ivid[ray]')")
        address = f"127.0.0.1:{free_port()}"
        assert f"no Ray cluster answers at {address}" in self.said(capsys, tmp_path, model, "--ray", address)

    def test_a_server_of_another_kind(self, model, tmp_path, capsys, monkeypatch):
        pytest.importorskip("ray", reason="Ray is not installed (pip install 'ivid[ray]')")
        monkeypatch.setattr(BaseHTTPRequestHandler, "log_message", lambda *_: None)
        server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        with serving(server):
            said = self.said(capsys, tmp_path, model, "--ray", f"127.0.0.1:{server.server_port}")
        assert "is no Ray cluster" in said

    @pytest.mark.parametrize("address", ["somewhere", ""])
    def test_what_is_no_address(self, model, tmp_path, capsys, address):
        assert f"{address!r} is no address of a Ray cluster" in self.said(capsys, tmp_path, model, "--ray", address)

    def test_what_is_no_address_is_told_also_where_nothing_is_left_to_do(self, tmp_path, capsys):
        synthetic_scene(32, "uncond").save(tmp_path / "scenes" / "chair.ivid")
        arguments = ["render", str(tmp_path / "scenes"), "--trajectory", "random", "--size", "16"]
        assert main(arguments) == 0
        assert main([*arguments, "--ray", "somewhere"]) == 2
        assert "'somewhere' is no address of a Ray cluster" in capsys.readouterr().err

    def test_no_cluster_on_this_machine(self, model, tmp_path, capsys, monkeypatch):
        ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'ivid[ray]')")

        def init(*_, **__):
            raise ConnectionError("Could not find any running Ray instance. Please specify the one to connect to")

        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setattr(ray, "init", init)
        assert "no Ray cluster is found; start one by `ray start --head`" in self.said(
            capsys, tmp_path, model, "--ray", "auto"
        )

    def test_options_that_do_not_go_with_it(self, model, tmp_path, capsys, monkeypatch):
        said = self.said(capsys, tmp_path, model, "--ray", "auto", "--device", "cuda:1")
        assert "choose cuda or cpu, not cuda:1" in said
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert "--ray shares the work by itself" in self.said(capsys, tmp_path, model, "--ray", "auto")

    def test_one_scene_is_not_shared(self, tmp_path, capsys):
        synthetic_scene(32, "uncond").save(tmp_path / "chair.ivid")
        assert main(["render", str(tmp_path / "chair.ivid"), "--out", "chair.mp4", "--ray", "auto"]) == 2
        assert "--ray has no effect on a single scene" in capsys.readouterr().err

    def test_a_folder_that_a_machine_does_not_see(self, tmp_path):
        with pytest.raises(ValueError, match=f"of the Ray cluster sees no folder {tmp_path / 'elsewhere'}"):
            _Worker(cannot_be_made).check([tmp_path, tmp_path / "elsewhere"])
