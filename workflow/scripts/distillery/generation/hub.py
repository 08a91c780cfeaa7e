"""What the Hugging Face hub says of a model without loading it: whether it may be had, and whether it needs a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from distillery.jobs import UserError, one_line
from distillery.storage.refusals import Refusal

# bytes of the denoiser's weights in one file from which on a CPU is too slow for a study's images. Stable Diffusion
# 2 has 1.7 GB in half precision; the model of the demonstration has 14 MB.
GPU_BYTES = 1_000_000_000
DENOISERS = ("unet", "transformer", "prior")  # their folders in a pipeline
WEIGHTS = (".safetensors", ".bin")
TIMEOUT_SECONDS = 20.0


def model_name(model: str, revision: str) -> str:
    """A model and its revision in words."""
    return f"model {model}" + (f" at {revision}" if revision else "")


def hub_error(model: str, revision: str, error: BaseException) -> UserError | None:
    """An error of the hub in one line, a `Refusal` where the model cannot be had now; None for any other error.

    Args:
        model: its id.
        revision: of the model; empty for the newest.
        error: raised by huggingface_hub, or by a library around it.
    """
    from huggingface_hub import errors, get_token

    chain = list(_chain(error))

    def raised(*types: type) -> bool:
        return any(isinstance(link, types) for link in chain)

    name, page = model_name(model, revision), f"https://huggingface.co/{model}"
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
    """An error and those that it came from."""
    following: BaseException | None = error
    while following:
        yield following
        following = following.__cause__ or following.__context__


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def is_cached(model: str, revision: str) -> bool:
    """Whether the hub's cache on this machine has files of a model, which then need no access."""
    return _cached(model, revision) is not None


def _cached(model: str, revision: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, revision=revision or None, local_files_only=True))
    except Exception:  # not in the cache; the library has no one type for that
        return None


def check_access(model: str, revision: str) -> None:
    """Check with the hub whether this machine may download a model.

    Raises:
        Refusal: the model is gated, or the hub does not answer.
        UserError: there is no such model or revision.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    try:
        hub.model_info(model, revision=revision or None, timeout=TIMEOUT_SECONDS)
        hub.auth_check(model)
    except Exception as error:  # the hub's own errors, and those of its network client
        raise hub_error(model, revision, error) or Refusal(
            f"{model_name(model, revision)}: the hub cannot be reached ({one_line(error, 120)}). Go online and run"
            " again.",
            "unreachable",
        ) from error


def require_gpu(model: str, revision: str) -> None:
    """Refuse a model that is too large for a CPU; call it on a machine without a GPU.

    Raises:
        Refusal: a file of the denoiser's weights is larger than `GPU_BYTES`. A model whose size nobody can say passes.
    """
    largest = max(_weights(model, revision), default=0)
    if largest > GPU_BYTES:
        raise Refusal(
            f"{model_name(model, revision)} needs a GPU: its denoiser has {largest / 1e9:.1f} GB of weights,"
            " too much for a CPU. Run on a machine with a GPU, or take a smaller model.",
            "no GPU",
        )


def _weights(model: str, revision: str) -> list[int]:
    """Bytes of each file of a denoiser's weights: of a folder, of the hub's cache here, or as the hub says."""
    from huggingface_hub import HfApi

    folder = Path(model) if Path(model).is_dir() else _cached(model, revision)
    if folder is None:
        try:
            found = HfApi().model_info(model, revision=revision or None, files_metadata=True, timeout=TIMEOUT_SECONDS)
        except Exception:  # offline, gated or missing: loading it says so
            return []
        return list(_of_denoiser((file.rfilename, file.size or 0) for file in found.siblings or ()))
    files = ((path.relative_to(folder).as_posix(), path.stat().st_size) for path in folder.rglob("*.*"))
    return list(_of_denoiser(files))


def _of_denoiser(files: Iterable[tuple[str, int]]) -> Iterator[int]:
    return (size for name, size in files if name.split("/")[0] in DENOISERS and name.endswith(WEIGHTS))
