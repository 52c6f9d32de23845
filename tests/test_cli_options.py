"""What the commands say of their options, before any of them does something."""

import argparse
import subprocess
import sys

import pytest

from ivid.cli import COMMANDS, build_parser, main, main_of
from ivid.cli.arguments import SAMPLERS, Parser, add_sampling, sampling
from ivid.pipeline.config import ModelConfig
from ivid.pipeline.sampling import FAST_SAMPLING, Sampling


def commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """A parser's commands, and theirs, that do something."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        return [parser]
    return [leaf for group in groups for each in group.choices.values() for leaf in commands(each)]


OPTIONS = [
    pytest.param(
        action, parser, id=f"{parser.prog.removeprefix('ivid ')} {'/'.join(action.option_strings) or action.dest}"
    )
    for parser in commands(build_parser())
    for action in parser._actions
]


@pytest.mark.parametrize(("option", "parser"), OPTIONS)
def test_every_option_is_explained(option, parser):
    text = parser._get_formatter()._expand_help(option) if option.help else ""
    assert len(text) > 3
    takes_value = option.option_strings and option.nargs != 0
    if takes_value and not option.required:
        assert "default" in text or option.dest in NEEDS_NO_DEFAULT, (
            f"{parser.prog} {option.dest} has no default in its help"
        )
    if option.default not in (None, False, argparse.SUPPRESS) and not isinstance(option.default, list):
        assert str(option.default) in text


def needed(parser: argparse.ArgumentParser) -> list[str]:
    """Arguments that a command insists on."""
    groups = [group._group_actions for group in parser._mutually_exclusive_groups if group.required]
    required = [action for action in parser._actions if action.required] + [actions[0] for actions in groups]
    arguments = []
    for action in required:
        value = str(next(iter(action.choices))) if action.choices else "1"
        count = action.nargs if isinstance(action.nargs, int) else 1
        arguments += [*action.option_strings[:1], *[value] * count]
    return arguments


@pytest.mark.parametrize("parser", [pytest.param(each, id=each.prog) for each in commands(build_parser())])
def test_what_a_command_does_not_know_points_to_its_own_help(parser):
    arguments = [*parser.prog.split()[1:], *needed(parser), "--nonsense"]
    with pytest.raises(ValueError, match=f"^unrecognized arguments: --nonsense; see {parser.prog} --help$"):
        build_parser().parse_args(arguments)


NEEDS_NO_DEFAULT = {  # what is left out when it is not given
    *("num_samples", "from_rgbd", "from_photo", "upsample", "keyframes", "seconds", "kind"),
    *("refiner", "novel_refiner", "upsampler", "set", "override", "further", "nearest", "assets", "data"),
}
FINITE = {
    "layout",
    "depth_kind",
    "upsample",
    "sampler",
    "trajectory",
    "what",
    "blend",
    "shading",
    "kind",
    "poses",
    "sh_degree",
    "up",
}


def test_finite_options_list_their_choices():
    found = {action.dest: action.choices for parser in commands(build_parser()) for action in parser._actions}
    assert set(found) >= FINITE
    for parser in commands(build_parser()):
        for action in parser._actions:
            if action.dest in FINITE:
                assert action.choices, f"{parser.prog} {action.dest}"
                assert action.metavar is None or all(str(each) in action.help for each in action.choices)


def test_fast_is_for_models_of_many_evaluations(capsys):
    parser = Parser()
    add_sampling(parser)
    many = ModelConfig(name="published")
    few = ModelConfig(name="quick", sampling=Sampling(8, 1, 0.5, 0.0, "ddim", "ddim"))
    assert sampling(parser.parse_args(["--fast"]), many) == FAST_SAMPLING
    assert sampling(parser.parse_args(["--fast", "--novel-steps", "3"]), many) == FAST_SAMPLING.changed(novel_steps=3)
    assert capsys.readouterr().err == ""
    assert sampling(parser.parse_args(["--fast", "--first-steps", "3"]), few) == Sampling(first_steps=3)
    assert capsys.readouterr().err.count("--fast has no effect: the model quick takes few") == 1
    interval = parser.parse_args(["--guidance-interval", "0.2-.7"])
    assert sampling(interval, many) == Sampling(guidance_interval=(0.2, 0.7))
    for wrong in ("0.7-0.2", "1", "0.1-1.1", "-"):
        with pytest.raises(ValueError, match="it must be LOW-HIGH"):
            parser.parse_args([f"--guidance-interval={wrong}"])


def test_samplers_are_those_there_are():
    from ivid.diffusion.sampling import SAMPLERS as implemented

    assert set(SAMPLERS) == set(implemented)


def test_help_loads_nothing_heavy():
    code = """
import sys
from ivid.cli import main
for arguments in [[], *([name] for name in sys.argv[1:]), ["prepare", "models"], ["evaluate", "scenes"]]:
    try:
        main([*arguments, "--help"])
    except SystemExit as left:
        assert left.code == 0
print(sorted({"torch", "warp", "gradio", "open3d", "scipy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code, *COMMANDS], capture_output=True, text=True, check=True)
    assert done.stdout.count("usage: ivid") == len(COMMANDS) + 3
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["nonsense"], "invalid choice: 'nonsense' (choose from 'generate', "),
        (["generate"], "required: --out; see ivid generate --help"),
        (["generate", "--out", "o", "--sampler", "euler"], "invalid choice: 'euler' (choose from 'ddpm'"),
        (["generate", "--out", "o", "--batch", "0"], "--batch: it must be at least 1, got '0'"),
        (["generate", "--out", "o", "--first-steps", "x"], "--first-steps: 'x' is not an integer"),
        (["generate", "--out", "o", "--first-steps", "9" * 5000], "--first-steps: '9999"),
        (["generate", "--out", "o", "--guidance", "1e400"], "--guidance: '1e400' is not a finite number"),
        (["generate", "--out", "o", "--guidance", "nan"], "--guidance: 'nan' is not a finite number"),
        (["generate", "--out", "o", "--fov", "0.5"], "--fov: it must be from 1 to 170, got '0.5'"),
        (["export", "s.ivid", "--out", "o.png", "--device", "meta"], "no device 'meta'; choose cpu, cuda"),
        (["prepare", "models", "f", "--out", "o", "--held-out", "1.5"], "--held-out: it must be from 0 to 1"),
        (["prepare", "models", "f", "--out", "o", "--seed", "-1"], "--seed: it must be at least 0"),
        (["evaluate", "poses"], "invalid choice: 'poses'"),
    ],
)
def test_wrong_options_are_one_sentence(arguments, message, capsys):
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("ivid: ")
    assert message in told
    assert told.count("\n") == 1
    assert len(told) < 300


def test_the_page_explains_itself(capsys):
    with pytest.raises(SystemExit) as left:
        main_of("app", "app.py", ["--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith("usage: app.py")
    assert "watch a scene grow" in told
    assert "$GRADIO_SERVER_PORT, or the first free one from 7860 on" in " ".join(told.split())


def test_the_parser_of_one_command_is_that_of_all():
    """Declaring only the command that is called changes nothing that it takes."""
    arguments = ["export", "s.ivid", "--out", "a.ply", "--voxel-pixels", "2"]
    assert vars(build_parser(["export"]).parse_args(arguments)) == vars(build_parser().parse_args(arguments))
    assert isinstance(build_parser([]), Parser)
