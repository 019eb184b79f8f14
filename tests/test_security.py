"""What hostile catalogs, keys and caches can not do, and what is never shown: docs/security.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import intake
import pytest
import yaml
from test_keep import tree

import intake_cvpilot as cv
from intake_cvpilot.cache.layout import check_key
from intake_cvpilot.synthetic import write_archive

ROOT = Path(__file__).resolve().parents[1]
CANARIES = ("AKIACANARY", "CANARY-SECRET", "CANARY-TOKEN", "CANARY-LOGIN")


def catalog(tmp_path: Path, **args: str) -> Path:
    given = {"source": "wydot", "message_type": "BSM", "start": "2021-04-01", "end": "2021-04-01"}
    entry = {"driver": "intake_cvpilot.driver.CVPilotSource", "args": {**given, **args}}
    path = tmp_path / "hostile.yml"
    path.write_text(yaml.safe_dump({"sources": {"one": entry}}))
    return path


# Catalogs


def test_a_catalog_runs_no_shell(tmp_path):
    ran = tmp_path / "ran"
    for text in (f"{{{{ shell('touch {ran}') }}}}", f"{{{{ client_shell('touch {ran}') }}}}"):
        source = intake.open_catalog(str(catalog(tmp_path, cache_dir=text))).one
        assert source.request is not None
    assert not ran.exists()


def test_a_catalog_reads_the_environment_unless_it_may_not(tmp_path, monkeypatch):
    monkeypatch.setenv("CANARY", "/a/canary")
    path = str(catalog(tmp_path, archive="{{ env(CANARY) }}"))
    assert "/a/canary" in repr(intake.open_catalog(path).one)
    assert "/a/canary" not in repr(intake.open_catalog(path, getenv=False).one)


def test_a_catalog_makes_no_python_objects(tmp_path):
    ran = tmp_path / "ran"
    path = tmp_path / "hostile.yml"
    path.write_text(f"sources: !!python/object/apply:os.system ['touch {ran}']\n")
    with pytest.raises(yaml.YAMLError):
        list(intake.open_catalog(str(path)))
    assert not ran.exists()


def test_the_library_loads_yaml_safely_and_no_pickle():
    for path in sorted((ROOT / "intake_cvpilot").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        loads = re.findall(r"yaml\.(?:unsafe_|full_)?load(?:_all)?\((.*)", text)
        assert all("SafeLoader" in load for load in loads), path
        assert "pickle.load" not in text, path
        assert "allow_pickle=True" not in text, path
        assert "eval(" not in text.replace("literal_eval(", ""), path


# Keys


@pytest.mark.parametrize(
    "key",
    [
        *("../wydot/BSM/2021/04", "wydot/BSM/2021/04/..", "/wydot/BSM/2021/04/01"),
        *("wydot/BSM/2021/04/01/../02", "wydot/BSM/2021/04/01\n", "wydot/BSM/2021/04/0\u0661"),
        *("wydot//BSM/2021/04/01", "wydot/BSM/2021/04/01/", "wydot\0/BSM/2021/04/01"),
        *("WYDOT/bsm/2021/04/01", "wydot/BSM/2021/13/01", ""),
    ],
)
def test_no_other_text_becomes_a_path(key):
    with pytest.raises(cv.InvalidRequestError):
        check_key(key)


def test_names_of_objects_are_never_paths(tmp_path):
    """Objects whose keys are odd names; what they hold is read, and nothing is named after them."""
    made = write_archive(tmp_path / "archive", records_per_hour=1)
    day = made.folder / "wydot/BSM/2021/04/01"
    one = next(path for path in day.rglob("*") if path.is_file())
    for name in ("..%2f..%2fetc", "a\nb", "\u202egnp.exe", "x" * 200, "..."):
        one.with_name(name).write_bytes(one.read_bytes())
    cache = tmp_path / "cache"
    cv.fetch("wydot", "bsm", "2021-04-01", "2021-04-01", archive=made.folder, cache_dir=cache)
    names = {part for name in tree(cache) for part in Path(name).parts}
    assert not [name for name in names if "etc" in name or "gnp" in name or "\n" in name]
    where = {"archive": made.folder, "cache_dir": cache}
    assert len(cv.objects("wydot", "bsm", "2021-04-01", "2021-04-01", **where)) > 5


# Credentials

TALKATIVE = """
import json, logging, os, pickle, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
import cloudpickle
import intake_cvpilot as cv
from intake_cvpilot.driver import CVPilotSource

options = json.loads(os.environ["CVPILOT_STORAGE_OPTIONS"])
where = {"cache_dir": sys.argv[1], "storage_options": options}
day = ("wydot", "BSM", "2021-04-01", "2021-04-01")
login = "user:CANARY-LOGIN@"
for archive in (sys.argv[2], f"s3://{login}bucket", f"https://{login}127.0.0.1:1/x"):
    for call in (cv.plan, cv.fetch, cv.open_dask):
        try:
            made = call(*day, archive=archive, **where)
            print(repr(made), made)
            if call is cv.open_dask:
                sys.stdout.buffer.write(cloudpickle.dumps(made.__dask_graph__()))
            elif hasattr(made, "to_dict"):
                print(made.to_dict())
        except Exception as error:
            print(repr(error), error, getattr(error, "__notes__", ""))
    for call in (cv.verify, cv.status, cv.repair, cv.doctor):
        try:
            made = call(archive=archive, **where)
            print(repr(made), made, made.to_dict())
        except Exception as error:
            print(repr(error), error)
    try:
        source = CVPilotSource(*day, archive=archive, **where)
        print(repr(source), source.yaml())
        sys.stdout.buffer.write(pickle.dumps(source))
    except Exception as error:
        print(repr(error), error)
"""


def test_no_credential_is_in_the_cache_a_log_a_text_a_pickle_or_a_graph(tmp_path):
    made = write_archive(tmp_path / "archive", records_per_hour=1)
    cache = tmp_path / "cache"
    options = {"key": CANARIES[0], "secret": CANARIES[1], "token": CANARIES[2], "anon": False}
    environment = {
        "CVPILOT_STORAGE_OPTIONS": json.dumps({**options, "endpoint_url": "http://127.0.0.1:1"}),
        "AWS_ACCESS_KEY_ID": CANARIES[0],
        "AWS_SECRET_ACCESS_KEY": CANARIES[1],
        "AWS_SESSION_TOKEN": CANARIES[2],
    }
    plain = ("wydot", "BSM", "2021-04-01", "2021-04-01")
    cv.fetch(*plain, archive=made.folder, cache_dir=cache)
    done = subprocess.run(
        [sys.executable, "-c", TALKATIVE, str(cache), str(made.folder)],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert len(done.stdout) > 2000
    for canary in CANARIES:
        assert canary.encode() not in done.stdout
        assert canary.encode() not in done.stderr
        for name, data in tree(tmp_path).items():
            assert canary.encode() not in data, name
            assert canary not in name
