"""A refusal has a reason of a known type, which is kept in a pool's record and read back."""

import pytest

from distillery.jobs import UserError
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.refusals import REFUSALS, Refusal, refusal_of, refused_record


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_record_of_a_refusal_keeps_its_reason(reason):
    record = refused_record("google", "cat", "google", reason)
    assert record == ImageRecord("google", "cat", "google", origin="", failure=f"refused: {reason}")
    assert refusal_of(ImageRecord.from_json(record.to_json()).failure) == reason


@pytest.mark.parametrize("failure", ["", "not retrieved: HTTP 404", "captcha", "black"])
def test_other_failures_are_no_refusals(failure):
    assert refusal_of(failure) == ""


def test_a_refusal_is_an_error_of_one_line_with_a_known_reason():
    refusal = Refusal("Google asks for a captcha. Use another source.", "captcha")
    assert isinstance(refusal, UserError) and refusal.reason == "captcha" and str(refusal).startswith("Google asks")
    for make in (lambda: Refusal("no", "tired"), lambda: refused_record("google", "cat", "google", "tired")):
        with pytest.raises(ValueError, match="unknown reason 'tired'"):
            make()
