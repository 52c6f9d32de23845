# In place of the package's own thousands of files, which take a third of the time that pyright needs.
from typing import Any

def __getattr__(name: str) -> Any: ...
