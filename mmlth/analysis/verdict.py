"""Is it a winning ticket? One rule, the same for every detector; see docs/verdict.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from mmlth.analysis.metrics import format_metric
from mmlth.analysis.statistics import (
    LEVEL,
    Scores,
    holm,
    p_below,
    paired,
    seeds_needed,
    t_interval,
)

WINNING, NOT_WINNING, UNDECIDED = 'winning', 'not winning', 'undecided'
DENSE = 'dense of equal budget'
MARGIN = 0.005  # what a ticket may lose against dense: half of what 1,000 images resolve


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Ticket minus another training, seed by seed.

    Attributes:
        name: Of the other training.
        bound: What the true mean must be above.
        n: Number of seeds that both have.
        planned: Number of seeds that were to be trained; before that it decides nothing.
        mean: Of the differences; NaN for n = 0.
        low, high: 95% t interval of the mean.
        p: Of a mean this low where the truth is the bound, by Holm's correction over the family.
        seeds: With how many it would be decided, or None if that can't be told.
    """

    name: str
    bound: float
    n: int
    planned: int
    mean: float
    low: float
    high: float
    p: float
    seeds: int | None

    @property
    def holds(self) -> bool:
        """Whether the whole interval lies above the bound, with all seeds."""
        return self.n >= self.planned and self.low > self.bound

    @property
    def fails(self) -> bool:
        """Whether the mean lies below the bound by more than chance explains, with all seeds."""
        return self.n >= self.planned and self.p <= (1 - LEVEL) / 2

    @property
    def seeds_done(self) -> str:
        """n, and of how many where some are still to be trained."""
        return str(self.n) if self.n >= self.planned else f'{self.n} of {self.planned}'


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What may be claimed of a ticket.

    Attributes:
        claim: 'winning', 'not winning' or 'undecided'.
        comparisons: Those that it rests on, dense first.
        seeds: With how many an undecided one would be decided, or None.
        metric: That it was judged by, or '' where that isn't told.
    """

    claim: str
    comparisons: tuple[Comparison, ...]
    seeds: int | None = None
    metric: str = ''

    def sentence(self) -> str:
        """Say it in a line, with the comparison that decides it."""
        missing = [each.name for each in self.comparisons if not each.n]
        if missing and self.claim == UNDECIDED:
            return f'{self.claim} (not trained yet: {", ".join(missing)})'
        by = _chance if self.claim == NOT_WINNING else _room
        several = [each for each in self.comparisons if each.n > 1]  # one seed tells nothing
        weakest = min(several or self.comparisons, key=by)
        shown = (
            f'ticket minus {weakest.name}: {format_metric(weakest.mean, "+")} '
            f'[{format_metric(weakest.low, "+")}, {format_metric(weakest.high, "+")}], '
            f'n = {weakest.seeds_done}'
        )
        if self.claim != UNDECIDED:
            return f'{self.claim} ({shown})'
        lost = any(each.mean < each.bound for each in self.comparisons)
        more = (f'about {self.seeds} seeds like these would make it '
                f'{NOT_WINNING if lost else WINNING}' if self.seeds else 'more seeds are needed')
        return f'{self.claim} ({shown}); {more}'


def _chance(each: Comparison) -> float:
    return each.p


def _room(each: Comparison) -> float:
    return each.low - each.bound


def judge(
    ticket: Scores, dense: Scores, controls: Mapping[str, Scores], margin: float = MARGIN,
    planned: int = 1,
) -> Verdict:
    """Judge a ticket by its seeds.

    Args:
        ticket: Seed -> metric, higher is better, in [0, 1]; 0 where nothing was detected.
        dense: The same of dense nets that were trained for as many steps as all rounds together.
        controls: Name -> the same of trainings in which something of the ticket was destroyed.
        margin: How much below the dense net a ticket may be, at least 0.
        planned: In how many seeds all of these were to be trained. A comparison of fewer decides
            nothing: who looks early and stops when he likes what he sees errs more often.

    Returns:
        'winning' if the 95% interval of ticket - dense lies above -margin and that of ticket -
        control above 0 for every control, in all seeds of the ticket; 'not winning' if one of
        these means lies below its bound (one-sided, 2.5% over the family by Holm), in all planned
        seeds; else 'undecided'.

    Raises:
        ValueError: A negative margin.
    """
    if margin < 0:
        raise ValueError(f'margin={margin}: must be at least 0')
    others = [(DENSE, dense, -margin), *((name, of, 0.0) for name, of in controls.items())]
    differences = [paired(ticket, scores) for _, scores, _ in others]
    bounds = [bound for _, _, bound in others]
    corrected = holm([p_below(*pair) for pair in zip(differences, bounds, strict=True)])
    comparisons = tuple(
        _compare(name, values, bound, p, family=len(others), planned=planned)
        for (name, _, bound), values, p in zip(others, differences, corrected, strict=True)
    )
    if all(each.holds and each.n == len(ticket) for each in comparisons):
        return Verdict(claim=WINNING, comparisons=comparisons)
    if any(each.fails for each in comparisons):
        return Verdict(claim=NOT_WINNING, comparisons=comparisons)
    return Verdict(claim=UNDECIDED, comparisons=comparisons, seeds=_seeds(comparisons))


def _compare(
    name: str, values: list[float], bound: float, p: float, family: int, planned: int,
) -> Comparison:
    low, high = t_interval(values)
    mean = fmean(values) if values else float('nan')
    level = 1 - (1 - LEVEL) / family if mean < bound else LEVEL  # Holm's for the smallest p
    needed = seeds_needed(values, bound, level)
    return Comparison(
        name=name,
        bound=bound,
        n=len(values),
        planned=planned,
        mean=mean,
        low=low,
        high=high,
        p=p,
        seeds=None if needed is None else max(needed, planned),
    )


def _seeds(comparisons: tuple[Comparison, ...]) -> int | None:
    """Return how many seeds decide it: one comparison below its bound, or else all above theirs."""
    against = [each.seeds for each in comparisons if each.mean < each.bound]
    if against:
        return min(filter(None, against), default=None)
    for_it = [each.seeds or 0 for each in comparisons if not each.holds]
    return max(for_it, default=None) if all(for_it) else None
