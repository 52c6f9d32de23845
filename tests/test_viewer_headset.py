"""The viewer in a headset, an emulated one that gives every eye half of a framebuffer of its own."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from ivid.fusion import FusionRenderer
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import FRAME, open_viewer, settle, until

EYE_SIDE = 128  # the window is as large as both eyes
EYE_DISTANCE = 0.063
EMULATOR = Path(__file__).parents[1] / "node_modules" / "iwer" / "build" / "iwer.min.js"
HEADSET = """
const modes = %s;
window.headset = new IWER.XRDevice(
  { ...IWER.metaQuest3, supportedSessionModes: modes },
  { stereoEnabled: true, fovy: Math.PI / 4, visibilityMask: null },
);
headset.installRuntime({ forceInstall: true });
Object.defineProperty(XRWebGLLayer.prototype, "framebuffer", {
  get() {
    if (!this.own) {
      const gl = this.context;
      const picture = gl.createRenderbuffer();
      gl.bindRenderbuffer(gl.RENDERBUFFER, picture);
      gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA8, innerWidth, innerHeight);
      this.own = window.eyes = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, this.own);
      gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, picture);
    }
    return this.own;
  },
});
"""
EYES = """() => {
  const { gl } = viewer.renderer;
  gl.bindFramebuffer(gl.FRAMEBUFFER, eyes);
  const pixels = new Uint8Array(innerWidth * innerHeight * 4);
  gl.readPixels(0, 0, innerWidth, innerHeight, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  let text = "";
  for (const value of pixels) text += String.fromCharCode(value);
  return btoa(text);
}"""


@contextmanager
def with_headset(browser: Browser, folder: Path, modes: tuple[str, ...] = ("inline", "immersive-vr")) -> Iterator[Page]:
    whole = synthetic_scene(64)
    scene = Scene(whole.views[:5], whole.depth_range, class_name="still life", seed=0)
    script = EMULATOR.read_text(encoding="utf-8") + HEADSET % list(modes)
    with open_viewer(browser, folder, scene, 2 * EYE_SIDE, EYE_SIDE, script=script) as page:
        yield page


def enter(page: Page) -> None:
    page.get_by_role("button", name="View in VR").click()
    until(page, "() => viewer.renderer.lent && window.eyes")


def leave(page: Page) -> None:
    page.evaluate("() => viewer.toolbar.headset.click()")  # the emulator's picture lies over it
    until(page, "() => !viewer.renderer.lent")


def eyes(page: Page) -> list[np.ndarray]:
    """What the left and the right eye see, [S, S, 3] in [0, 1] each."""
    page.evaluate(FRAME)
    pixels = np.frombuffer(base64.b64decode(page.evaluate(EYES)), np.uint8)
    both = pixels.reshape(EYE_SIDE, 2 * EYE_SIDE, 4)[::-1, :, :3] / 255
    return [both[:, :EYE_SIDE], both[:, EYE_SIDE:]]


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """In decibels."""
    return -10 * math.log10(np.mean((one - other) ** 2))


def notices(page: Page) -> str:
    return page.locator(".notices").inner_text()


@pytest.mark.parametrize(
    ("modes", "offered"), [(("inline", "immersive-vr"), True), (("inline", "immersive-ar"), False)]
)
def test_who_has_a_headset_is_offered_vr(browser, tmp_path, modes, offered):
    with with_headset(browser, tmp_path, modes) as page:
        button = page.get_by_role("button", name="View in VR")
        assert button.is_visible() == offered
        page.evaluate(
            """(offered) => {
                navigator.xr.isSessionSupported = async () => !offered;
                navigator.xr.dispatchEvent(new Event("devicechange"));
            }""",
            offered,
        )
        button.wait_for(state="hidden" if offered else "visible")


def test_without_a_headset_there_is_no_such_button(browser, tmp_path):
    with open_viewer(browser, tmp_path, synthetic_scene(16), EYE_SIDE, EYE_SIDE) as page:
        assert page.evaluate("async () => navigator.xr && !(await navigator.xr.isSessionSupported('immersive-vr'))")
        assert not page.get_by_role("button", name="View in VR").is_visible()


def test_each_eye_sees_the_methods_picture_from_its_place(browser, tmp_path):
    views = synthetic_scene(64).views[:5]
    with with_headset(browser, tmp_path) as page:
        page.evaluate("() => viewer.set({ enhanced: false })")
        enter(page)
        for x, y, z in [(0.0, 0.0, 0.0), (0.1, 0.05, -0.2)]:
            page.evaluate("([x, y, z]) => headset.position.set(x, 1.6 + y, z)", [x, y, z])
            seen, truths = eyes(page), []
            for side in (-1, 1):
                world_to_view = np.eye(4)
                world_to_view[:3, 3] = -x - side * EYE_DISTANCE / 2, -y, -1 - z
                truths.append(FusionRenderer().render(views, Camera(world_to_view), EYE_SIDE, 1).rgb)
            for k in (0, 1):
                print(f"head at {x}, {y}, {z}, eye {k}: {likeness(seen[k], truths[k]):.1f} dB")
                assert likeness(seen[k], truths[k]) > 30
                assert likeness(seen[k], truths[1 - k]) < 22, "the eyes differ"
        assert page.evaluate("() => viewer.renderer.gl.getError()") == 0


def test_whoever_leaves_has_the_ordinary_view_again(browser, tmp_path):
    with with_headset(browser, tmp_path) as page:
        page.evaluate("() => { viewer.host.style.height = '100px'; }")  # lower than an eye's picture
        until(page, "() => viewer.renderer.canvas.height === 100")
        settle(page)
        picture = """async () => {
            const blob = await viewer.takePicture(1);
            return [...new Uint8Array(await blob.arrayBuffer())];
        }"""
        before = page.evaluate(picture)
        page.evaluate("() => { viewer.controls.jump({ ...viewer.controls.pose(), yaw: 0.1 }); viewer.wake(); }")
        until(page, "() => viewer.renderer.refining")  # the still picture is on its way
        enter(page)
        left, right = eyes(page)
        assert min(left.std(), right.std()) > 0.1
        drawn = page.evaluate(
            "() => { viewer.controls.jump(viewer.controls.home); viewer.wake(); return viewer.renderer.frames; }"
        )
        assert np.array_equal(eyes(page), [left, right])
        assert page.evaluate("() => viewer.renderer.frames") == drawn, "the page is not drawn meanwhile"
        leave(page)
        settle(page)
        assert page.evaluate(picture) == before
        assert page.evaluate("() => [viewer.renderer.canvas.height, viewer.renderer.gl.getError()]") == [100, 0]
        assert page.get_by_role("button", name="View in VR").is_visible()
        enter(page)  # and it works again
        assert min(eye.std() for eye in eyes(page)) > 0.1


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            "navigator.xr.requestSession = async () => { throw new DOMException('no gesture', 'NotAllowedError'); }",
            "The headset did not start: the browser did not allow it",
        ),
        (
            "viewer.renderer.gl.makeXRCompatible = async () => { throw new Error('the card is elsewhere'); }",
            "The headset did not start: the card is elsewhere",
        ),
    ],
)
def test_a_headset_that_does_not_start_says_why(browser, tmp_path, fault, sentence):
    with with_headset(browser, tmp_path) as page:
        page.evaluate(f"() => {{ {fault} }}")
        page.get_by_role("button", name="View in VR").click()
        page.get_by_text("The headset").wait_for()
        assert notices(page) == sentence
        assert page.evaluate("() => [viewer.renderer.lent, headset.activeSession ?? null]") == [False, None]
        settle(page)
