"""Records of version 0.1 are read with today's names, and never written with the old ones."""

import json

from distillery.storage.records import ImageRecord
from distillery.storage.renamed import OLD_NAMES


def test_a_record_of_version_0_1_is_read():
    old = '{"also": ["dog: pets"], "judge": "clip: cat, dog", "judged": 0.75, "kind": "bing", "label": "cat",'
    record = ImageRecord.from_json(old + ' "origin": "http://a/1", "source": "bing"}')
    expected = {"duplicate_queries": ("dog: pets",), "clip_scorer": "clip: cat, dog", "clip_score": 0.75}
    assert record == ImageRecord("bing", "cat", "bing", "http://a/1", **expected)
    failed = ImageRecord.from_json(old + ' "origin": "o", "source": "s", "failure": "not a picture: text/html"}')
    assert failed.failure == "not an image: text/html"
    assert set(OLD_NAMES.values()) <= set(json.loads(record.to_json()))
    assert not set(OLD_NAMES) & set(json.loads(record.to_json()))
