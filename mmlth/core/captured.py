"""What a dense round keeps of the moments that are gone back to: weights and whole states."""
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmlth.core.layout import Layout
from mmlth.core.training import Training


@dataclass(frozen=True)
class Captured:
    """Find the files of captured moments.

    Args:
        layout: Of the job whose dense round kept them.
        job: What its ``imp.json`` says.
    """

    layout: Layout
    job: Mapping[str, Any]

    def weights(self, moment: str) -> Path:
        """Return the file of the weights of a moment.

        Args:
            moment: :attr:`mmlth.core.moment.Moment.name`.

        Raises:
            FileNotFoundError: They weren't kept; names those that were.
        """
        points = {name: self.layout.captured(name) for name in self.job.get('captured', ())}
        points[self._own] = self.layout.rewind
        return self._kept(points, moment, 'weights', 'capture')

    def state(self, moment: str) -> Path:
        """Return the checkpoint of a moment, with optimizer and schedule.

        Args:
            moment: As for :meth:`weights`.

        Raises:
            FileNotFoundError: It wasn't kept; names those that were.
        """
        points = {name: self.layout.captured_state(name) for name in self.job.get('states', ())}
        points[self._own] = self.layout.state
        return self._kept(points, moment, 'the whole state', 'capture_states')

    def links(self, training: Training, other: Layout) -> dict[Path, Path]:
        """Return where an equal training of another job keeps a file -> that file here.

        Args:
            training: Of the other job; only a dense one keeps anything.
            other: Files of the other job.

        Raises:
            FileNotFoundError: Some of it wasn't kept here; names what was.
        """
        if training.number:
            return {}
        own = training.moment
        found = {other.captured(m.name): self.weights(m.name) for m in training.captures}
        for moment in training.states:
            found[other.state_at(moment.name, own.name)] = self.state(moment.name)
        return {**found, other.rewind: self.weights(own.name)}

    @property
    def _own(self) -> str:
        return str(self.job.get('moment', ''))

    def _kept(self, points: dict[str, Path], moment: str, what: str, setting: str) -> Path:
        kept = {name: path for name, path in points.items() if path.exists()}
        if moment in kept:
            return kept[moment]
        names = ', '.join(kept) or 'no point'
        raise FileNotFoundError(f'{self.layout.work_dir} keeps {what} of {names}, but {moment} is '
                                f'needed. Train it with that point in {setting}')
