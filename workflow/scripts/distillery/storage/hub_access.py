"""Send requests to the Hugging Face hub that fail within seconds if there is no network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from distillery.jobs import log

ANSWER_SECONDS = 8.0

# decides how long to wait for an unreachable hub, not what it returns
CHANGES_NO_RESULT = True

T = TypeVar("T")


def ask_hub(request: Callable[[], T]) -> T:
    """Call a function that sends a request to the hub, and return its result within `ANSWER_SECONDS`.

    Raises:
        ConnectionError: the hub did not answer in time.
        Exception: whatever the function raises.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def call() -> None:
        try:
            results.append(request())
        except Exception as error:
            errors.append(error)

    # in a thread, because the look-up of the hub's name has no time limit
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if errors:
        raise errors[0]
    if not results:
        raise ConnectionError(f"no answer in {ANSWER_SECONDS:g} s")
    return results[0]


def hub_answers() -> bool:
    """Whether the hub answers a request; False in the offline mode of huggingface_hub."""
    from huggingface_hub import constants, get_session

    try:
        ask_hub(lambda: get_session().head(constants.ENDPOINT))
    except Exception:  # from httpx, the system or the offline mode
        return False
    return True


@contextmanager
def hub_or_cache(model: str) -> Iterator[None]:
    """Within this context, libraries load a model from the hub if it answers, and else from the local cache only.

    Without it, they wait half a minute for each file of a model if there is no network.

    Args:
        model: an id on the hub, or a local folder, for which nothing is requested.
    """
    if Path(model).is_dir():
        yield
        return
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    if not before and not hub_answers():
        log.info("the hub does not answer: only files in the local cache can be used")
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
