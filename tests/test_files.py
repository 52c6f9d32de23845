"""Files written whole, and JSON that anyone may have written."""

import pytest

from ivid.scene.files import read_json


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe{}", "no UTF-8 text"),
        (b"[1, 1e400]", "the number 1e400 is too large"),
        (b'{"a": 1' + b"0" * 400 + b"}", r"the number 100000000000\.\.\. of 401 digits is too large"),
        (b"9" * 5000, r"999999999999\.\.\. of 5000 digits is too large"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused_with_one_sentence_that_names_the_file(tmp_path, content, reason):
    path = tmp_path / "cameras.json"
    path.write_bytes(content)
    for source, what, name in ((path, "", str(path)), (content, "its header", "its header")):
        with pytest.raises(ValueError, match=reason) as caught:
            read_json(source, what)
        assert str(caught.value).startswith(f"{name} is not valid JSON: ")
        assert "\n" not in str(caught.value)


def test_json_is_read_with_and_without_a_byte_order_mark(tmp_path):
    text = '{"größe": [1, 2.5, -3e-400, 12345678901234567890]}'
    for encoding in ("utf-8", "utf-8-sig"):
        path = tmp_path / f"{encoding}.json"
        path.write_text(text, encoding=encoding)
        assert read_json(path) == read_json(path.read_bytes()) == {"größe": [1, 2.5, 0.0, 12345678901234567890]}


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")
