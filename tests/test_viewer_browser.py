"""The viewer in a real browser: hands, keys, growth, failures, the packed file."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import FRAME, PATIENCE_MS, open_viewer, settle, until
from viewer.html import write_html
from viewer.protocol import preview_entry

SIDE = 200


def small_scene(views: int = 5) -> Scene:
    """Complete as it is: while views are to come, the best picture waits for them."""
    whole = synthetic_scene(32)
    return Scene(whole.views[:views], whole.depth_range, class_name="still life", seed=0)


def picture(page) -> np.ndarray:
    """The page's picture without the tools around it and the mark of the focus, as floats."""
    with Image.open(io.BytesIO(page.screenshot())) as image:
        return np.array(image.convert("RGB"))[40:-70, 5:-5].astype(float)


def pose(page) -> dict:
    return page.evaluate("() => viewer.controls.pose()")


def come_to_rest(page) -> None:
    """Wait until the camera stands still; its best picture takes seconds more."""
    page.evaluate(FRAME)
    until(page, "() => viewer.resting")


def test_hands_and_keys_move_the_camera(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(), SIDE, SIDE) as page:
        settle(page)
        before, at_home = picture(page), pose(page)
        assert np.abs(before - before.mean(axis=(0, 1))).mean() > 10, "the picture is not empty"
        page.mouse.move(100, 80)
        page.mouse.down()
        page.mouse.move(85, 85, steps=4)
        page.mouse.up()
        settle(page)
        assert pose(page)["yaw"] > 0.05, "dragging to the left goes round to the right"
        assert np.abs(picture(page) - before).mean() > 2
        page.mouse.wheel(0, 200)
        come_to_rest(page)
        assert pose(page)["radius"] > 1.05
        page.keyboard.press("r")
        come_to_rest(page)
        assert pose(page) == pytest.approx(at_home)
        page.keyboard.down("ArrowRight")
        until(page, "() => viewer.camera.yaw > 0.01")
        page.keyboard.up("ArrowRight")
        come_to_rest(page)
        assert "#yaw=" in page.url


def test_the_camera_springs_back_from_the_edge(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(), SIDE, SIDE) as page:
        page.evaluate("() => { viewer.controls.wanted.yaw = 2; viewer.controls.held = true; }")
        assert pose(page)["yaw"] < page.evaluate("() => viewer.controls.bounds.yawMax") + 0.25
        page.evaluate("() => { viewer.controls.held = false; viewer.wake(); }")
        come_to_rest(page)
        assert pose(page)["yaw"] == pytest.approx(page.evaluate("() => viewer.controls.bounds.yawMax"), abs=1e-3)


def test_still_pictures_are_not_drawn_again(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(), SIDE, SIDE) as page:
        settle(page)
        frames = page.evaluate("() => viewer.renderer.frames")
        page.wait_for_timeout(500)
        assert page.evaluate("() => [viewer.renderer.frames, viewer.frameRequest]") == [frames, 0]


def test_a_link_brings_the_camera_back(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(), SIDE, SIDE, "#yaw=0.12&pitch=0.05") as page:
        assert pose(page)["yaw"] == pytest.approx(0.12)
        assert pose(page)["pitch"] == pytest.approx(0.05)


LATE = """
const { fetch } = window;
window.fetch = async (address, ...rest) => {
  if (/[1-9][.]ivw/.test(String(address))) {  // all but the first view come when the camera stands still beside that
    let viewer;
    while (!viewer?.resting || viewer.renderer.held.size !== 1) {
      await new Promise((done) => setTimeout(done, 20));
      viewer = document.getElementById("viewer")?.ividViewer;
    }
  }
  return fetch(address, ...rest);
};
"""


def test_the_camera_of_a_link_waits_for_the_views_around_it(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(), SIDE, SIDE, "#yaw=0.18", LATE) as page:
        come_to_rest(page)
        assert pose(page)["yaw"] == pytest.approx(0.18)


def test_every_way_of_looking_shows_something_else(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(), SIDE, SIDE) as page:
        # between the cameras, because at one the default look is the picture of that view
        page.evaluate("() => viewer.setCamera({ yaw: 0.25, pitch: 0.1 }, { fly: false })")
        pictures = []
        for key in "123456":
            page.keyboard.press(key)
            settle(page)
            pictures.append(picture(page))
        for k, one in enumerate(pictures):
            assert all(np.abs(one - other).mean() > 0.3 for other in pictures[:k]), f"look {k + 1}"


def test_a_lost_context_comes_back(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(), SIDE, SIDE) as page:
        settle(page)
        before = picture(page)
        page.evaluate(
            """async () => {
                const lost = viewer.renderer.gl.getExtension("WEBGL_lose_context");
                lost.loseContext();
                await new Promise((done) => setTimeout(done, 300));
                lost.restoreContext();
            }"""
        )
        until(page, "() => !viewer.renderer.lost")
        settle(page)
        assert np.abs(picture(page) - before).mean() < 1


def test_scenes_grow_and_a_view_that_fails_is_left_out(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(3), SIDE, SIDE) as page:
        page.evaluate(
            """() => {
                const first = viewer.manifest;
                const entry = { ...first.views[1], url: "/view/0/99.ivw" };
                const again = { ...first.views[2], url: "/view/0/2.ivw?again" };
                viewer.show({ ...first, views: [...first.views, entry, again] });
            }"""
        )
        until(page, "() => viewer.renderer.held.size === 4")
        page.get_by_text("View 4 did not load; trying again").wait_for()
        assert page.evaluate("() => viewer.renderer.held.has(3)") is False


def test_previews_that_come_quickly_are_shown_all_the_same(browser, tmp_path):
    scene = small_scene(2)
    entries = [
        preview_entry(np.full((32, 32, 3), shade, np.uint8), scene.views[0].depth, scene.views[0].camera, (0.6, 5.0))
        for shade in range(0, 250, 10)
    ]
    with open_viewer(browser, tmp_path, scene, SIDE, SIDE) as page:
        shown = page.evaluate(
            """async (entries) => {
                let shown = 0;
                const { content } = viewer;
                const { addPreview } = content;
                content.addPreview = (...preview) => { shown++; addPreview.apply(content, preview); };
                const planned = viewer.manifest.planned;
                for (const preview of entries) {
                  viewer.show({ ...viewer.manifest, title: "in the making", views: [], planned, preview });
                  await new Promise((done) => setTimeout(done));
                }
                while (content.loader.reading) await new Promise((done) => setTimeout(done, 10));
                return shown;
            }""",
            entries,
        )
        assert 2 <= shown <= len(entries)
        settle(page)
        assert picture(page)[20:-20, 50:-50].mean() > 200, "the last one is what remains"


def test_a_view_that_fails_once_comes_with_the_next_try(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(2), SIDE, SIDE) as page:
        tries = []

        def refuse_once(route) -> None:
            tries.append(route.request.url)
            route.fulfill(status=503) if len(tries) == 1 else route.continue_()

        page.route("**/view/0/1.ivw?late", refuse_once)
        page.evaluate(
            """() => {
                const { views } = viewer.manifest;
                viewer.show({ ...viewer.manifest, views: [...views, { ...views[1], url: "/view/0/1.ivw?late" }] });
            }"""
        )
        page.get_by_text("View 3 did not load; trying again").wait_for()
        until(page, "() => viewer.renderer.held.has(2)")
        assert len(tries) == 2


def test_a_scene_stays_beside_the_next_one(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(3), 640, 400) as page:
        button = page.get_by_role("button", name="Compare with another scene")
        assert button.count() == 0, "there is no other scene to open here"
        page.evaluate("() => { viewer.state.set({ comparable: true }); }")
        button.click()
        page.get_by_text("Open or make another scene").wait_for()
        page.evaluate(
            """() => {
                const other = viewer.manifest.views.slice(0, 2).map((view) => ({ ...view, url: view.url + "?other" }));
                viewer.show({ ...viewer.manifest, title: "another", views: other });
            }"""
        )
        until(page, "() => viewer.renderer.held.size === 2 && viewer.compare.renderer?.held.size === 3")
        settle(page)
        assert page.get_by_text("another", exact=True).is_visible()
        shown = picture(page)
        page.get_by_role("slider", name="How much of the first scene").press("ArrowLeft")
        assert page.evaluate("() => viewer.compare.share") == pytest.approx(0.45)
        page.get_by_role("button", name="End the comparison").click()
        assert page.evaluate("() => viewer.compare.renderer") is None
        settle(page)
        assert np.abs(picture(page) - shown).mean() > 0.1


def test_a_broken_scene_is_one_sentence(browser, tmp_path):
    alone = '{"format": "ivid-view-manifest"}'
    with open_viewer(browser, tmp_path, small_scene(1), SIDE, SIDE) as page:
        whole = page.evaluate("() => viewer.manifest")
        alert = page.get_by_role("alert")
        for manifest in ("{", '{"format": "other"}', '{"format": "ivid-view-manifest", "version": 9}', alone):
            page.evaluate("(text) => viewer.show(text)", manifest)
            assert alert.is_visible(), manifest
            assert "This scene cannot be shown" in alert.inner_text(), manifest
            page.evaluate("(manifest) => viewer.show(manifest)", whole)
            alert.wait_for(state="hidden")


def test_the_page_scrolls_past_a_viewer_without_focus(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(1), SIDE, SIDE) as page:
        page.evaluate("() => { document.body.style.height = '900px'; viewer.frame.blur(); }")
        page.mouse.move(100, 80)
        page.mouse.wheel(0, 100)
        until(page, "() => window.scrollY > 50")
        assert pose(page)["radius"] == pytest.approx(1)


def test_the_wheel_zooms_at_once_where_the_page_cannot_scroll_and_nothing_has_a_focus_ring(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(1), SIDE, SIDE) as page:
        assert page.evaluate("() => document.activeElement === document.body && !viewer.root.activeElement")
        page.mouse.move(100, 80)
        page.mouse.wheel(0, 100)
        until(page, "() => viewer.camera.radius > 1.05")
        page.keyboard.press("2")
        assert page.evaluate("() => viewer.settings.value.look") == "depth", "keys are heard all the same"


def test_the_scene_stands_above_the_toolbar_unless_the_viewer_is_low(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(1), 400, 500) as page:
        bar = page.get_by_role("toolbar").bounding_box()
        inset = page.evaluate("() => viewer.renderer.inset")
        assert bar["y"] >= 500 * (1 - inset), "nothing of the square that the first view shows lies under the toolbar"
        assert inset < 0.15
        page.set_viewport_size({"width": 400, "height": 300})
        until(page, "() => viewer.renderer.canvas.height === 300")
        assert page.evaluate("() => viewer.renderer.inset") == 0


def test_the_toolbar_fades_at_rest_and_a_finger_only_wakes_it(browser, tmp_path):
    faded = "([bar, opacity]) => getComputedStyle(bar).opacity === opacity"
    with open_viewer(browser, tmp_path, small_scene(1), 400, 420, has_touch=True) as page:
        bar = page.get_by_role("toolbar").element_handle()
        until(page, faded, arg=[bar, "0"])
        page.get_by_role("button", name="Ways of looking").tap()
        until(page, faded, arg=[bar, "1"])
        panel = page.get_by_role("radiogroup", name="Ways of looking")
        assert not panel.is_visible(), "what could not be seen was not meant"
        page.get_by_role("button", name="Ways of looking").tap()
        panel.wait_for()
        page.wait_for_timeout(2500)
        assert bar.evaluate("(bar) => getComputedStyle(bar).opacity") == "1", "it stays while a panel is open"


def test_the_wireframe_is_smooth_and_hides_what_is_behind(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(1), 400, 390) as page:
        page.evaluate("() => viewer.set({ look: 'mesh', background: 'dark' })")
        until(page, "() => !viewer.renderer.dirty")
        # one frame, without any supersampling
        shades = page.evaluate(
            """() => {
                const { compositor, gl } = viewer.renderer;
                compositor.drawNow(viewer.renderer.frame(viewer.camera, true, performance.now()));
                const { target, width, height } = compositor.shown;
                gl.bindFramebuffer(gl.FRAMEBUFFER, target.framebuffer);
                const pixels = new Uint8Array(width * height * 4);
                gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
                const row = Math.floor(height / 2) * width * 4;
                return [...pixels.slice(row, row + width * 4)].filter((_, k) => k % 4 === 1);
            }"""
        )
        shades = np.array(shades, float)[100:-100]
        steps = np.abs(np.diff(shades))
        assert shades.std() > 5, "there are lines"
        assert np.mean((steps > 2) & (steps < 0.5 * np.ptp(shades))) > 0.3, "and they are soft"


def test_beyond_the_views_the_background_goes_on(browser, tmp_path):
    whole = synthetic_scene(32)
    picture_of = np.tile(np.linspace([51, 128, 230], [90, 160, 60], 32)[:, None], (1, 32, 1)).astype(np.uint8)
    view = replace(whole.views[0], rgb=picture_of, depth=np.full((32, 32), 1.5, np.float32))
    with open_viewer(browser, tmp_path, Scene([view], whole.depth_range), 500, 300) as page:
        settle(page)
        shot = picture(page)
        beside, seen = shot[:, 10:20].mean(axis=1), shot[:, 240:250].mean(axis=1)
        for row in (20, len(shot) - 1):
            assert np.abs(beside[row] - seen[row]).max() < 40, "no grey wedge beside the view"


def test_keys_set_while_the_scene_grows_stay(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(3), 420, 300) as page:
        page.keyboard.press("k")
        page.evaluate("() => viewer.setCamera({ yaw: 0.1 }, { fly: false })")
        page.keyboard.press("k")
        page.evaluate(
            """() => {
                const [first] = viewer.manifest.views;
                const views = [...viewer.manifest.views, { ...first, url: first.url + "?more" }];
                viewer.show({ ...viewer.manifest, views, keyframes: [] });
            }"""
        )
        assert page.evaluate("() => viewer.timeline.keys.length") == 2
        page.evaluate("() => viewer.show({ ...viewer.manifest, views: viewer.manifest.views.slice(1), keyframes: [] })")
        assert page.evaluate("() => viewer.timeline.keys.length") == 0, "another scene has keys of its own"


def test_paths_play_and_keys_are_kept(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(), 420, 300) as page:
        page.keyboard.press(" ")
        until(page, "() => Math.abs(viewer.controls.pose().yaw) > 0.02")
        page.keyboard.press(" ")
        assert page.evaluate("() => viewer.timeline.playing") is False
        with page.expect_response("**/keyframes") as answer:
            page.keyboard.press("k")
        assert answer.value.ok
    assert len(Scene.load(tmp_path / "scene.ivid").settings["keyframes"]) == 1


def test_a_screenshot_has_no_tools_in_it_and_may_be_larger(browser, tmp_path):
    with open_viewer(browser, tmp_path, small_scene(2), SIDE, SIDE) as page:
        settle(page)
        small = picture(page)
        with page.expect_download() as download:
            page.keyboard.press("p")
        with Image.open(download.value.path()) as image:
            assert image.size == (2 * SIDE, 2 * SIDE)
            large = np.array(image.convert("RGB").resize((SIDE, SIDE))).astype(float)
        assert np.abs(large[40:-70, 5:-5] - small).mean() < 6


def test_one_file_works_from_disk_without_requests(browser, tmp_path):
    path = write_html(synthetic_scene(128), tmp_path / "scene.html")
    assert path.stat().st_size <= 2_500_000
    page = browser.new_page(viewport={"width": SIDE, "height": SIDE})
    page.set_default_timeout(PATIENCE_MS)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(path.as_uri())
    until(page, "() => (window.viewer = window.ividViewer)?.renderer?.held.size === 27")
    page.evaluate("() => { viewer.set({ look: 'nearest' }); }")
    settle(page)
    assert np.abs(np.diff(picture(page), axis=0)).mean() > 1
    assert all(url.startswith(("file:", "blob:", "data:")) for url in requested)
    page.close()


def test_without_webgl_the_first_view_stands_still(browser, tmp_path):
    scene = small_scene(2)
    path = write_html(scene, tmp_path / "scene.html")
    page = browser.new_page(viewport={"width": SIDE, "height": SIDE})
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(
        """const { getContext } = HTMLCanvasElement.prototype;
        HTMLCanvasElement.prototype.getContext = function (kind, options) {
          return kind === "webgl2" ? null : getContext.call(this, kind, options);
        };"""
    )
    page.goto(path.as_uri())
    assert "this browser offers no WebGL2" in (page.get_by_role("alert").text_content() or "")
    still = page.locator("canvas.still")
    still.wait_for()
    read = "(still) => [...still.getContext('2d').getImageData(0, 0, still.width, still.height).data]"
    shown = np.array(still.evaluate(read), np.uint8).reshape(scene.size, scene.size, 4)[..., :3]
    assert np.array_equal(shown, scene.views[0].rgb)
    page.close()
