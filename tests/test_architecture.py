"""Imports go one way, as docs/architecture.md says: never up, and never in a circle."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

# From the top; what stands side by side does not know each other.
LAYERS = (
    grimp.Layer("ivid.cli"),
    grimp.Layer("ivid.page"),
    grimp.Layer("ivid.training", "ivid.evaluation", "ivid.site"),
    grimp.Layer("ivid.export"),
    grimp.Layer("ivid.pipeline", "ivid.data", "viewer"),
    grimp.Layer("ivid.published", "ivid.fusion", "ivid.diffusion"),
    grimp.Layer("ivid.scene"),
)
ROOMS = {room for layer in LAYERS for room in layer.module_tails}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("ivid", "viewer", cache_dir=None)


def test_every_package_has_its_layer(graph):
    assert graph.find_children("ivid") | {"viewer"} == ROOMS | {"ivid.__main__"}


def test_no_import_goes_up_or_to_the_side(graph):
    illegal = graph.find_illegal_dependencies_for_layers(layers=LAYERS)
    told = [f"{each.importer} -> {each.imported}: {sorted(each.routes, key=str)[0]}" for each in illegal]
    assert not told


def test_nothing_below_the_command_line_imports_the_front_door(graph):
    allowed = ("ivid.cli", "ivid.page", "ivid.__main__")
    assert not [name for name in graph.find_modules_that_directly_import("ivid") if not name.startswith(allowed)]


def test_an_upward_import_is_found(graph):
    graph.add_import(importer="ivid.scene.cameras", imported="ivid.pipeline.config")
    try:
        illegal = graph.find_illegal_dependencies_for_layers(layers=LAYERS)
        assert ("ivid.scene", "ivid.pipeline") in {(each.importer, each.imported) for each in illegal}
    finally:
        graph.remove_import(importer="ivid.scene.cameras", imported="ivid.pipeline.config")


def circle(graph: grimp.ImportGraph) -> list[str]:
    """Files that import each other in a circle; none if there are no such."""
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_file_imports_itself_by_way_of_others():
    """Imports inside functions count; those for types alone do not."""
    graph = grimp.build_graph("ivid", "viewer", cache_dir=None, exclude_type_checking_imports=True)
    assert not circle(graph)
    graph.add_import(importer="ivid.scene.depth", imported="ivid.scene.scene")  # which imports it
    assert set(circle(graph)) == {"ivid.scene.depth", "ivid.scene.scene"}
