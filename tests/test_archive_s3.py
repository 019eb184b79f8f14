"""The S3 archive against a server with the semantics of S3 (moto on 127.0.0.1)."""

from __future__ import annotations

import hashlib
import logging
import pickle
import subprocess
import sys

import botocore.session
import pytest
from moto.server import ThreadedMotoServer

from intake_cvpilot.archive import PUBLIC, identity, open_archive
from intake_cvpilot.archive.policy import Policy
from intake_cvpilot.errors import (
    AccessDeniedError,
    ArchiveError,
    ChangedError,
    InvalidRequestError,
)

DAY = "wydot/BSM/2021/04/01/"
SECRETS = ("AKIDEXAMPLE", "wJalrEXAMPLEKEY", "FwoGZEXAMPLETOKEN")
FAST = Policy(attempts=3, first_wait=0.01, longest_wait=0.02)


@pytest.fixture(scope="module")
def moto():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def client(moto):
    session = botocore.session.Session()
    session.set_credentials("owner", "owner")
    return session.create_client("s3", region_name="us-east-1", endpoint_url=moto)


@pytest.fixture
def bucket_of(client, request):
    """Make a bucket of some objects that anyone may read."""

    def bucket_of(objects, acl="public-read", step=1):
        name = "t" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
        client.create_bucket(Bucket=name)
        for n, (key, body) in enumerate(objects.items()):
            # Setting rights takes moto half of the time.
            rights = {"ACL": acl} if n % step == 0 else {}
            client.put_object(Bucket=name, Key=key, Body=body, **rights)
        return name

    return bucket_of


@pytest.fixture
def opened(moto):
    def opened(bucket, rate=None, **options):
        options = {"endpoint_url": moto, **options}
        return open_archive(f"s3://{bucket}", storage_options=options, rate=rate, policy=FAST)

    return opened


def fetched(archive, folder, prefix=DAY):
    found = {}
    for received in archive.read(archive.snapshot(prefix).units, folder):
        body = received.path.read_bytes()
        assert received.path.parent == folder
        assert received.digest in {hashlib.md5(body).hexdigest(), hashlib.sha256(body).hexdigest()}
        found[received.unit.key] = body
    return found


def test_a_day_of_many_pages_is_listed_and_read_whole(bucket_of, opened, tmp_path):
    objects = {f"{DAY}{n % 24:02}/{n:04}": str(n).encode() for n in range(1003)}
    outside = {"wydot/BSM/2021/04/010/x": b"", "wydot/BSM/2021/04/02/00/x": b"other"}
    archive = opened(bucket_of(objects | outside, step=20))
    snapshot = archive.snapshot(DAY)
    assert [unit.key for unit in snapshot.units] == sorted(objects)
    assert snapshot.bytes == sum(map(len, objects.values()))
    assert snapshot.authoritative
    assert all(unit.last_modified.utcoffset().total_seconds() == 0 for unit in snapshot.units)
    assert archive.traffic.lists == 2
    some = [unit for unit in snapshot.units if int(unit.key[-4:]) % 20 == 0]
    assert {r.unit for r in archive.read(some, tmp_path)} == set(some)
    assert archive.traffic.reads == len(some)
    assert archive.traffic.requests == 2 + len(some)


ODD = [
    "16/../../../../../../etc/passwd",
    "../up",
    "/absolute",
    "double//slash",
    "./here",
    "with space+plus&and=is?question#hash%25per%cent",
    "caf\u00e9",
    "cafe\u0301",
    "\U0001f697",
    "quote\"'<tag>&amp;",
    "control\x01\x1f",
    "back\\slash",
    "tilde~star*(paren)!",
    "k" * 300,
]


@pytest.mark.parametrize("signed", [False, True])
def test_keys_of_any_kind_are_read_and_never_become_paths(bucket_of, opened, tmp_path, signed):
    objects = {DAY + key: key.encode() for key in ODD}
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    options = {"key": "k", "secret": "s"} if signed else {}
    assert fetched(opened(bucket_of(objects), **options), folder) == objects
    assert len(list(folder.iterdir())) == len(ODD)
    assert sorted(tmp_path.rglob("*")) == sorted([folder.parent, folder, *folder.iterdir()])


def test_empty_objects_are_units_and_folder_markers_are_none(bucket_of, opened, tmp_path):
    bucket = bucket_of({DAY: b"", f"{DAY}07/": b"", f"{DAY}07/empty": b"", f"{DAY}07/x": b"x"})
    assert fetched(opened(bucket), tmp_path) == {f"{DAY}07/empty": b"", f"{DAY}07/x": b"x"}


def test_an_empty_day_is_known_to_be_empty(bucket_of, opened):
    another = DAY.replace("04/01", "04/02")
    archive = opened(bucket_of({f"{another}00/a": b""}))
    snapshot = archive.snapshot(DAY)
    assert snapshot.units == ()
    assert snapshot.authoritative
    asked = archive.traffic.requests
    archive.snapshot(DAY)
    assert archive.traffic.requests == asked + 1, "its top folder was looked at once"


def test_a_bucket_without_the_table_at_all_is_not_empty_days(bucket_of, opened):
    bucket = bucket_of({f"{DAY}00/a": b"a", f"copy/{DAY}00/a": b"a"})
    for wrong in ("", "/wydot", "/cop"):
        other = DAY if wrong else DAY.replace("BSM", "TIM")
        with pytest.raises(ArchiveError, match="at all, so an empty day of it proves nothing"):
            opened(bucket + wrong).snapshot(other)
    assert len(opened(f"{bucket}/copy").snapshot(DAY).units) == 1


def test_an_archive_may_lie_below_a_bucket(bucket_of, opened, tmp_path):
    archive = opened(bucket_of({f"lab/copy/{DAY}07/a": b"a", f"{DAY}07/b": b"b"}) + "/lab/copy/")
    assert fetched(archive, tmp_path) == {f"{DAY}07/a": b"a"}
    assert archive.identity.split("?")[0].endswith("/lab/copy")


def test_what_is_private_needs_credentials(bucket_of, opened, tmp_path):
    bucket = bucket_of({f"{DAY}07/a": b"a"}, acl="private")
    with pytest.raises(AccessDeniedError, match=r"07/a: access denied \(HTTP 403.*profile"):
        fetched(opened(bucket), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert fetched(opened(bucket, key="k", secret="s", token="t"), tmp_path)


def test_the_environment_is_used_only_when_not_anonymous(bucket_of, opened, tmp_path, monkeypatch):
    bucket = bucket_of({f"{DAY}07/a": b"a"}, acl="private")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SECRETS[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS[1])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "mars-1")
    assert fetched(opened(bucket, anon=False), tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "there-is-none")
    with pytest.raises(AccessDeniedError):
        fetched(opened(bucket), tmp_path)


def test_a_profile_is_read_from_the_configuration(bucket_of, opened, tmp_path, monkeypatch):
    bucket = bucket_of({f"{DAY}07/a": b"a"}, acl="private")
    config = tmp_path / "config"
    config.write_text(
        f"[profile lab]\naws_access_key_id = {SECRETS[0]}\naws_secret_access_key = {SECRETS[1]}\n"
        "region = us-east-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert fetched(opened(bucket, profile="lab"), tmp_path)
    with pytest.raises(InvalidRequestError, match="it has: lab"):
        opened(bucket, profile="other")


def test_no_credentials_at_all_are_told(bucket_of, opened, tmp_path, monkeypatch):
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AccessDeniedError, match="no AWS credentials found"):
        opened(bucket_of({}), anon=False).snapshot(DAY)


def test_a_bucket_that_is_not_there_is_an_error_at_once(opened):
    archive = opened("there-is-no-such")
    with pytest.raises(ArchiveError, match="no such bucket"):
        archive.snapshot(DAY)
    assert archive.traffic.requests == 1


def test_an_object_that_was_replaced_is_a_change(bucket_of, opened, client, tmp_path):
    bucket = bucket_of({f"{DAY}07/a": b"one", f"{DAY}07/b": b"two"})
    archive = opened(bucket)
    before = archive.snapshot(DAY)
    client.put_object(Bucket=bucket, Key=f"{DAY}07/a", Body=b"new", ACL="public-read")
    with pytest.raises(ChangedError, match="07/a"):
        list(archive.read(before.units[:1], tmp_path))
    after = archive.snapshot(DAY)
    assert after.fingerprint != before.fingerprint
    assert fetched(archive, tmp_path) == {f"{DAY}07/a": b"new", f"{DAY}07/b": b"two"}


def test_an_object_of_several_parts_is_read(bucket_of, opened, client, tmp_path):
    bucket, key = bucket_of({}), f"{DAY}07/big"
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, ACL="public-read")
    parts = []
    for number, body in enumerate((b"x" * 5 * 2**20, b"y" * 100), 1):
        sent = client.upload_part(
            Bucket=bucket, Key=key, UploadId=upload["UploadId"], PartNumber=number, Body=body
        )
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    client.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )
    archive = opened(bucket)
    assert archive.snapshot(DAY).units[0].etag.endswith("-2")
    assert fetched(archive, tmp_path)[key] == b"x" * 5 * 2**20 + b"y" * 100


def test_a_disk_that_is_full_is_no_fault_of_the_archive(bucket_of, opened, tmp_path):
    from intake_cvpilot.errors import CacheError

    archive = opened(bucket_of({f"{DAY}07/a": b"x"}))
    with pytest.raises(CacheError, match="cannot be written"):
        list(archive.read(archive.snapshot(DAY).units, tmp_path / "not-there"))


@pytest.mark.parametrize("prefix", ["wydot/BSM/2021/04/01", "/wydot/", ""])
def test_a_prefix_ends_with_a_slash(opened, prefix):
    with pytest.raises(InvalidRequestError, match="slash"):
        opened("some").snapshot(prefix)


# Identity and options


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        (PUBLIC, None, PUBLIC),
        (f"{PUBLIC}/", {}, PUBLIC),
        ("s3a://some/deep//", None, "s3://some/deep"),
        (PUBLIC, {"profile": "lab", "requester_pays": True}, PUBLIC),
        (PUBLIC, {"endpoint_url": "https://s3.amazonaws.com"}, PUBLIC),
        (PUBLIC, {"endpoint_url": "https://s3.us-east-1.amazonaws.com/"}, PUBLIC),
        ("s3://b-1", {"endpoint_url": "HTTPS://MinIO.lab:443/"}, "s3://b-1?endpoint=https://minio.lab"),
        ("s3://b-1", {"client_kwargs": {"endpoint_url": "http://h:9000"}}, "s3://b-1?endpoint=http://h:9000"),
        ("s3://b-1", {"endpoint_url": "http://[::1]:9000"}, "s3://b-1?endpoint=http://[::1]:9000"),
    ],
)  # fmt: skip
def test_an_archive_has_one_identity_in_all_spellings(url, options, expected):
    assert identity(url, options) == expected
    assert open_archive(url, storage_options=options, offline=True).identity == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"anonymous": True}, "anonymous.*valid are: anon"),
        ({"client_kwargs": {"region": "x"}}, "region_name"),
        ({"config_kwargs": {"retries": 3}}, "valid are: s3"),
        ({"client_kwargs": 3}, "client_kwargs is a mapping"),
        ({"key": "SECRET"}, "go together"),
        ({"token": "SECRET"}, "go together"),
        ({"key": "SECRET", "secret": "SECRET", "anon": True}, "contradict"),
        ({"requester_pays": True, "anon": True}, "signed"),
        ({"anon": "yes"}, "anon is true or false"),
        ({"key": 3, "secret": "SECRET"}, "key is text"),
        ({"addressing_style": "SIDEWAYS"}, "auto, path, virtual"),
        ({"endpoint_url": "minio.lab:9000"}, "endpoint_url is http"),
        ({"endpoint_url": "http://me:SECRET@minio.lab"}, "credentials go into"),
        ({"endpoint_url": "http://minio.lab:port"}, "endpoint_url is no URL"),
        ({"client_kwargs": {"region_name": "us east"}}, "us-east-1"),
    ],
)
def test_options_that_are_not_valid_are_told_without_values(options, words):
    with pytest.raises(InvalidRequestError, match=words) as raised:
        open_archive("s3://some", storage_options=options)
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3://",
        "s3://a",
        "s3://me:pw@some",
        "s3://some/x?versionId=1",
        "https://some.s3.amazonaws.com",
        "no-such-scheme://x",
    ],
)
def test_a_url_that_is_none_is_told(url):
    with pytest.raises(InvalidRequestError):
        open_archive(url)


def test_threads_are_at_least_one():
    with pytest.raises(InvalidRequestError, match="threads"):
        open_archive("s3://some", threads=0)


def test_secrets_show_nowhere(bucket_of, opened, tmp_path):
    """Not in representations, messages and pickles; and an archive is not pickled at all."""
    key, secret, token = SECRETS
    archive = opened("there-is-no-such", key=key, secret=secret, token=token)
    with pytest.raises(ArchiveError) as raised:
        archive.snapshot(DAY)
    texts = [repr(archive), str(vars(archive)), archive.identity, repr(archive.traffic)]
    error = raised.value
    while error is not None:
        texts.append(f"{error!r} {error}")
        error = error.__cause__ or error.__context__
    assert not [text for text in texts for hidden in SECRETS if hidden in text]
    with pytest.raises(TypeError):
        pickle.dumps(archive)


def test_secrets_may_come_in_secret_types(bucket_of, opened, tmp_path):
    class Secret:
        """As pydantic's SecretStr shows its value."""

        def __init__(self, value):
            self.get_secret_value = lambda: value

    bucket = bucket_of({f"{DAY}07/a": b"a"}, acl="private")
    assert fetched(opened(bucket, key=Secret("k"), secret=Secret("s")), tmp_path)


def test_the_public_bucket_is_asked_over_tls_in_its_own_host():
    from intake_cvpilot.archive.s3_options import S3Options

    name = PUBLIC.removeprefix("s3://")
    url = S3Options().bucket_url(name, "us-east-1")
    assert url == f"https://{name}.s3.us-east-1.amazonaws.com"
    assert (
        S3Options(style="path").bucket_url("b", "eu-west-1").endswith("eu-west-1.amazonaws.com/b")
    )
    assert S3Options().bucket_url("dots.in.it", "us-east-1").endswith(".com/dots.in.it")
    assert (
        S3Options().bucket_url("bbb", "cn-north-1") == "https://bbb.s3.cn-north-1.amazonaws.com.cn"
    )
    there = S3Options(endpoint="http://h:9000", style="virtual")
    assert there.bucket_url("bbb", "x") == "http://bbb.h:9000"


def test_opening_the_package_loads_no_client():
    script = (
        "import sys, intake_cvpilot.archive as a; a.identity(); "
        "print({'botocore', 'fsspec', 's3fs', 'urllib3'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"
