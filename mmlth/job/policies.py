"""What a training keeps and what it starts from: the only places that know controls and rewinds.

To add a control or a rewind policy: one function here, one line in its table, and its name in
``settings/trainings.py``.
"""
from collections.abc import Callable

from mmengine.config import Config

from mmlth.core import control_starts, controls, criteria, scope, selection
from mmlth.core.masks import Masks, Weights, dense_masks, shared_with
from mmlth.core.positions import costs_of
from mmlth.core.seeds import derive_seed
from mmlth.core.store import Store
from mmlth.core.ticket import load_rewind_weights, load_ticket
from mmlth.core.training import Training
from mmlth.engine.net import drawn_anew

MaskPolicy = Callable[[Store, Training], Masks]
StartPolicy = Callable[[Store, Training, Config], Weights]


def _pruned(store: Store, training: Training) -> Masks:
    """Keep the best of what the round before kept and trained."""
    return _ranked(store, training, training.source, selection.select)


def _reversed(store: Store, training: Training) -> Masks:
    """Keep the worst of what the ticket was chosen from."""
    return _ranked(store, training, training.source.source, controls.reversed_masks)


def _ranked(
    store: Store, training: Training, before: Training, select: Callable[..., Masks],
) -> Masks:
    """Score what a training ended with and select among what it kept."""
    old = store.ticket(before).masks
    names = list(old)
    trained = scope.weights_of(store.trained(before), names)
    initial = scope.weights_of(store.w_k(), names)
    scores = criteria.score(
        training.criterion, trained, initial, training.seed,
        costs=costs_of(store.positions(), trained), cost_exponent=training.cost_exponent)
    return select(
        scores, old, training.density,
        allocation=training.allocation,
        min_kept=training.min_kept,
    )


def _given(store: Store, training: Training) -> Masks:
    return load_ticket(training.ticket).masks


def _of_parent(store: Store, training: Training) -> Masks:
    return store.ticket(training.source).masks


def _dense(store: Store, training: Training) -> Masks:
    return dense_masks(_of_parent(store, training))


def _random(store: Store, training: Training) -> Masks:
    return controls.random_masks(_of_parent(store, training), _drawn(training))


def _shuffled(store: Store, training: Training) -> Masks:
    return controls.shuffled_masks(_of_parent(store, training), _drawn(training))


def _largest_at_start(store: Store, training: Training) -> Masks:
    return controls.largest_masks(_of_parent(store, training), store.start(training.source))


def _drawn(training: Training) -> int:
    return derive_seed(training.seed, training.number)


MASKS: dict[str, MaskPolicy] = {
    'pruned': _pruned,
    'given': _given,
    'of parent': _of_parent,
    'dense': _dense,
    'random': _random,
    'shuffle': _shuffled,
    'largest at start': _largest_at_start,
    'reverse': _reversed,
}


def _rewound(store: Store, training: Training, cfg: Config) -> Weights:
    return store.w_k()


def _trained(store: Store, training: Training, cfg: Config) -> Weights:
    return _trained_weights(store, training.source)


def _trained_weights(store: Store, training: Training) -> Weights:
    """Return what a training ended with, without what its model only got while it was trained."""
    first = store.w_k()
    return {name: value for name, value in store.trained(training).items() if name in first}


def _newly_drawn(store: Store, training: Training, cfg: Config) -> Weights:
    return drawn_anew(cfg, training.seed, training.number)


def _start_of_ticket(store: Store, training: Training, cfg: Config) -> Weights:
    return load_rewind_weights(load_ticket(training.ticket), training.ticket)


def _start_of_parent(store: Store, training: Training, cfg: Config) -> Weights:
    return store.start(training.source)


def _like_parent(store: Store, training: Training, cfg: Config) -> Weights:
    """Start as the ticket does, each layer with the scale that the ticket's kept weights have."""
    return _scaled_like_parent(store, training, store.start(training.source))


def _drawn_like_parent(store: Store, training: Training, cfg: Config) -> Weights:
    return _scaled_like_parent(store, training, _newly_drawn(store, training, cfg))


def _scaled_like_parent(store: Store, training: Training, start: Weights) -> Weights:
    ticket = store.ticket(training.source)
    own = shared_with(MASKS[training.masks](store, training), ticket.shared)
    return control_starts.rescaled(start, own, store.start(training.source), ticket.all_masks)


def _signs_kept(store: Store, training: Training, cfg: Config) -> Weights:
    ticket, drawn = store.ticket(training.source), _newly_drawn(store, training, cfg)
    return control_starts.with_signs(store.start(training.source), drawn, ticket.all_masks)


def _magnitudes_kept(store: Store, training: Training, cfg: Config) -> Weights:
    ticket, drawn = store.ticket(training.source), _newly_drawn(store, training, cfg)
    return control_starts.with_magnitudes(store.start(training.source), drawn, ticket.all_masks)


def _dense_net(store: Store, training: Training, cfg: Config) -> Weights:
    return _trained_weights(store, training.dense)


STARTS: dict[str, StartPolicy] = {
    'rewound': _rewound,
    'trained': _trained,
    'reinit': _newly_drawn,
    'given': _start_of_ticket,
    'of parent': _start_of_parent,
    'rms of parent': _like_parent,
    'reinit, rms of parent': _drawn_like_parent,
    'signs kept': _signs_kept,
    'magnitudes kept': _magnitudes_kept,
    'dense net': _dense_net,
}
