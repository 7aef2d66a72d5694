"""Say of every task that ends how it ended, and how much is left."""
import time
from collections.abc import Mapping

from mmlth.study.folder import StudyFolder
from mmlth.study.tasks import Task


class Progress:
    """Print a line for every task that ends, with the trainings left and how long they take.

    Args:
        tasks: All of them.
        folder: Of the study.
    """

    def __init__(self, tasks: Mapping[str, Task], folder: StudyFolder) -> None:
        self.folder = folder
        self._open = {name: task for name, task in tasks.items() if not folder.is_done(task)}
        self._first, self._start = self.left(), time.monotonic()

    def left(self) -> int:
        """Count the trainings of the tasks that aren't known to be done."""
        return sum(task.count for task in self._open.values())

    def say(self, name: str, state: str) -> None:
        """Print a line about a task."""
        if name in self._open and self.folder.is_done(self._open[name]):
            del self._open[name]
        left = self.left()
        done = self._first - left
        seconds = time.monotonic() - self._start
        eta = f', about {seconds / done * left / 60:.0f} min' if done else ''
        clock = time.strftime('%H:%M:%S')
        print(f'{clock} {name}: {state}; {left} trainings left{eta}', flush=True)
