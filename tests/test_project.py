"""The project around the code: what importing loads, the public names, the wheel and the pages."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from numpydoc.validate import validate

import intake_cvpilot
from intake_cvpilot.demo import write_archive
from intake_cvpilot.frames.engines import DuckDBOptions, SparkOptions
from intake_cvpilot.frames.exporting import ExportOptions
from intake_cvpilot.lineage import TraceOptions
from intake_cvpilot.maintain.rebuilding import RebuildOptions
from intake_cvpilot.maintain.selection import StockOptions
from intake_cvpilot.options import CacheOptions, DaskOptions, FrameOptions, IndexOptions, Options
from intake_cvpilot.publish import PublishOptions

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "intake_cvpilot"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
OPTIONS = (
    *(CacheOptions, Options, FrameOptions, IndexOptions, DaskOptions, TraceOptions),
    *(DuckDBOptions, ExportOptions, PublishOptions, RebuildOptions, SparkOptions, StockOptions),
)
FUNCTIONS = [
    *("fetch", "objects", "open_arrow", "open_catalog", "open_dask", "open_duckdb", "open_pandas"),
    *("export", "open_geopandas", "open_polars", "open_raw", "open_spark"),
    *("cite", "lock", "mirror", "plan", "publish", "quality", "trace"),
    *("clear", "doctor", "evict", "refresh", "repair", "status", "verify"),
    *("export_cache", "import_cache", "migrate"),
]
VALUES = [
    *("Checkup", "Export", "MirrorReport", "Plan", "Quality", "Rebuilt", "Removed", "Report"),
    "Lock",
    "Migrated",
    "Publication",
    "Shared",
    "Status",
    *("Trace", "Verified"),
]


def python(code: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Importing


def test_importing_the_package_loads_no_other_package() -> None:
    before = "import importlib.metadata, sys; old = set(sys.modules); "
    tell = "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - old}))"
    loaded = set(python(f"{before} import intake_cvpilot; {tell}").split())
    assert loaded - set(sys.stdlib_module_names) == {"intake_cvpilot"}


def test_each_public_name_loads_alone() -> None:
    for name in sorted(intake_cvpilot.__all__):
        python(f"from intake_cvpilot import {name}")


@pytest.mark.parametrize("first", ["intake_cvpilot.fetch", "intake_cvpilot.cli"])
def test_fetch_is_the_function_whatever_was_imported_first(first: str) -> None:
    code = f"import {first}; import intake_cvpilot; print(intake_cvpilot.fetch.__module__)"
    assert python(code).strip() == "intake_cvpilot.fetch"


# Public names


def test_public_names_are_these() -> None:
    errors = ast.parse((PACKAGE / "errors.py").read_text(encoding="utf-8"))
    kinds = {node.name for node in errors.body if isinstance(node, ast.ClassDef)}
    assert set(intake_cvpilot.__all__) == {*FUNCTIONS, *VALUES, *kinds, "__version__"}
    assert intake_cvpilot.__all__ == sorted(intake_cvpilot.__all__)
    assert set(intake_cvpilot.__all__) <= set(dir(intake_cvpilot))


def test_the_version_is_the_installed_one() -> None:
    assert intake_cvpilot.__version__ == version("intake-cvpilot")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="open_everything"):
        intake_cvpilot.open_everything  # noqa: B018


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_each_module_names_what_it_gives_and_stays_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= 300
    if tree.body and path.name != "__main__.py":
        assigned = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        defined = {n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        assert "__all__" in assigned or not defined


@pytest.mark.parametrize("name", [*FUNCTIONS, *VALUES])
def test_docstrings_are_numpydoc(name: str) -> None:
    """Parameters with types, returns, errors, an example; see-also and length are free."""
    spared = {"ES01", "SA01", "GL01", "GL02", "GL03", "SS06", "PR06", "PR08", "PR09", "RT03"}
    spared |= {"RT04", "RT05", "YD01"}
    if "Yields\n" in inspect.getdoc(getattr(intake_cvpilot, name)):
        spared |= {"RT01"}
    if name in VALUES:  # the fields have a sentence each
        spared |= {"EX01", "PR01"}
    # These are documented where they are declared.
    options = {"**options"}.union(*(kind.__annotations__ for kind in OPTIONS))
    for code, message in validate(f"intake_cvpilot.{name}")["errors"]:
        if code in {"PR01", "PR02"} and set(re.findall(r"'([*\w]+)'", message)) <= options:
            continue
        assert code in spared, message


def test_each_option_has_a_sentence() -> None:
    for kind in OPTIONS:
        tree = ast.parse(inspect.getsource(kind)).body[0]
        sentences = [node for node in tree.body if isinstance(node, ast.Expr)][1:]
        assert len(sentences) == len(
            [node for node in tree.body if isinstance(node, ast.AnnAssign)]
        )


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_the_package_and_the_catalog(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    source = {
        f"intake_cvpilot/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == source | {"intake_cvpilot/cvpilot.yml"}
    for name in ("py.typed", "sources.yaml"):
        assert f"intake_cvpilot/{name}" in inside
    assert [name for name in inside if name.endswith("manifest.schema.json")]
    catalog = (ROOT / "catalogs" / "cvpilot.yml").read_bytes()
    assert wheel.read("intake_cvpilot/cvpilot.yml") == catalog


def test_the_wheel_names_driver_and_command(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    entries = wheel.read(name).decode()
    assert "cvpilot = intake_cvpilot.command:main" in entries
    assert "[intake.drivers]\ncvpilot = intake_cvpilot.driver:CVPilotSource" in entries


def test_each_dependency_has_a_floor() -> None:
    wanted = list(PROJECT["project"]["dependencies"])
    for extra in PROJECT["project"]["optional-dependencies"].values():
        wanted += [one for one in extra if not one.startswith("intake-cvpilot[")]
    floor = re.compile(r"[a-z0-9-]+(\[[a-z0-9,]+\])?>=[0-9.]+(; sys_platform == 'linux')?")
    assert [one for one in wanted if not floor.fullmatch(one)] == []


def test_what_the_code_imports_is_declared() -> None:
    project = PROJECT["project"]
    engines = [
        project["optional-dependencies"][one]
        for one in ("cluster", "polars", "duckdb", "spark", "geo")
    ]
    needs = sum(engines, project["dependencies"])
    declared = {re.split(r"[\[>]", one)[0].lower() for one in needs}
    known = {"intake_cvpilot", *sys.stdlib_module_names}
    providers = packages_distributions()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in {name.partition(".")[0] for name in names} - known:
                given = {one.lower() for one in providers[name]}
                assert given & declared, f"{path.name} imports {name}"


# Pages


def test_the_readme_opens_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line.split("#")[0].strip() for line in lines if line.startswith("    ")]
    assert commands[:2] == ["make demo", "make test"]
    assert lines.index("") + 1 == next(i for i, x in enumerate(lines) if x.startswith("    make"))


def test_commands_on_the_pages_exist() -> None:
    from intake_cvpilot.cli import cli

    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:^ {4}|`)make ([a-z]+)", text, flags=re.MULTILINE)) <= targets, (
            page
        )
        said = set(re.findall(r"(?:^ {4}|`)cvpilot ([a-z]+)", text, flags=re.MULTILINE))
        assert said <= set(cli.commands), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_examples_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archive(tmp_path / "archive", records_per_hour=2)
    monkeypatch.setenv("CVPILOT_ARCHIVE", str(tmp_path / "archive"))
    text = (ROOT / page).read_text(encoding="utf-8")
    for place, here in (
        ("/data/cvpilot", "archive"),
        ("demo/archive", "archive"),
        ("demo/cache", "c"),
    ):
        text = text.replace(place, f"{tmp_path}/{here}")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert len(names["frame" if page == "README.md" else "fast"]) > 0
