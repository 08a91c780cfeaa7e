"""Pools of sources that refuse contain the refusal with `skip`; with `stop` nothing is written."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from distillery.jobs import UserError
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import read_pool
from distillery.storage.retrieved.refusals import Refusal, refused_record
from distillery.storage.retrieved.refused_pools import NOTE, SourceRequest, records_unless_refused, write_pools

CAPTCHA = Refusal("Google answered with a captcha.", "captcha")


def request(folder, **changes):
    return SourceRequest.of("mine", {"kind": "google", "unavailable": "skip"} | changes, folder / "store")


def paths(folder, *labels):
    return {label: (folder / f"{label}.tar", folder / f"{label}.jsonl") for label in labels}


def raising(error):
    def retrieve():
        raise error
        yield

    return retrieve


def pool(folder, label):
    return list(read_pool(*paths(folder, label)[label]))


def never():
    raise AssertionError("the source was asked")


def test_a_refused_class_has_an_empty_shard_and_one_record(tmp_path):
    write_pools(request(tmp_path), paths(tmp_path, "cat", "dog"), raising(CAPTCHA))
    for label in ("cat", "dog"):
        assert pool(tmp_path, label) == [(refused_record("mine", label, "google", "captcha"), None)]


def test_after_a_captcha_no_other_class_sends_requests(tmp_path):
    write_pools(request(tmp_path), paths(tmp_path, "cat"), raising(CAPTCHA))
    note = json.loads((tmp_path / "store" / NOTE).read_text())
    assert (note["reason"], note["message"]) == ("captcha", str(CAPTCHA))
    write_pools(request(tmp_path), paths(tmp_path, "dog"), never)
    assert pool(tmp_path, "dog")[0][0].failure == "refused: captcha"
    # another kind of source ignores the note, and so does `stop`
    for other in (request(tmp_path, kind="bing"), request(tmp_path, unavailable="stop")):
        with pytest.raises(AssertionError, match="was asked"):
            write_pools(other, paths(tmp_path, "cat"), never)


@pytest.mark.parametrize("reason", ["unreachable", "nothing found"])
def test_a_refusal_that_may_concern_one_class_does_not_stop_others(tmp_path, reason):
    write_pools(request(tmp_path), paths(tmp_path, "cat"), raising(Refusal("no", reason)))
    with pytest.raises(AssertionError, match="was asked"):
        write_pools(request(tmp_path), paths(tmp_path, "dog"), never)


def test_an_old_or_damaged_note_of_a_refusal_is_ignored(tmp_path):
    asking = request(tmp_path)
    asking.remember(CAPTCHA)
    assert asking.remembered().reason == "captcha"
    path = tmp_path / "store" / NOTE
    note = json.loads(path.read_text())
    old = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    for text in (json.dumps(note | {"time": old}), json.dumps(note | {"reason": "tired"}), "{", "[]", "{}"):
        path.write_text(text)
        assert asking.remembered() is None


def test_a_refusal_of_a_model_does_not_stop_requests_for_another_model(tmp_path):
    gated = {"kind": "diffusion", "model": "someone/model", "revision": "abc"}
    request(tmp_path, **gated).remember(Refusal("gated", "gated"))
    assert request(tmp_path, **gated).remembered().reason == "gated"
    assert request(tmp_path, **gated | {"model": "someone/other"}).remembered() is None


def test_with_stop_a_refusal_is_an_error_and_nothing_is_written(tmp_path):
    with pytest.raises(Refusal, match="captcha"):
        write_pools(request(tmp_path, unavailable="stop"), paths(tmp_path, "cat"), raising(CAPTCHA))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="no class"):  # a mistake is an error, also with skip
        write_pools(request(tmp_path), paths(tmp_path, "cat"), raising(UserError("no class")))
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_while_a_pool_is_written_replaces_it(tmp_path):
    def entries():
        yield ImageRecord("mine", "cat", "google", "http://a.bc/d", failure="not retrieved: HTTP 404"), None
        raise Refusal("none of 1 addresses gave an image", "nothing found")

    write_pools(request(tmp_path), paths(tmp_path, "cat"), lambda: [("cat", entries())])
    assert [record.failure for record, _ in pool(tmp_path, "cat")] == ["refused: nothing found"]


def test_without_a_refusal_the_entries_are_written(tmp_path):
    entry = ImageRecord("mine", "cat", "google", "http://a.bc/d", failure="not retrieved: HTTP 404"), None
    write_pools(request(tmp_path), paths(tmp_path, "cat"), lambda: [("cat", [entry])])
    assert pool(tmp_path, "cat") == [entry] and not (tmp_path / "store").exists()


def test_a_share_of_a_refused_source_has_a_record_for_each_class(tmp_path):
    def refuse():
        raise Refusal("model is gated", "gated")

    records = records_unless_refused(request(tmp_path), ["cat", "dog"], refuse)
    assert records == [refused_record("mine", label, "google", "gated") for label in ("cat", "dog")]
    assert records_unless_refused(request(tmp_path, kind="bing"), ["cat"], list) == []
