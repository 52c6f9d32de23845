import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivid.pipeline.pictures import decontaminated, smoothed
from ivid.scene.depth import (
    PUBLISHED_SAMPLING_RANGE,
    decode,
    depth_picture,
    encode,
    encode_disparity,
    snap_to_far,
    without_flying_pixels,
)

ranges = st.tuples(st.floats(0.1, 1.0), st.floats(1.5, 200.0))


@given(ranges, st.floats(1e-6, 1 - 1e-6))
def test_encode_inverts_decode(depth_range, d):
    np.testing.assert_allclose(encode(decode(np.array([d]), depth_range), depth_range), [d], atol=1e-9)


@given(ranges)
def test_the_planes_are_the_ends_of_the_code(depth_range):
    planes = np.array(depth_range)
    np.testing.assert_allclose(encode(planes, depth_range), [0, 1], atol=1e-9)
    np.testing.assert_allclose(encode(planes * [0.5, 2], depth_range), [0, 1], atol=1e-9)


def test_published_numbers():
    # z = n f / (f - (f - n) d) at d = 1/2 with n = 0.6, f = 5
    assert decode(np.array([0.5]), PUBLISHED_SAMPLING_RANGE)[0] == pytest.approx(3.0 / 2.8)


def test_numpy_and_torch_agree():
    d = np.linspace(0, 1, 50, dtype=np.float32)
    depth = decode(d, (0.6, 5.0))
    np.testing.assert_allclose(decode(torch.from_numpy(d), (0.6, 5.0)).numpy(), depth, rtol=1e-5)
    encoded = encode(torch.from_numpy(depth), (0.6, 5.0)).numpy()
    np.testing.assert_allclose(encoded, encode(depth, (0.6, 5.0)), atol=1e-6)


def test_disparity_within_the_near_plane_is_not_scaled():
    disparity = np.array([[6250.0, 3125.0]])  # 1/z = 1 and 0.5: z = 1 and 2
    np.testing.assert_allclose(encode_disparity(disparity), encode(np.array([[1.0, 2.0]]), (0.5, 100.0)), atol=1e-6)


def test_disparity_beyond_the_near_plane_is_scaled_as_a_whole():
    disparity = np.array([[6250.0 * 4, 6250.0, 0.0]])  # the peak of 4 goes to 2 = 1/0.5, so 1 goes to 0.5; 0 to 1e-3
    expected = (np.array([[2.0, 0.5, 1e-3]]) - 2) / (1 / 100 - 2)
    np.testing.assert_allclose(encode_disparity(disparity), np.clip(expected, 0, 1), atol=1e-6)


def test_pictures_are_bright_where_it_is_near():
    picture = depth_picture(np.array([[0.6, 1.0], [2.0, 5.0]]), PUBLISHED_SAMPLING_RANGE)
    assert picture.shape == (2, 2, 3)
    assert list(picture[..., 0].ravel()) == sorted(picture[..., 0].ravel(), reverse=True)
    assert picture[0, 0, 0] == 255
    assert picture[1, 1, 0] == 0


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_what_is_almost_the_far_plane_is_put_on_it(kind):
    d = [0.0, 0.5, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0]
    expected = [0.0, 0.5, 0.95, 0.96, 0.98, 1.0, 1.0, 1.0]
    np.testing.assert_allclose(np.asarray(snap_to_far(kind(d), 0.02)), expected, atol=1e-6)
    np.testing.assert_allclose(np.asarray(snap_to_far(kind(d), 0.0)), d, atol=1e-6)


def test_ramps_between_surfaces_become_steps_and_surfaces_stay():
    slope = np.tile(np.linspace(0.2, 0.9, 40, dtype=np.float32)[:, None], (1, 40))  # a ground, 0.018 a pixel
    np.testing.assert_array_equal(without_flying_pixels(slope, 0.06), slope)
    step = np.where(np.arange(40) < 20, slope, 0.95).astype(np.float32)
    np.testing.assert_allclose(
        without_flying_pixels(step[None], 0.06), step[None], atol=2 * 0.0181
    )  # a pixel up or down at it
    ramp = np.interp(np.arange(40), [18, 22], [0.3, 0.9]).astype(np.float32)[None].repeat(40, 0)
    assert set(np.unique(without_flying_pixels(ramp, 0.06))) == {np.float32(0.3), np.float32(0.9)}


def test_ramps_are_found_as_by_looking_at_every_pixel():
    d = np.random.default_rng(0).uniform(0.2, 0.4, (12, 9)).astype(np.float32)
    expected = d
    for _ in range(2):
        before, expected = expected, expected.copy()
        for y in range(d.shape[0]):
            for x in range(d.shape[1]):
                around = before[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                low, high, own = around.min(), around.max(), before[y, x]
                if high - low > 0.15:
                    expected[y, x] = low if own - low < high - own else high
    both = np.stack([d, d[::-1]])
    np.testing.assert_array_equal(without_flying_pixels(both, 0.15), np.stack([expected, expected[::-1]]))


def test_smoothing_is_the_bilateral_filter_written_out():
    d = np.random.default_rng(0).uniform(0.2, 0.4, (2, 9, 12)).astype(np.float32)
    expected = d.astype(np.float64)
    for _ in range(2):
        before, expected = expected, expected.copy()
        for n, y, x in np.ndindex(d.shape):
            total = weights = 0.0
            for dy in range(-3, 4):
                for dx in range(-3, 4):
                    other = before[n, min(max(y + dy, 0), d.shape[1] - 1), min(max(x + dx, 0), d.shape[2] - 1)]
                    weight = np.exp(-(dx**2 + dy**2) / (2 * 2.0**2) - (other - before[n, y, x]) ** 2 / (2 * 0.06**2))
                    total, weights = total + weight * other, weights + weight
            expected[n, y, x] = total / weights
    np.testing.assert_allclose(smoothed(torch.from_numpy(d), 0.06).numpy(), expected, atol=1e-5)


def test_smoothing_takes_roughness_and_keeps_edges():
    rough = 0.05 * np.random.default_rng(0).standard_normal((1, 40, 40))
    step = np.where(np.arange(40) < 20, 0.3, 0.9)
    smooth = smoothed(torch.tensor(step + 0.4 * rough, dtype=torch.float32), 0.06)[0].numpy()
    assert np.abs(smooth - step).max() < 0.04
    assert (smooth - step).std() < 0.4 * (0.4 * rough).std()


def test_decontamination_is_its_rule_written_out():
    random = np.random.default_rng(3)
    d = np.where(random.uniform(size=(14, 17)) < 0.2, 0.3, 0.9) + random.uniform(0, 0.08, (14, 17))
    d, rgb = d.astype(np.float32), random.uniform(size=(14, 17, 3)).astype(np.float32)
    pixels = list(np.ndindex(d.shape))
    behind = {p for p in pixels if any(d[q] < d[p] - np.float32(0.06) for q in pixels if apart(p, q) <= 2)}
    expected, clean = rgb.astype(np.float64), set(pixels) - behind
    for _ in range(4):
        of = {p: [q for q in clean if apart(p, q) == 1 and abs(d[q] - d[p]) < 0.06] for p in set(pixels) - clean}
        means = {p: np.mean([expected[q] for q in others], axis=0) for p, others in of.items() if others}
        for p, mean in means.items():
            expected[p] = mean
        clean |= set(means)
    assert 10 < len(behind) < len(pixels)
    np.testing.assert_allclose(decontaminated(rgb, d, 2, 0.06), expected, atol=1e-6)


def apart(p: tuple[int, ...], q: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(p, q, strict=True))


def test_decontamination_takes_the_object_off_its_background():
    rows, columns = np.mgrid[:48, :48]
    from_rim = 12 - np.hypot(rows - 24, columns - 24)  # of a red disc before a background that grows lighter
    background = np.repeat(0.4 + 0.004 * columns[..., None], 3, axis=-1)
    cover = np.clip(0.5 + from_rim / 2, 0, 1)[..., None]  # a soft edge, two pixels wide
    rgb = (cover * [0.9, 0.1, 0.1] + (1 - cover) * background).astype(np.float32)
    d = np.where(from_rim > 0, 0.4, 0.95).astype(np.float32)
    clean = decontaminated(rgb, d, 2, 0.06)
    behind = from_rim <= 0
    assert np.abs(rgb - background)[behind].max() > 0.15
    assert np.abs(clean - background)[behind].max() < 0.01
    np.testing.assert_array_equal(clean[~behind], rgb[~behind])
