"""Questions to the Hugging Face hub that end within seconds where there is no network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from distillery.jobs import log

ANSWER_SECONDS = 8.0

# decides how long an unreachable hub is waited for, not what it gives
CHANGES_NO_RESULT = True

T = TypeVar("T")


def ask_hub(question: Callable[[], T]) -> T:
    """What a question to the hub gives or raises; a ConnectionError if nothing comes within `ANSWER_SECONDS`."""
    found: list[T] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            found.append(question())
        except Exception as error:
            failed.append(error)

    # in a thread, because looking up the hub's name has no limit of its own
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    if failed:
        raise failed[0]
    if not found:
        raise ConnectionError(f"no answer in {ANSWER_SECONDS:g} s")
    return found[0]


def hub_answers() -> bool:
    """Whether the hub answers anything; False in its library's offline mode."""
    from huggingface_hub import constants, get_session

    try:
        ask_hub(lambda: get_session().head(constants.ENDPOINT))
    except Exception:  # of httpx, of the system, or of offline mode
        return False
    return True


@contextmanager
def hub_or_cache(model: str) -> Iterator[None]:
    """Within it, libraries that load a model ask the hub if it answers.

    Else they take what is cached here, or say at once what is not. A folder here needs no hub.

    By themselves they try each file of a model for half a minute.
    """
    if Path(model).is_dir():
        yield
        return
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    if not before and not hub_answers():
        log.info("the hub does not answer: only what is in its cache here can be used")
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
