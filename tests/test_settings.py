"""Settings: which value wins, what is valid, and that nothing secret is shown."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from intake_cvpilot import InvalidRequestError
from intake_cvpilot.exits import Exit
from intake_cvpilot.options import Options
from intake_cvpilot.settings import SETTINGS, Secrets, Settings, resolve, unknown
from intake_cvpilot.sources import sources

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

# name, text in the environment, what it gives, an argument, what it gives
CASES = [
    ("cache_dir", "/env/cache", Path("/env/cache"), "/arg/cache", Path("/arg/cache")),
    ("cache_options", '{"anon": true}', Secrets({"anon": True}), {"a": 1}, Secrets({"a": 1})),
    ("archive", "/env/copy", "/env/copy", Path("/arg/copy"), "/arg/copy"),
    ("storage_options", '{"anon": true}', Secrets({"anon": True}), {"a": 1}, Secrets({"a": 1})),
    ("offline", "on", True, False, False),
    ("max_bytes", "2GB", 2 * 10**9, "1.5 GiB", 3 * 2**29),
    ("cache_limit", "2GB", 2 * 10**9, None, None),
    ("rate", "2.5", 2.5, None, None),
    ("jobs", "3", 3, 2, 2),
    ("lock_timeout", "5", 5.0, 0.5, 0.5),
    ("settle", "30", timedelta(days=30), timedelta(hours=3), timedelta(hours=3)),
    ("recheck", "0.5", timedelta(hours=12), 2, timedelta(days=2)),
    ("codec", "zstd", "zstd", "snappy", "snappy"),
    ("verify", "never", "never", "once", "once"),
    ("progress", "no", False, True, True),
    ("app_token", "abc", Secrets({"app_token": "abc"}), "xyz", Secrets({"app_token": "xyz"})),
]


def test_every_setting_has_a_case():
    assert [case[0] for case in CASES] == [setting.name for setting in SETTINGS]


@pytest.mark.parametrize(("name", "text", "from_text", "argument", "from_argument"), CASES)
def test_argument_then_environment_then_default(name, text, from_text, argument, from_argument):
    variable = f"CVPILOT_{name.upper()}"
    default = resolve(environ={})
    assert default.origins[name] == "default"
    settings = resolve(environ={variable: text})
    assert getattr(settings, name) == from_text
    assert settings.origins[name] == variable
    settings = resolve(environ={variable: text}, **{name: argument})
    assert getattr(settings, name) == from_argument
    assert settings.origins[name] == "argument"
    assert resolve(environ={variable: "  "}) == default


def test_defaults():
    settings = resolve(environ={})
    assert settings.cache_dir.is_absolute()
    assert settings.cache_dir.name == "intake-cvpilot"
    assert settings.max_bytes == 50 * 10**9
    assert settings.rate == 10
    assert settings.offline is False
    assert settings.jobs is settings.progress is None
    assert (settings.settle, settings.recheck) == (timedelta(days=60), timedelta(days=1))


@pytest.mark.parametrize("name", sources())
def test_a_source_names_its_archive(name):
    assert resolve(source=name, environ={}).archive == sources()[name].archive


def test_the_process_environment_is_read_when_asked_and_not_before(monkeypatch):
    monkeypatch.setenv("CVPILOT_RATE", "3")
    assert resolve().rate == 3
    monkeypatch.setenv("CVPILOT_RATE", "none")
    assert resolve().rate is None


@pytest.mark.parametrize("name", ["max_bytes", "rate"])
def test_none_lifts_a_limit_in_both_forms(name):
    assert getattr(resolve(environ={f"CVPILOT_{name.upper()}": "None"}), name) is None
    assert getattr(resolve(environ={f"CVPILOT_{name.upper()}": "7"}, **{name: None}), name) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("50GB", 50 * 10**9), ("1.5 GiB", 3 * 2**29), ("123", 123), (" 2kB ", 2000), (0, 0)],
)
def test_sizes(text, value):
    assert resolve(max_bytes=text, environ={}).max_bytes == value


def test_relative_folders_and_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert resolve(cache_dir="here").cache_dir == tmp_path / "here"
    assert resolve(cache_dir="~/c").cache_dir == tmp_path / "home" / "c"
    assert resolve(archive="~/copy").archive == str(tmp_path / "home" / "copy")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache_dir", ""),
        ("cache_dir", 5),
        ("cache_dir", b"x"),
        ("cache_dir", "a\0b"),
        ("cache_dir", "~no-such-user-here/x"),
        ("archive", " "),
        ("storage_options", "[1]"),
        ("storage_options", "{'a': 1}"),
        ("storage_options", {1: 2}),
        ("storage_options", "[" * 100_000),
        ("offline", "maybe"),
        ("max_bytes", "50 bananas"),
        ("max_bytes", "-1"),
        ("max_bytes", -1),
        ("max_bytes", True),
        ("max_bytes", "9" * 400 + "EB"),
        ("rate", 0),
        ("rate", "-3"),
        ("rate", "fast"),
        ("rate", float("inf")),
        ("rate", True),
        ("jobs", 0),
        ("jobs", "1.5"),
        ("lock_timeout", -1),
        ("lock_timeout", "nan"),
        ("settle", -1),
        ("settle", timedelta(days=-1)),
        ("recheck", 1e300),
        ("verify", "always"),
        ("progress", "perhaps"),
    ],
)
def test_bad_values_name_the_argument_or_the_variable(name, value):
    with pytest.raises(InvalidRequestError, match=rf"^{name}: .* give ") as caught:
        resolve(environ={}, **{name: value})
    assert caught.value.__cause__ is None
    assert len(str(caught.value)) < 200
    if isinstance(value, str) and value.strip():
        variable = f"CVPILOT_{name.upper()}"
        with pytest.raises(InvalidRequestError, match=rf"^{variable}: "):
            resolve(environ={variable: value})


@hypothesis_settings(deadline=None)
@given(st.sampled_from(SETTINGS), st.text(max_size=30) | st.integers() | st.floats() | st.binary())
def test_any_value_is_settled_or_refused(setting, value):
    try:
        settings = resolve(environ={}, **{setting.name: value})
    except InvalidRequestError:
        return
    assert isinstance(settings, Settings)
    assert all(isinstance(row.value, str) for row in settings.describe())


CANARY = "AKIACANARY"


def test_secrets_are_shown_nowhere():
    options = {"key": CANARY, "client_kwargs": {"aws_secret_access_key": CANARY}, "anon": False}
    settings = resolve(
        environ={}, archive=f"https://me:{CANARY}@host/x?sig={CANARY}", storage_options=options
    )
    shown = [repr(settings), str(settings), repr(settings.describe())]
    shown += [repr(settings.storage_options), f"{settings.storage_options}"]
    assert not any(CANARY in text for text in shown)
    assert "'anon': False" in repr(settings)
    # And what is to be used is whole.
    assert dict(settings.storage_options) == options
    assert len(settings.storage_options) == 3
    assert settings.archive.count(CANARY) == 2
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize(
    "url",
    [f"s3://id:{CANARY}/with/slash@bucket/a", f"https://h/x?a=1&b={CANARY}", f"ftp://{CANARY}@h"],
)
def test_credentials_in_a_url_are_masked(url):
    rows = resolve(environ={}, archive=url).describe()
    assert CANARY not in next(row.value for row in rows if row.name == "archive")


def test_a_plain_url_is_shown_as_it_is():
    rows = resolve(environ={}, archive="/data/a=b/copy@home").describe()
    assert next(row.value for row in rows if row.name == "archive") == "/data/a=b/copy@home"


@pytest.mark.parametrize("text", [f'{{"key": "{CANARY}"', f'["{CANARY}"]'])
def test_errors_do_not_repeat_secrets(text):
    with pytest.raises(InvalidRequestError) as caught:
        resolve(environ={"CVPILOT_STORAGE_OPTIONS": text})
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_description_tells_where_each_value_came_from():
    rows = resolve(environ={"CVPILOT_RATE": "none"}, jobs=2).describe()
    assert [row.name for row in rows] == [setting.name for setting in SETTINGS]
    by_name = {row.name: row[1:] for row in rows}
    assert by_name["rate"] == ("none", "CVPILOT_RATE")
    assert by_name["jobs"] == ("2", "argument")
    assert by_name["max_bytes"] == ("50,000,000,000 bytes", "default")
    assert by_name["settle"] == ("60 days", "default")
    assert by_name["recheck"] == ("1 day", "default")
    assert by_name["progress"] == ("auto", "default")


def test_variables_that_are_no_settings_are_named():
    environ = {"CVPILOT_CACHEDIR": "x", "CVPILOT_RATE": "1", "PATH": "y"}
    assert unknown(environ) == ("CVPILOT_CACHEDIR (did you mean CVPILOT_CACHE_DIR?)",)


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        resolve(environ={}).rate = 1


def test_the_page_lists_what_the_code_has():
    rows = re.findall(r"^\| `(.+) \|$", PAGE.read_text(), re.MULTILINE)
    table = [[cell.strip(" `") for cell in row.split(" | ")] for row in rows]
    assert table == [
        [
            setting.name,
            setting.variable,
            f"{setting.name}=" if setting.name in Options.__annotations__ else "-",
            setting.default,
            setting.forms,
        ]
        for setting in SETTINGS
    ]


def test_importing_reads_and_makes_nothing(tmp_path):
    code = (
        "import sys, intake_cvpilot\n"
        "assert not {'msgspec', 'yaml', 'platformdirs'} & set(sys.modules)\n"
        "import intake_cvpilot.settings, intake_cvpilot.request\n"
        "from intake_cvpilot.sources import sources\n"
        "assert sources.cache_info().currsize == 0\n"
    )
    environ = {"HOME": str(tmp_path), "CVPILOT_RATE": "not valid", "PATH": ""}
    environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env=environ, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "archive", "found"),
    [
        ("wydot", "/copy", "/copy"),
        ("wydot_portal", "/copy", "socrata://data.transportation.gov"),
        ("wydot_portal", "socrata://other.example", "socrata://other.example"),
        ("wydot_portal", "/data/rows.csv", "/data/rows.csv"),
        ("wydot", "socrata://other.example", "s3://usdot-its-cvpilot-publicdata"),
    ],
)
def test_a_variable_for_the_bucket_does_not_lead_the_portal_astray(source, archive, found):
    variables = {
        "CVPILOT_ARCHIVE": archive,
        "CVPILOT_STORAGE_OPTIONS": '{"profile": "work"}',
        "CVPILOT_APP_TOKEN": "T0KEN",
    }
    settings = resolve(source=source, environ=variables)
    assert settings.archive == found
    portal = found.startswith("socrata:")
    assert dict(settings.reach) == (
        {"app_token": "T0KEN"} if portal else dict(settings.storage_options)
    )
    assert "T0KEN" not in repr(settings) + str(settings.describe())
    assert resolve(source=source, archive=archive, environ=variables).archive == archive


def test_the_page_lists_every_exit_code():
    page = PAGE.read_text(encoding="utf-8")
    for code in Exit:
        assert f"| {code.value} | `{code.name}` |" in page
    assert page.count("\n| ") >= len(Exit) + len(SETTINGS)
