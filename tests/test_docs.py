"""What is written agrees with what is there: settings, options, links and the README's map.

Each check is a plain function over text, and is shown to fail on a bad example of its own.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
from pydantic import BaseModel

from tests import tidy

DAEMONS = {"node": "NodeSettings", "hub": "HubSettings"}

_ASSIGNMENT = re.compile(r"^#?\s?(?P<name>[a-z_][a-z0-9_]*)\s*=\s*\S")
_LINK = re.compile(
    r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)[^)]*\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)"
)
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s+(?P<text>.+?)\s*#*$", re.MULTILINE)


def documented_settings(example: str) -> dict[str, str]:
    """Give each setting of an example file with the comment that explains it.

    A setting may be commented out, as `# name = value`. Its comment is the lines above it, up to a
    blank line or another setting, and whatever follows it on its own line.
    """
    found: dict[str, str] = {}
    above: list[str] = []
    for line in example.splitlines():
        if assignment := _ASSIGNMENT.match(line):
            beside = line[assignment.end() :].partition(" # ")[2]
            found[assignment["name"]] = " ".join([*above, beside]).strip()
        if assignment or not line.startswith("#"):
            above = []
        else:
            above.append(line.lstrip("# "))
    return found


def undocumented(fields: Mapping[str, object], example: str) -> list[str]:
    """Name what an example file lacks, leaves unexplained, or makes up."""
    documented = documented_settings(example)
    return [
        *(f"{name} is missing" for name in fields if name not in documented),
        *(f"{name} has no comment" for name, comment in documented.items() if not comment),
        *(f"{name} is no setting" for name in documented if name not in fields),
    ]


def options(app: typer.Typer) -> Iterator[tuple[str, str, str]]:
    """Give command path, option name and help of every option that the commands take."""

    def walk(path: str, command: Any) -> Iterator[tuple[str, str, str]]:
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                yield path, parameter.name, parameter.help or ""
        for name, part in getattr(command, "commands", {}).items():
            yield from walk(f"{path} {name}", part)

    yield from walk("", typer.main.get_command(app))


def broken_links(page: Path, root: Path) -> Iterator[str]:
    """Give every relative link of a page whose file or heading does not exist."""
    for match in _LINK.finditer(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        target = match["target"] or match["image"]
        if re.match(r"[a-z]+:", target):
            continue  # another site's page; tests have no network
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page.resolve()
        if not linked.exists() or not linked.is_relative_to(root.resolve()):
            yield f"{target}: no such file"
        elif anchor and anchor not in _anchors(linked):
            yield f"{target}: no such heading"


def _anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings as GitHub spells them, repeats not counted."""
    text = _FENCE.sub(
        lambda code: code[0].strip("`") if "\n" not in code[0] else "", page.read_text()
    )
    headings = (match["text"].lower() for match in _HEADING.finditer(text))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def pages(pytestconfig: pytest.Config) -> list[Path]:
    """Give every Markdown page of the tree."""
    root = pytestconfig.rootpath
    return [root / source.path for source in tidy.read_tree(root) if source.path.suffix == ".md"]


def _settings_of(daemon: str) -> Mapping[str, object]:
    model: type[BaseModel] = getattr(importlib.import_module(f"{daemon}.config"), DAEMONS[daemon])
    return model.model_fields


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_setting_is_explained_in_the_example_file(
    daemon: str, pytestconfig: pytest.Config
) -> None:
    example = pytestconfig.rootpath / "deploy" / f"{daemon}.example.toml"
    assert undocumented(_settings_of(daemon), example.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_option_is_a_documented_setting_or_has_help(daemon: str) -> None:
    module = importlib.import_module(f"{daemon}.__main__")
    apps = [value for value in vars(module).values() if isinstance(value, typer.Typer)]
    assert apps, "no typer application to look at"
    found = {option for app in apps for option in options(app)}
    assert "data" in {name for _, name, _ in found}, "the options were not found at all"
    settings = _settings_of(daemon)
    assert [option for option in sorted(found) if not option[2] and option[1] not in settings] == []


def test_every_relative_link_leads_somewhere(
    pages: list[Path], pytestconfig: pytest.Config
) -> None:
    root = pytestconfig.rootpath
    broken = [f"{page.relative_to(root)}: {x}" for page in pages for x in broken_links(page, root)]
    assert not broken, "\n".join(broken)


def test_the_readme_links_every_design_note(pages: list[Path], pytestconfig: pytest.Config) -> None:
    root = pytestconfig.rootpath
    notes = {str(p.relative_to(root)) for p in pages if p.name in ("DESIGN.md", "PROTOCOL.md")}
    assert notes >= {"node/DESIGN.md", "hub/DESIGN.md", "protocol/PROTOCOL.md"}
    linked = {match["target"] for match in _LINK.finditer((root / "README.md").read_text())}
    assert sorted(notes - linked) == []


EXAMPLE = """\
# Where the daemon listens.
# Loopback unless told otherwise.
listen = "127.0.0.1:7310"

# Seconds between two attempts.
# retry_delay_s = 5
log_level = "info"  # as structlog names them
"""


def test_an_example_file_that_explains_each_setting_passes() -> None:
    fields = dict.fromkeys(("listen", "retry_delay_s", "log_level"))
    assert undocumented(fields, EXAMPLE) == []


@pytest.mark.parametrize(
    ("fields", "extra", "finding"),
    [
        (("listen", "retry_delay_s", "log_level", "new"), "", "new is missing"),
        (("listen", "retry_delay_s"), "", "log_level is no setting"),
        (("listen", "retry_delay_s", "log_level", "new"), "new = 1\n", "new has no comment"),
    ],
)
def test_an_example_file_that_differs_from_the_settings_is_found(
    fields: tuple[str, ...], extra: str, finding: str
) -> None:
    assert undocumented(dict.fromkeys(fields), EXAMPLE + extra) == [finding]


def test_an_option_without_help_is_seen() -> None:
    app, group = typer.Typer(), typer.Typer()
    app.add_typer(group, name="user")

    @app.command()
    def serve(data: str = typer.Option(help="the data folder"), speed: int = 1) -> None: ...

    @group.command()
    def create(name: str = typer.Option()) -> None: ...

    own = [option for option in options(app) if "completion" not in option[1]]
    assert own == [
        (" serve", "data", "the data folder"),
        (" serve", "speed", ""),
        (" user create", "name", ""),
    ]


@pytest.mark.parametrize(
    ("link", "broken"),
    [
        ("[a](other.md)", False),
        ("[a](other.md#what-it-is-not)", False),
        ("[a](#here)", False),
        ("[a](https://example.org/x.md)", False),
        ("`[a](gone.md)`", False),
        ("```\n[a](gone.md)\n```", False),
        ("[a](gone.md)", True),
        ("![a](gone.png)", True),
        ("[a](other.md#gone)", True),
        ("[a](../outside.md)", True),
    ],
)
def test_a_link_to_nowhere_is_found(link: str, broken: bool, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside.md").write_text("# Outside\n")
    (root / "other.md").write_text("# Other\n\n## What it is `not`?\n")
    page = root / "page.md"
    page.write_text(f"# Here\n\n{link}\n")
    assert bool(list(broken_links(page, root))) is broken
