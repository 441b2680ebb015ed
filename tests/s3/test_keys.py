"""Keys of any kind, and the identity of objects."""

from __future__ import annotations

import contextlib
import json

import pytest
from helpers.proxy import Proxy
from helpers.s3_runs import BAD, EARLIER, INPUT, OUTPUT, S3, ended
from helpers.waiting import wait_for

NAMES = [
    "a b.json",
    "a#b.json",
    "a?b.json",
    "a%20b.json",
    "a+b.json",
    "ä/é/日本.json",
    "a[1]*.json",
    "a=1&b=2;c@d:e,f$g.json",
    "~`^{|}<>\"'\\.json",
    " .json",
    "%2e%2e/x.json",
    "a.json.",
    "x" * 200 + "/" + "y" * 200 + ".json",
]


@pytest.mark.parametrize("key", NAMES)
def test_keys_are_taken_as_they_are_written(s3: S3, key: str) -> None:
    """Blanks, wildcards, escapes and letters of any script mean nothing in a key that exists, or in an output's."""
    s3.bucket.put(key, INPUT)
    flags = ("--input_format", "ldjson", "--output_format", "ldjson", "--prediction_log", "none")
    done = s3("-i", s3.bucket.uri(key), "-o", s3.bucket.uri(f"out/{key}"), *flags)
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.keys() == {"in.json", key, f"out/{key}"}
    assert s3.bucket.get(f"out/{key}") == OUTPUT


@pytest.mark.parametrize(
    "key", ["a//b.json", "/a.json", "//a.json", "../a.json", "a/../b.json", "./a.json", "a/./b.json"]
)
def test_keys_are_no_paths(s3: S3, proxy: Proxy, key: str) -> None:
    """Every request is for the very key that was written, whether the server takes such keys or not."""
    with contextlib.suppress(Exception):  # a server that refuses it, or a client
        s3.bucket.put(key.lstrip("/"), INPUT)
    before = s3.bucket.keys()
    out = key.replace(".json", ".out.json")
    done = s3("-i", s3.bucket.uri(key), "-o", s3.bucket.uri(out), "--prediction_log", "none", through=proxy)
    asked = {request.path.partition("?")[0].removeprefix(f"/{s3.bucket.name}/") for request in proxy.requests}
    asked.discard(f"/{s3.bucket.name}")  # where does the bucket lie?
    assert asked <= {key, out, out.replace(".json", ".rejects.ldjson")}
    assert key in asked
    if done.code:
        assert (done.err.startswith("model-etl: error: cannot "), s3.bucket.keys()) == (True, before)
    else:
        assert s3.bucket.get(out.lstrip("/")) == OUTPUT


def test_removing_an_object_with_a_leading_slash_removes_no_other(s3: S3, proxy: Proxy) -> None:
    """The rejects of `s3://bucket//out.json` are not those of `s3://bucket/out.json`."""
    s3.bucket.put("in.json", BAD)
    flags = ("--max_errors", "1", "--prediction_log", "none", "-o", f"s3://{s3.bucket.name}//out.json")
    assert s3(*flags).code == 0
    s3.bucket.put("in.json", INPUT)
    assert s3(*flags, through=proxy).code == 0
    deleted = [request.path for request in proxy.requests if request.matches("DELETE out.rejects.ldjson !uploadId")]
    assert deleted == [f"/{s3.bucket.name}//out.rejects.ldjson"]


@pytest.mark.parametrize("flag", ["-i", "-o", "--prediction_log", "--rejects", "--report"])
def test_a_key_that_is_no_text(s3: S3, flag: str) -> None:
    """Bytes that are no UTF-8 are no key: 2, and the message shows them."""
    for name, more in ((f"s3://{s3.bucket.name}/\udcff.json", ()), ("\udcff.json", ("--bucket", s3.bucket.name))):
        done = s3(*more, flag, name)
        assert (done.code, "\\udcff" in done.err, "UTF-8" in done.err) == (2, True, True), done.err
        assert "Traceback" not in done.err
    assert s3.bucket.keys() == {"in.json"}


@pytest.mark.parametrize(
    "name", ["s3://", "s3:///x.json", "s3:/{}/x.json", "S3://{}/in.json", "s3://A_b!/x.json", "gs://{}/x"]
)
@pytest.mark.parametrize("flag", ["-i", "-o"])
def test_names_that_are_no_objects(s3: S3, flag: str, name: str) -> None:
    """A name without a bucket or a key, or of another service, is refused with a word that helps, never with a bug."""
    name = name.format(s3.bucket.name)
    done = s3(flag, name, "--prediction_log", "none", "--rejects", "rejects.json")
    assert done.code in (2, 66, 73, 78), done.err
    assert ("Traceback" in done.err, name.partition("/")[0] in done.err) == (False, True)
    assert (s3.bucket.keys(), s3.etl.files()) == ({"in.json"}, set())


def test_a_bucket_is_a_folder(s3: S3) -> None:
    """A bucket without a key is a folder for inputs, with or without the last slash, and one for outputs with it."""
    other = f"{s3.bucket.name}-2"
    s3.bucket.client.make_bucket(other)
    try:
        for name in (f"s3://{s3.bucket.name}", f"s3://{s3.bucket.name}/"):
            done = s3("-i", name, "-o", f"s3://{other}/", "--prediction_log", "none", "--rejects", "rejects.json")
            assert (done.code, done.err) == (0, "")
            found = [found.object_name for found in s3.bucket.client.list_objects(other)]
            assert found == ["in.json"]
            s3.bucket.client.remove_object(other, "in.json")
    finally:
        s3.bucket.client.remove_bucket(other)


def ids(s3: S3) -> list[str]:
    """Give the ids of the predictions in the log."""
    return [json.loads(line)["id"] for line in s3.bucket.get("out.log.ldjson").splitlines()[1:]]


def test_prediction_ids_are_of_the_object(s3: S3, proxy: Proxy) -> None:
    """The same object has the same ids, by any name and endpoint; another content, or key, has others."""
    assert s3().code == 0
    first = ids(s3)
    for flags in (("-b", s3.bucket.name, "-i", "in.json"), ("-i", s3.bucket.uri("in*.json")), ()):
        assert s3(*flags, through=proxy).code == 0
        assert ids(s3) == first
    s3.bucket.put("in.json", INPUT.replace(b"2", b"3"))
    assert s3().code == 0
    second = ids(s3)
    s3.bucket.put("in2.json", INPUT)
    assert s3("-i", s3.bucket.uri("in2.json")).code == 0
    assert not {*first} & {*second}
    assert not {*first, *second} & {*ids(s3)}


@pytest.mark.slow
def test_an_object_that_is_replaced_while_it_is_read(s3: S3) -> None:
    """By the time that everything was read: 75, and nothing is published."""
    s3.bucket.put("out.json", EARLIER)
    s3.bucket.put("in.json", b'{"x":1}\n' * 500)
    run = s3.start("-m", "failing_models:Slow")
    wait_for((s3.etl.folder / "hanging").exists, run)
    s3.bucket.put("in.json", b'{"x":2}\n' * 500)
    code, err = ended(run)
    assert (code, "was changed while it was read; nothing was published" in err) == (75, True), err
    s3.check_untouched()


@pytest.mark.parametrize("then", ["replaced", "removed", "the same again"])
def test_an_object_that_changes_before_reading_goes_on(s3: S3, proxy: Proxy, then: str) -> None:
    """After a broken connection reading goes on in the same object only: 75 if it is another one."""
    s3.bucket.put("out.json", EARLIER)
    content = b'{"x":1,"unread":"%b"}\n' % (b"u" * 80) * 40_000
    s3.bucket.put("in.json", content)
    stall = proxy.fault("stall response", f"GET /{s3.bucket.name}/in.json", at=2_000_000, times=1)
    run = s3.start("--read_timeout", "2", through=proxy)
    wait_for(lambda: stall.hits, run)
    if then == "removed":
        s3.bucket.remove("in.json")
    else:
        s3.bucket.put("in.json", content if then == "the same again" else content.replace(b"1", b"2"))
    code, err = ended(run)
    if then == "the same again":
        assert (code, err, s3.bucket.get("out.json")) == (0, "", b'{"y":1.0}\n' * 40_000)
        return
    assert (code, "was changed while it was read" in err) == (75, True), err
    s3.check_untouched({"in.json", "out.json"} if then == "replaced" else {"out.json"})
