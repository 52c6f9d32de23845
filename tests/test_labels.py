import pytest

from ivid.pipeline.labels import SceneLabel, sample_label

INSTANCES = [7, 8, 9, 10]


@pytest.mark.parametrize("block", [0, 1, 1000])
def test_a_block_of_seeds_shows_everything_once(block):
    shown = [sample_label(3, 8 * block + place, INSTANCES, horizontal_flip=True) for place in range(8)]
    assert {(its.instance, its.flipped) for its in shown} == {
        (instance, way) for instance in INSTANCES for way in (False, True)
    }
    for half in (shown[:4], shown[4:]):
        assert sorted(its.instance or 0 for its in half) == INSTANCES
    assert {its.class_index for its in shown} == {3}


def test_blocks_and_classes_are_shuffled_each_for_itself():
    orders = {
        tuple(sample_label(label, 4 * block + k, INSTANCES).instance for k in range(4))
        for label in (0, 1)
        for block in range(5)
    }
    assert len(orders) > 5
    assert sample_label(2, 41, INSTANCES, True) == sample_label(2, 41, INSTANCES, True)


def test_without_kinds_or_classes_only_the_way_round_is_sample_label():
    assert sample_label(None, 5) == SceneLabel(None)
    assert sample_label(4, 5) == SceneLabel(4)
    assert [sample_label(4, seed, horizontal_flip=True).flipped for seed in (6, 7)] in ([True, False], [False, True])
