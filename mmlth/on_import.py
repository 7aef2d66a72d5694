"""Import a module once another has been imported, by whomever."""
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def import_after(awaited: str, follower: str) -> None:
    """Import ``follower`` as soon as somebody has imported ``awaited``."""
    sys.meta_path.insert(0, _FollowUp(awaited, follower))


class _FollowUp(MetaPathFinder):
    """Finds one module as Python does, and has another imported when it has been executed."""

    def __init__(self, awaited: str, follower: str) -> None:
        self.awaited = awaited
        self.follower = follower

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the spec of the awaited module; None leaves others to the other finders."""
        if fullname != self.awaited:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_both(module: ModuleType) -> None:
            execute(module)
            import_module(self.follower)

        spec.loader.exec_module = execute_both  # type: ignore[method-assign]
        return spec
