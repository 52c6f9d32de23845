"""Where the tests of fusion and of pipelines run: the CPU, or what `pytest --device` names."""

DEVICE = "cpu"
