"""What is fetched from the Hugging Face hub: the authors' published weights, and depth estimators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ivid.pipeline.locations import BUNDLED_MODELS, cache_folder, can_be_written

HUB_REPOSITORY = "JeffreyXiang/ivid"
HUB_FILES = {"imagenet128": ("imagenet128_uncond.pt", "imagenet128_cond.pt")}
ESTIMATOR_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")

Tell = Callable[[str], object]


class ModelError(ValueError):
    """A model that is unknown, incomplete, or cannot be fetched; the message says which, and what would be right."""


def download(name: str, tell: Tell) -> list[str]:
    """The published files of a model in the hub's cache; what is there already needs no network.

    Args:
        name: one of `HUB_FILES`.
        tell: called with a few words on how far the download is, besides the bar on the terminal.

    Raises:
        ModelError: they cannot be fetched.
    """
    files = HUB_FILES[name]
    return _fetched(
        f"the model {name}",
        HUB_REPOSITORY,
        files,
        f"get {' and '.join(files)} and run: python -m ivid convert {' '.join(files)} --out {BUNDLED_MODELS / name}",
        tell,
    )


def estimator_folder(name_or_path: str | Path, tell: Tell) -> Path:
    """The folder of a depth estimator of transformers, fetched from the hub on first use.

    Args:
        name_or_path: its repository on the hub, or a folder.
        tell: as of `download`.

    Raises:
        ModelError: it cannot be fetched.
    """
    if Path(name_or_path).expanduser().is_dir():
        return Path(name_or_path).expanduser()
    what, instead = f"the depth estimator {name_or_path}", "give a depth map along with the picture"
    return Path(_fetched(what, str(name_or_path), ESTIMATOR_FILES, instead, tell)[0]).parent


def _fetched(what: str, repository: str, files: Sequence[str], instead: str, tell: Tell) -> list[str]:
    """Files of a repository; `what` they are and what to do `instead` is for the message of the error."""
    from httpx2 import HTTPError
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    cache = Path(constants.HF_HUB_CACHE) if can_be_written(Path(constants.HF_HUB_CACHE)) else cache_folder() / "hub"

    def downloaded(file: str) -> str:
        try:
            return hf_hub_download(repository, file, cache_dir=cache, local_files_only=True)
        except LocalEntryNotFoundError:
            # asked once, where the download would ask for half a minute before it gives up
            get_hf_file_metadata(hf_hub_url(repository, file))
            return hf_hub_download(repository, file, cache_dir=cache, tqdm_class=_telling_bar(file, tell))

    try:
        return [downloaded(file) for file in files]
    except (HTTPError, OSError, ValueError) as error:  # the library's own errors are kinds of these
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{what} could not be downloaded from the hub's {repository} ({reason}); connect to the network and try "
            f"again, or {instead}"
        ) from None


def _telling_bar(file: str, tell: Tell) -> type:
    """The hub's progress bar, telling too, also where there is no terminal to draw it on."""
    from huggingface_hub.utils import tqdm

    class TellingBar(tqdm):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            self.arrived, self.whole = options.get("initial", 0), options.get("total")

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += n or 0
            tell(f"Downloading {file}" + (f": {100 * self.arrived / self.whole:.0f} %" if self.whole else ""))
            return super().update(n)

    return TellingBar
