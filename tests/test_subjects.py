import pytest

from ivid.pipeline.labels import Subject, dealt

KINDS = [7, 8, 9, 10]


@pytest.mark.parametrize("deck", [0, 1, 1000])
def test_a_deck_shows_everything_once(deck):
    shown = [dealt(3, 8 * deck + place, KINDS, mirror=True) for place in range(8)]
    assert {(its.kind, its.mirrored) for its in shown} == {(kind, way) for kind in KINDS for way in (False, True)}
    for half in (shown[:4], shown[4:]):
        assert sorted(its.kind or 0 for its in half) == KINDS
    assert {its.class_index for its in shown} == {3}


def test_decks_and_classes_are_shuffled_each_for_itself():
    orders = {tuple(dealt(label, 4 * deck + k, KINDS).kind for k in range(4)) for label in (0, 1) for deck in range(5)}
    assert len(orders) > 5
    assert dealt(2, 41, KINDS, True) == dealt(2, 41, KINDS, True)


def test_without_kinds_or_classes_only_the_way_round_is_dealt():
    assert dealt(None, 5) == Subject(None)
    assert dealt(4, 5) == Subject(4)
    assert [dealt(4, seed, mirror=True).mirrored for seed in (6, 7)] in ([True, False], [False, True])
