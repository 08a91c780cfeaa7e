"""A short sample of the fuzzing campaign: the first inputs of every reader."""

import pytest
from fuzz import READERS, faults


@pytest.mark.parametrize("name, count", [("config", 60), ("decoder", 600), ("parsers", 600)])
def test_changed_files_are_read_or_refused_in_one_line(name, count):
    assert dict(faults(READERS[name](), range(count))) == {}


@pytest.mark.parametrize("name", READERS)
def test_what_is_not_changed_is_read(name):
    """Otherwise the campaign would only test the first check of each reader."""
    reader = READERS[name]()
    for seed, data in reader.seeds.items():
        assert reader.read[seed.partition(".")[0]](data) is not None or "retry" in seed, seed


def test_an_input_is_the_same_every_time_and_has_changed():
    reader = READERS["decoder"]()
    inputs = [reader.input_of(number) for number in range(20)]
    assert inputs == [reader.input_of(number) for number in range(20)]
    assert sum(data != reader.seeds[reader.name_of(number)] for number, data in enumerate(inputs)) > 15


def test_a_fault_says_what_is_wrong(monkeypatch):
    reader = READERS["decoder"]()
    for error, fault in (
        (KeyError("x"), "KeyError"),
        (reader.refusals[0]("a\nb"), "more than a line"),
        (SystemExit(), "Exit"),
    ):

        def broken(data, error=error):
            raise error

        monkeypatch.setitem(reader.read, "image", broken)
        assert fault in dict(faults(reader, range(1)))[0]
