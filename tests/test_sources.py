"""sources.yaml: what it says, and that a slip in it is found with its place."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from intake_cvpilot import CVPilotError, InvalidRequestError
from intake_cvpilot.sources import Coverage, load, message_type, source, sources

ENTRIES = {
    ("wydot", "BSM"): {"messages": "wydot_bsm"},
    ("wydot", "TIM"): {"frames": "wydot_tim"},
    ("wydot_backup", "BSM"): {"messages": "wydot_backup_bsm"},
    ("wydot_backup", "TIM"): {"frames": "wydot_backup_tim"},
    ("thea", "BSM"): {"messages": "thea_bsm"},
    ("thea", "TIM"): {"frames": "thea_tim"},
    ("thea", "SPAT"): {"movements": "thea_spat"},
    ("nycdot", "EVENT"): {"events": "nycdot_event", "bsms": "nycdot_event_bsms"},
    ("wydot_portal", "BSM"): {"messages": "wydot_portal_bsm"},
    ("wydot_portal", "TIM"): {"frames": "wydot_portal_tim"},
    ("thea_portal", "BSM"): {"messages": "thea_portal_bsm"},
    ("thea_portal", "TIM"): {"frames": "thea_portal_tim"},
    ("thea_portal", "SPAT"): {"movements": "thea_portal_spat"},
    ("nycdot_portal", "EVENT"): {
        "events": "nycdot_portal_event",
        "bsms": "nycdot_portal_event_bsms",
    },
}


def test_what_the_archive_holds():
    found = {(s.name, t.name): t.catalog for s in sources().values() for t in s.types.values()}
    assert found == ENTRIES
    assert message_type("nycdot", "EVENT").tables == ("events", "bsms")


def test_clocks_bins_spills_and_framing():
    facts = {s.name: (s.clock, s.bins, s.spill) for s in sources().values()}
    assert facts == {
        "wydot": ("UTC", "day", timedelta(0)),
        "wydot_backup": ("UTC", "day", timedelta(0)),
        "thea": ("America/New_York", "day", timedelta(hours=1)),
        "nycdot": ("America/New_York", "weekday", timedelta(0)),
        "wydot_portal": ("UTC", "day", timedelta(0)),
        "thea_portal": ("America/New_York", "day", timedelta(0)),
        "nycdot_portal": ("America/New_York", "weekday", timedelta(0)),
    }
    framing = {t.framing for t in source("nycdot").types.values()}
    assert framing == {"objects"}
    assert {t.framing for n in ("wydot", "thea") for t in source(n).types.values()} == {"lines"}


def test_every_source_tells_its_licence_and_where_it_lives():
    for each in sources().values():
        assert each.licence.url.startswith("https://")
        portal = each.name.endswith("_portal")
        home = (
            "socrata://data.transportation.gov" if portal else "s3://usdot-its-cvpilot-publicdata"
        )
        assert each.archive == home
        assert (each.of is not None) == portal
        assert all((kind.dataset is not None) == portal for kind in each.types.values())
        assert each.description
        assert each.agency
    assert source("nycdot").licence.name == "CC BY 4.0"
    assert "not stated" in source("thea").licence.name


def test_coverage_is_called_evidence():
    text = str(message_type("wydot", "BSM").coverage)
    assert text == "seen from 2017-08-15 to 2021-04-30 (evidence, not limits)"
    assert str(Coverage(latest="2020")) == "seen until 2020 (evidence, not limits)"
    assert str(message_type("nycdot", "EVENT").coverage).startswith("seen from 2021-04 (evid")
    assert str(message_type("wydot_backup", "BSM").coverage).startswith("no dates are known")


@pytest.mark.parametrize("name", ["wydot", "WYDOT", "Wydot"])
@pytest.mark.parametrize("kind", ["bsm", "BSM", "Bsm"])
def test_any_case_is_accepted(name, kind):
    assert source(name).name == "wydot"
    assert message_type(name, kind).name == "BSM"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("wydto", "BSM", "no source 'wydto' (did you mean wydot?); sources: wydot, wydot_backup"),
        ("x", "BSM", "no source 'x'; sources: wydot, wydot_backup, thea, nycdot"),
        ("wydot", "SPAT", "wydot has no message type 'SPAT'; message types of wydot: BSM, TIM"),
        ("nycdot", "evnt", "(did you mean EVENT?); message types of nycdot: EVENT"),
        (None, "BSM", "a source is text, not NoneType"),
        ("wydot", 3, "a message type is text, not int"),
        ("wydot ", "BSM", "no source 'wydot '"),
    ],
)
def test_unknown_names_list_what_there_is(name, kind, message):
    with pytest.raises(InvalidRequestError) as caught:
        message_type(name, kind)
    assert message in str(caught.value)


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_other_name_is_refused_in_few_words(name, kind):
    if (name.casefold(), kind.upper()) in ENTRIES:
        return
    with pytest.raises(InvalidRequestError) as caught:
        message_type(name, kind)
    assert len(str(caught.value)) < 300


GOOD = {
    "here": {
        "agency": "An agency",
        "title": "A title",
        "description": "Words",
        "licence": {"name": "CC0", "url": "https://example.org/"},
        "clock": "UTC",
        "bins": "day",
        "spill": "PT0S",
        "archive": "s3://bucket",
        "types": {"BSM": {"title": "t", "framing": "lines", "tables": {"messages": "here_bsm"}}},
    }
}


def changed(path: str, value: object) -> str:
    document = yaml.safe_load(yaml.safe_dump(GOOD))
    place = document
    *parents, last = path.split(".")
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return yaml.safe_dump(document)


def test_a_new_agency_is_an_entry():
    loaded = load(yaml.safe_dump(GOOD), "more.yaml")
    assert loaded["here"].types["BSM"].tables == ("messages",)
    assert loaded["here"].types["BSM"].coverage == Coverage()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("here.clock", "Mars/Phobos"),
        ("here.clock", None),
        ("here.agency", ""),
        ("here.agency", 5),
        ("here.colour", "red"),
        ("here.spill", "one hour"),
        ("here.spill", "-PT1H"),
        ("here.types", {}),
        ("here.types.BSM.framing", "csv"),
        ("here.types.BSM.tables", {}),
        ("here.types.BSM.coverage", {"earliest": 2019}),
        ("here.licence.url", None),
    ],
)
def test_a_slip_is_named_with_file_and_entry(path, value):
    with pytest.raises(CVPilotError, match=r"^more\.yaml: ") as caught:
        load(changed(path, value), "more.yaml")
    assert path in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "- a list", "here: [", "here: text", "here: {types: 5}", "5: {}", "a: 2020-01-01"]
)
def test_a_file_of_another_shape_is_named(text):
    with pytest.raises(CVPilotError, match=r"^more\.yaml: "):
        load(text, "more.yaml")


@pytest.mark.parametrize("name", ["Here", "he/re", "..", "he re", ""])
def test_names_that_are_no_key_components_are_refused(name):
    with pytest.raises(CVPilotError, match=r"more\.yaml: "):
        load(yaml.safe_dump({name: GOOD["here"]}), "more.yaml")
    if name != "Here":
        with pytest.raises(CVPilotError, match=r"more\.yaml: "):
            load(changed("here.types", {name: GOOD["here"]["types"]["BSM"]}), "more.yaml")


def test_two_tables_cannot_have_one_catalog_entry():
    twice = {**GOOD["here"]["types"], "TIM": GOOD["here"]["types"]["BSM"]}
    with pytest.raises(CVPilotError, match=r"here\.types\.TIM\.tables\.messages: here_bsm is"):
        load(changed("here.types", twice), "more.yaml")
