"""An early-bird hook beside a toy training, and what it must have seen."""
import toys

from mmlth.core import criteria, mask_history, selection
from mmlth.core.masks import dense_masks
from mmlth.engine.hooks.early_bird_hook import EarlyBirdHook


def make(folder, density=0.5, **settings):
    """Return a hook that writes to ``folder/eb``, for all prunable weights or a ticket's."""
    if 'ticket' not in settings:
        settings = dict(names=toys.NAMES) | settings
    return EarlyBirdHook(str(folder / 'eb'), density, **settings)


def prune(state, density=0.5, old=None, criterion='magnitude', initial=None):
    """Return the masks that a pruning of this state would give."""
    weights = {name: state[name] for name in toys.NAMES}
    scores = criteria.score(criterion, weights, initial or weights)
    return selection.select(scores, old or dense_masks(weights), density)


def looks(folder):
    return mask_history.read_looks(folder / 'eb')


def steps(folder):
    """Return the steps that were looked at."""
    return [look['step'] for look in looks(folder)]


def stored(folder, step):
    """Return the masks of a look that were stored."""
    return mask_history.read_masks(folder / 'eb' / f'masks_{step:08d}.safetensors').masks
