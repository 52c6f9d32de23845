"""Uploading a model folder to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from ivid.pipeline.config import ModelIndex
from ivid.pipeline.hub import ModelError
from ivid.pipeline.model_files import check_model_folder

CARD_FILE = "README.md"


def push_folder(
    folder: str | Path,
    repository: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    commit_message: str = "Upload model",
    license: str | None = None,
) -> str:
    """Upload a model folder with its card; a folder without one gets a card of a few lines.

    Args:
        folder: as `IvidPipeline.save_pretrained` and `ivid bundle` write it.
        repository: such as `someone/lowpoly`; it is made if it is not there.
        private: whether a repository that is made is private; as the account has it when None.
        token: of the account; that of `hf auth login` or `$HF_TOKEN` when None.
        commit_message: of the upload.
        license: for a card that is written here, such as `cc0-1.0`.

    Returns:
        the address of the upload.

    Raises:
        ModelError: the folder is no complete model, or the hub refused it.
    """
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    check_model_folder(folder)
    api = HfApi(token=token)
    try:
        made = api.create_repo(repository, private=private, exist_ok=True).repo_id
        if not (Path(folder) / CARD_FILE).exists() and not api.file_exists(made, CARD_FILE):
            card = model_card(ModelIndex.read(folder), made, license).encode()
            api.upload_file(path_or_fileobj=card, path_in_repo=CARD_FILE, repo_id=made, commit_message="Add model card")
        return str(api.upload_folder(repo_id=made, folder_path=folder, commit_message=commit_message))
    except (HTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(f"the model could not be uploaded to {repository} ({reason})") from None


def model_card(index: ModelIndex, repository: str, license: str | None = None) -> str:
    """A card that says what the folder is and how it is used."""
    from huggingface_hub import ModelCardData

    config = index.config
    data = ModelCardData(
        license=license,
        library_name="diffusers",
        pipeline_tag="text-to-3d",
        tags=["ivid", "rgbd", "novel-view-synthesis", "class-conditional"],
        model_name=config.name or None,
    )
    classes = config.labels.classes
    first = classes[0] if classes else None
    drawn = f"RGBD views of {len(classes)} classes" if classes else "RGBD views"
    return f"""---
{data.to_yaml()}
---

# {config.name or "ivid model"}

{drawn}, from which a 3D scene is fused. It needs the package `ivid`.

```python
from diffusers import DiffusionPipeline

pipeline = DiffusionPipeline.from_pretrained("{repository}", trust_remote_code=True)
scene = pipeline({first!r}, seed=3).scene
scene.save("scene.ivid")
```
"""
