"""Which trainings an analysis compares: a dense net and what was made of it, of several jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmlth.analysis.measurements import DENSE
from mmlth.analysis.metrics import format_share
from mmlth.core.dump import dump_command, has_dump
from mmlth.core.store import Store, find_ticket, store_of

Record = dict[str, Any]
# Settings that seeds of one ticket may have of their own, or that decide none of its numbers.
_MAY_DIFFER = ('seed', 'order_seed', 'dense_from', 'ticket', 'capture', 'capture_states',
              'controls', 'control_rounds', 'keep', 'max_keep_ckpts', 'exact_resume')


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """One finished training.

    Attributes:
        job: Its work directory, absolute.
        label: :data:`DENSE`, or the sparsity of the scope and the control.
        record: Of the training.
        folder: Of its ticket and its dumped predictions.
        log: Folder that it was trained in, the same but for a dense net taken over from another
            job.
    """

    job: Path
    label: str
    record: Record
    folder: Path
    log: Path


def find_trainings(given: Sequence[str | Path]) -> list[Analysed]:
    """Return the trainings that are meant, each job's dense net before them.

    Args:
        given: Work directories, of which all finished trainings are meant, or folders of rounds
            and controls, or their tickets.

    Raises:
        FileNotFoundError: A path is neither.
        ValueError: A job has no dense net of its own, or the jobs are of several configs, or two
            of one seed, or with different settings, would be averaged.
    """
    found: dict[Path, Analysed] = {}
    configs = set()
    settings: dict[Path, Record] = {}
    for path in map(Path, given):
        store, chosen = _chosen(path)
        summary = store.summary()
        configs.add(Path(summary.config).name)
        settings[store.work_dir] = summary.settings
        trainings = [_analysed(store, record) for record in [*summary.rounds, *summary.controls]]
        if not trainings or trainings[0].label != DENSE:
            raise ValueError(f'{store.work_dir} has no finished dense net to compare with')
        for one in trainings:
            if chosen in (None, _place(store, one.record)) or one.label == DENSE:
                found[_place(store, one.record)] = one
    if len(configs) > 1:
        raise ValueError(f'jobs of several configs can\'t be averaged: {", ".join(sorted(configs))}'
                         '. Analyse them one at a time')
    _check_averaged(list(found.values()), settings)
    return list(found.values())


def _check_averaged(trainings: Sequence[Analysed], settings: Mapping[Path, Record]) -> None:
    """Raise ValueError if trainings of one label aren't seeds of one ticket."""
    first: dict[str, Analysed] = {}
    seeds: dict[tuple[str, Any], Path] = {}
    for one in trainings:
        if one.label == DENSE:
            continue
        own, other = settings[one.job], first.setdefault(one.label, one).job
        differing = [key for key in own if key in settings[other] and key not in _MAY_DIFFER
                     and own[key] != settings[other][key]]
        if differing:
            raise ValueError(
                f'{other} and {one.job} have both {one.label}, but {", ".join(differing)} differ: '
                'no seeds of one ticket, so they are not averaged. Analyse them one at a time')
        same = seeds.setdefault((one.label, own.get('seed')), one.job)
        if same != one.job:
            raise ValueError(f'{same} and {one.job} have both {one.label} and '
                             f'seed={own.get("seed")}. Give each seed once')


def _chosen(path: Path) -> tuple[Store, Path | None]:
    """Return the job that is meant, and the folder of the one training that is, or None."""
    if path.is_dir() and Store(path).has_summary():
        return Store(path), None
    ticket = find_ticket(path).absolute()
    store = store_of(ticket)
    if store is None or not store.has_summary():
        raise FileNotFoundError(f'{path} lies in no work directory with a summary.json')
    return store, ticket.parent


def _place(store: Store, record: Record) -> Path:
    return store.layout.round_dir(record['round'], record['control'])


def _analysed(store: Store, record: Record) -> Analysed:
    trained_in = Store(store.work_dir / record.get('trained_in', ''))
    return Analysed(job=store.work_dir, label=_label(record), record=record,
                    folder=_place(store, record), log=_place(trained_in, record))


def _label(record: Record) -> str:
    """Return what figures call a training; dense controls of several rounds go by the round."""
    if record['round'] == 0:
        return DENSE
    sparsity = record['sparsity']
    where = format_share(sparsity) if sparsity else f'round {record["round"]}'
    return f'{where} {record["control"]}'.strip()


def with_predictions(trainings: Sequence[Analysed]) -> list[Analysed]:
    """Return the trainings whose predictions were dumped.

    Raises:
        FileNotFoundError: A job has none of its dense net, or none of any other training; names
            the commands that dump them.
    """
    dumped = [one for one in trainings if has_dump(one.folder)]
    for job in dict.fromkeys(one.job for one in trainings):
        labels = [one.label for one in dumped if one.job == job]
        if DENSE not in labels or len(labels) < 2:
            missing = [one for one in trainings if one.job == job and one not in dumped]
            commands = '\n'.join(f'  {dump_command(one.folder)}' for one in missing)
            raise FileNotFoundError(
                f'{job}: the predictions of its dense net and of one more training are needed. '
                f"Dump those that you want to compare (in COCO's form; `--questions convergence "
                f'cost` needs no predictions):\n{commands}')
    return dumped
