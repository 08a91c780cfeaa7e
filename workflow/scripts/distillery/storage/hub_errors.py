"""Turn errors of the Hugging Face hub into one-line errors: no access, no such model, no connection."""

from __future__ import annotations

from collections.abc import Iterator

from distillery.jobs import UserError
from distillery.storage.retrieved.refusals import Refusal


def model_name(model: str, revision: str, kind: str = "model") -> str:
    """A model or data set and its revision in words; `kind` is model or dataset."""
    return f"{kind} {model}" + (f" at {revision}" if revision else "")


def hub_error(model: str, revision: str, error: BaseException, kind: str = "model") -> UserError | None:
    """The one-line error for an error of the hub; None if the error is not one of the hub's.

    A `Refusal` if the model exists but is not available: gated, quota used up, no connection.

    Args:
        model: id of the model or data set.
        revision: of the model; empty for the newest.
        error: raised by huggingface_hub, or by a library that uses it.
        kind: model or dataset.
    """
    from huggingface_hub import errors, get_token

    chain = list(_chain(error))

    def raised(*types: type) -> bool:
        return any(isinstance(link, types) for link in chain)

    name = model_name(model, revision, kind)
    page = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{model}"
    if raised(errors.GatedRepoError):
        return (
            Refusal(f"{name} is gated. Accept its license at {page} with the account of your HF_TOKEN.", "gated")
            if get_token()
            else Refusal(f"{name} is gated. Accept its license at {page} and set HF_TOKEN.", "no token")
        )
    if raised(errors.RevisionNotFoundError, errors.RevisionResolutionError):
        return UserError(f"{name}: the hub has no such revision. Check `revision`.")
    if raised(errors.RepositoryNotFoundError):
        return UserError(
            f"{name} is neither a folder here nor on the hub. Check its name or path, or set HF_TOKEN if private."
        )
    if any(_status(link) == 429 for link in chain):
        return Refusal(f"{name}: the hub answers no more requests today (HTTP 429). Try again later.", "quota used up")
    if raised(errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, ConnectionError):
        return Refusal(
            f"{name} is not a folder here and the hub cannot be reached. Check the path, or go online once.",
            "unreachable",
        )
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its cause, the cause of that, and so on."""
    following: BaseException | None = error
    while following:
        yield following
        following = following.__cause__ or following.__context__


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)
