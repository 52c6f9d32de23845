"""`ivid view`: look at a scene. The options and the work are the viewer's own (`python -m viewer`)."""

from viewer.__main__ import add_arguments, run

__all__ = ["add_arguments", "run"]
