"""What a shell offers after Tab: asked of the shells, with the script that isolde gives them."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import typer

from helpers.shell import verbs_of
from isolde.cli import app
from isolde.cli.shared.help import command_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `isolde` is a command, and the user has nothing of their own."""
    home = tmp_path_factory.mktemp("home")
    command = home / "bin" / "isolde"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m isolde "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
    folders = {"HOME": str(home), "ISOLDE_MODELS": str(home / "none")}
    return {**os.environ, **folders, "PATH": path, "PYTHONPATH": str(ROOT / "src")}


def ask(environment: dict[str, str], *command: str, **variables: str) -> str:
    """What a command prints; it must succeed and say nothing on standard error."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**environment, **variables},
        cwd=environment["HOME"],
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def script(environment: dict[str, str]) -> Callable[[str], str]:
    """The script that a shell is to read, by the name of the shell."""
    return cache(lambda shell: ask(environment, "isolde", _ISOLDE_COMPLETE=f"source_{shell}"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("isolde se", ["separate"]),
        ("isolde separate --model voc", ["vocals", "vocals-live"]),
        ("isolde separate --model stems --stem ", ["vocals", "drums", "bass", "other"]),
        ("isolde karaoke song.mp3 --format m", ["mp3", "m4a"]),
        ("isolde separate --only", ["--only-vocal-parts"]),
        ("isolde evaluate --models open,voc", ["open,vocals", "open,vocals-live"]),
        ("isolde look song.mp3 --figure s", ["spectrogram", "separation"]),
        ("isolde separate so", []),  # files, which bash knows itself
    ],
)
def test_bash_offers(
    environment: dict[str, str], script: Callable[[str], str], line: str, expected: list[str]
):
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    asked = (
        f"\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _isolde_completion isolde; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    offered = ask(environment, "bash", "--norc", "-c", script("bash") + asked).split()
    assert [word for word in expected if word not in offered] == []
    assert all(word.startswith(words[-1]) for word in offered)
    assert bool(offered) == bool(expected)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed: .ci/run installs it")
def test_zsh_offers_with_a_line_about_each(
    environment: dict[str, str], script: Callable[[str], str]
):
    program = (
        "compdef() { :; }; _files() { print files; }; _arguments() { print -r -- $1; }\n"
        + script("zsh")
        + "\nwords=(isolde separate --model vocals-li); CURRENT=4; _isolde_completion\n"
        + "words=(isolde separate so); CURRENT=3; _isolde_completion\n"
    )
    offered, files = ask(environment, "zsh", "-f", "-c", program).splitlines()
    assert offered.startswith('*: :(("vocals-live":"') and "live" in offered.split('"')[3]
    assert files == "files"


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("fish") is None, reason="fish is not installed: .ci/run installs it"
)
def test_fish_offers_with_a_line_about_each(
    environment: dict[str, str], script: Callable[[str], str]
):
    asked = "\ncomplete -C 'isolde separate --format al'\ncomplete -C 'isolde models info stem'\n"
    program = script("fish") + asked
    offered = ask(environment, "fish", "--no-config", "-c", program).splitlines()
    assert [line.partition("\t")[0] for line in offered] == ["alac", "stems"]
    assert "four masks" in offered[1]


def test_it_is_installed_for_the_shell_by_an_option(environment: dict[str, str], tmp_path: Path):
    """Typer asks which shell it runs in; the script goes where that shell looks."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    home = {"HOME": str(tmp_path)}
    ask(environment, "bash", "--norc", "-c", "isolde --install-completion; true", **home)
    (installed,) = tmp_path.rglob("isolde.sh")
    assert "_isolde_completion" in installed.read_text()
    assert str(installed) in (tmp_path / ".bashrc").read_text()
    shown = ask(environment, "bash", "--norc", "-c", "isolde --show-completion; true", **home)
    assert shown.strip() == installed.read_text().strip()


FREE = """
    songs song source folder folders file path run mix partner output out data manifest cache words
    keep record peers teacher validate
    name summary licence artist shard host scheduler input_name output_name
    start end at range_ stop_after timeout threads workers jobs limit port max_upload control osc
    bitrate loudness threshold strength wet rate channels block depth device_latency dpi steps
    onset offset min_duration_on min_duration_off pad_onset pad_offset n_fft compensate overlap
    validation min_seconds validate_every save_every
""".split()
"""What nobody can list: files, names of people's own, devices, times, numbers."""


def offers(command: typer.core.TyperCommand) -> dict[str, list[str]]:
    """What is offered for each parameter of a command that takes a value."""
    context = typer.Context(command)
    return {
        parameter.name: [item.value for item in parameter.shell_complete(context, "")]
        for parameter in command.params
        if not getattr(parameter, "is_flag", False)
    }


def test_every_value_that_can_be_listed_is_offered():
    missing, needless = set(), set(FREE)
    for name, command in verbs_of(command_of(app)):
        for parameter, offered in offers(command).items():
            needless.discard(parameter)
            if not offered and parameter not in FREE:
                missing.add(f"{name} {parameter}")
    assert not missing, "give an autocompletion, see cli/shared/completion.py, or name it in FREE"
    assert not needless, "no option is called so any more"


@pytest.mark.slow
def test_what_is_offered_is_what_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The words that a command line spells out are those of the rooms that refuse others."""
    pytest.importorskip("torch", reason="needs the extra 'train'")
    from isolde.datasets.layouts import LOOSE
    from isolde.datasets.manifest import SPLITS
    from isolde.figures.gallery import FIGURES
    from isolde.live.io.pipes import RAW
    from isolde.pairs.build import KINDS
    from isolde.pairs.song import KEEPS
    from isolde.training.precision import PRECISIONS

    (tmp_path / "mine.json").touch()
    monkeypatch.setenv("ISOLDE_MODELS", str(tmp_path))
    every = {name.removeprefix("isolde "): offers(v) for name, v in verbs_of(command_of(app))}
    for verb, parameter, known in (
        ("look", "figure", (*FIGURES, "all")),
        ("data scan", "loose", LOOSE),
        ("data label", "split", SPLITS),
        ("live", "raw", RAW),
        ("live", "play", ("vocals", "accompaniment", "mix")),
        ("pairs", "kind", KINDS),
        ("pairs", "keep", KEEPS),
        ("train", "precision", PRECISIONS),
        ("export", "bits", ("32", "16", "8")),
        ("models remove", "name", ("mine",)),
    ):
        assert sorted(every[verb][parameter]) == sorted(known), (verb, parameter)


def test_the_next_of_several_words_is_offered():
    commands = dict(verbs_of(command_of(app)))
    assert {"vocals", "open", "rules"} <= set(offers(commands["isolde evaluate"])["models"])
    (models,) = [p for p in commands["isolde evaluate"].params if p.name == "models"]
    (stems,) = [p for p in commands["isolde models add"].params if p.name == "stems"]
    context = typer.Context(commands["isolde evaluate"])
    offered = [item.value for item in models.shell_complete(context, "open,vocals-la")]
    assert offered == ["open,vocals-large"]
    offered = [item.value for item in stems.shell_complete(context, "vocals,drums,")]
    assert offered == [f"vocals,drums,{stem}" for stem in ("accompaniment", "bass", "other")]
