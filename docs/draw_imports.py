"""The imports between the packages, as a graph in the DOT language (docs/architecture.md says how it is drawn)."""

from __future__ import annotations

import grimp

PACKAGES = ("ivid", "viewer")


def room(module: str) -> str:
    """The package that a module belongs to: the first two parts of its name within `ivid`, else the first."""
    return ".".join(module.split(".")[: 2 if module.startswith("ivid.") else 1])


def main() -> None:
    graph = grimp.build_graph(*PACKAGES, include_external_packages=False)
    arrows = {
        (room(module), room(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    print('digraph { rankdir=LR; node [shape=box fontname="sans-serif" style=rounded];')
    for importer, imported in sorted(arrows):
        if importer != imported and "ivid" not in (importer, imported) and "__main__" not in importer:
            print(f'  "{importer}" -> "{imported}";')
    print("}")


if __name__ == "__main__":
    main()
