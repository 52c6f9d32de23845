"""Work of a command on a Ray cluster, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ivid.pipeline.cluster import Cluster, connected, share_out

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def made_on_cluster(
    cluster: Cluster,
    make: Callable[[Piece, Callable[[], None]], Result],
    pieces: Sequence[Piece],
    folders: Sequence[Path],
    *,
    steps: int,
    unit: str,
) -> Iterator[Result]:
    """Have pieces of work made by the workers of a cluster; yields what is made of each, as it is done.

    Args:
        cluster, make, pieces, folders: as of `share_out`, which says what it raises too.
        steps: how many there are in all.
        unit: what a step is.
    """
    from tqdm import tqdm

    with connected(cluster) as ray, tqdm(total=steps, unit=unit, dynamic_ncols=True) as bar:
        yield from share_out(ray, make, pieces, cluster, folders, lambda done: bar.update(done - bar.n))
