"""What a round did and what a job found: frozen dataclasses <-> JSON."""
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmlth.core.files import read_json, write_json

FORMAT_VERSION = 1
_TYPES: dict[str, Any] = dict(str=str, int=int, float=(int, float), list=list, dict=dict)
# Younger than the first files.
_OPTIONAL = {'control', 'parent', 'controls', 'saved_steps', 'trained_in', 'id',
             'collapsed', 'machine', 'multiply_adds'}


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """What one round did; the round is finished when its record exists.

    Attributes:
        round: Number of prunings before this training (0 = dense).
        sparsity: 1 - kept / scope_size, in [0, 1).
        network_sparsity: Pruned weights / all parameters of the model, in [0, 1).
        kept: Weights of the scope that are kept.
        scope_size: Weights of the scope.
        parameters: All parameters of the model, frozen ones included.
        metrics: Evaluator's metrics of the trained, masked model, by MMDet's names.
        seconds: Wall time of training and evaluation of this round.
        steps: Optimizer steps done.
        ticket: Ticket file with the masks that were trained, relative to the work directory.
        checkpoint: Trained checkpoint, relative to the work directory.
        layer_density: Kept share of every tensor of the scope.
        policies: What the rewind did to weights, optimizer state, schedule, buffers and EMA.
        digests: SHA-256 of the masks, of w_k (``rewind``), of the weights that the round started
            from (``start``, from round 1) and of those it ended with (``trained``).
        control: What was trained in place of the round's ticket, one of
            :data:`mmlth.core.controls.CONTROLS`, or ''.
        parent: Digest of the masks of the ticket before or, of a control, of its ticket; or ''.
        saved_steps: Optimizer steps that an early end (early-bird mask) saved.
        trained_in: Work directory of the job that a dense round was taken over from, relative to
            this one's, or ''.
        id: Hash of all that decided the numbers (:meth:`mmlth.core.training.Training.id`), or ''.
        collapsed: Kept share of the tensors that keep next to nothing
            (:func:`mmlth.core.collapse.collapsed`).
        machine: What trained it, or the last part of it: ``processor``, ``gpu``, ``threads``,
            ``ranks``, ``torch``. Bits can be compared where these are equal.
        multiply_adds: Of one image, ``dense`` and of ``kept`` weights
            (:func:`mmlth.core.positions.multiply_adds`); {} if they weren't counted.
    """

    round: int
    sparsity: float
    network_sparsity: float
    kept: int
    scope_size: int
    parameters: int
    metrics: dict[str, float]
    seconds: float
    steps: int
    ticket: str
    checkpoint: str
    layer_density: dict[str, float]
    policies: dict[str, Any]
    digests: dict[str, str]
    control: str = ''
    parent: str = ''
    saved_steps: int = 0
    trained_in: str = ''
    id: str = ''
    collapsed: dict[str, float] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    multiply_adds: dict[str, float] = field(default_factory=dict)
    version: int = FORMAT_VERSION


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All rounds of a job.

    Attributes:
        config: Path of the config that was given.
        settings: The checked settings of the job (``IMPConfig`` as a dict).
        rounds: One :class:`RoundRecord` as a dict per finished round, in order.
        controls: The same for every finished control.
        seconds: Training and evaluation of all rounds together.
    """

    config: str
    settings: dict[str, Any]
    rounds: list[dict[str, Any]] = field(default_factory=list)
    controls: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    version: int = FORMAT_VERSION


def save(record: RoundRecord | Summary, path: str | Path) -> None:
    """Write a record or summary as JSON, atomically."""
    write_json(path, dataclasses.asdict(record))


def load_round(path: str | Path) -> RoundRecord:
    """Read a record.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It isn't JSON, misses or has surplus fields, or has another version.
    """
    record: RoundRecord = _load(RoundRecord, path)
    return record


def load_summary(path: str | Path) -> Summary:
    """Read a summary; see :func:`load_round` for what is raised."""
    summary: Summary = _load(Summary, path)
    return summary


def _load(kind: type, path: str | Path) -> Any:
    values = read_json(path)
    if not isinstance(values, dict) or values.get('version') != FORMAT_VERSION:
        found = values.get('version') if isinstance(values, dict) else type(values).__name__
        raise ValueError(f'{path}: format version {found!r}, but this mmlth reads {FORMAT_VERSION}')
    names = {f.name for f in dataclasses.fields(kind)}
    missing, unknown = names - set(values) - _OPTIONAL, set(values) - names
    if missing or unknown:
        raise ValueError(f'{path}: missing fields {sorted(missing)}, '
                         f'unknown fields {sorted(unknown)}')
    for f in dataclasses.fields(kind):
        if f.name in values:
            _check_type(path, f.name, values[f.name], _text(f.type))
    return kind(**values)


def _text(kind: Any) -> str:
    """Write an annotation as in the source."""
    text = str(kind)
    return str(kind.__name__) if text.startswith('<class') else text


def _check_type(path: str | Path, name: str, value: Any, annotation: str) -> None:
    """Raise ValueError unless a field of JSON is of the annotated type, and its values too."""
    outer, _, inner = annotation.rstrip(']').partition('[')
    of_values = inner.rpartition(', ')[2]
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    wrong = not _is_a(value, outer) or not all(_is_a(each, of_values) for each in held)
    if wrong:
        raise ValueError(f'{path}: field {name!r} is {str(value)[:60]!r}, but must be '
                         f'{annotation}. Copy the file again')


def _is_a(value: Any, kind: str) -> bool:
    allowed = _TYPES.get(kind, object)
    return isinstance(value, allowed) and not (isinstance(value, bool) and allowed is not object)
