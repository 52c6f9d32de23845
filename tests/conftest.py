"""What more than one file of tests stands on."""

from collections.abc import Iterator

import pytest

from tests.page_server import Served, serving_page


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Served]:
    with serving_page(tmp_path_factory.mktemp("page")) as served:
        yield served
