"""Which columns of the paper's CSV files hold what: the one table of all of them."""

from dataclasses import dataclass

Y_LABELS = {
    'mAP': 'mAP (%)',
    'change': 'mAP, change against dense (%)',
    'iou': 'IoU with the final mask',
    'pruned': 'pruned in the layer (%)',
    'network': 'sparsity of the network (%)',
}


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where one set of points is in a CSV.

    Attributes:
        x, y: Columns of the place and the value.
        low, high: Columns of the band ('' = there is none).
        sd: Column of the standard deviation, where there is no band.
        line: What names the curve, with columns in braces; ``label`` (of the point) likewise.
        flags: Columns of 0 and 1; those that are 1, joined by '+', are the label.
        task: Column of the task.
        dense: (column, value) that marks the dense net.
        quantity: What y is; a key of :data:`Y_LABELS`.
    """

    x: str
    y: str
    low: str = ''
    high: str = ''
    sd: str = ''
    line: str = ''
    label: str = ''
    flags: tuple[str, ...] = ()
    task: str = ''
    dense: tuple[str, str] = ('', '')
    quantity: str = 'mAP'


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One file of the paper's numbers: what its x is, and its sets of points."""

    x_label: str
    columns: tuple[Columns, ...]


def _banded(x: str, dense: tuple[str, str] = ('', '')) -> tuple[Columns]:
    return (Columns(x=x, y='mAP', low='band_low', high='band_high', dense=dense),)


_DENSE_AT_0 = ('prune_pct', '0.0')

# Name of the file -> how it is read. All of the paper's numbers are listed here.
REFERENCES = {
    'direct_pruning': Reference(
        x_label='pruned (%)',
        columns=(
            Columns(
                x='prune_percent',
                y='map',
                line='{backbone}',
                task='task',
                dense=('prune_percent', '0'),
            ),
        ),
    ),
    'backbone_effect': Reference(
        x_label='pruned (%)',
        columns=(
            Columns(
                x='prune_pct',
                y='pct_change_mAP',
                line='{backbone}',
                task='task',
                quantity='change',
            ),
        ),
    ),
    'prune_percentage': Reference(
        x_label='pruned (%)',
        columns=_banded('prune_pct', _DENSE_AT_0),
    ),
    'effect_of_rounds': Reference(
        x_label='pruning rounds',
        columns=_banded('rounds'),
    ),
    'late_reset': Reference(
        x_label='iteration of the reset',
        columns=_banded('reset_iteration'),
    ),
    'layerwise_vs_global': Reference(
        x_label='pruned (%)',
        columns=tuple(
            Columns(
                x='prune_pct',
                y=f'{name}_mAP',
                low=f'{name}_low',
                high=f'{name}_high',
                line=name,
                dense=_DENSE_AT_0,
            )
            for name in ('global', 'layerwise')
        ),
    ),
    'early_bird': Reference(
        x_label='iteration of the mask',
        columns=(
            Columns(x='mask_iteration', y='mAP', low='mAP_low', high='mAP_high'),
            Columns(
                x='mask_iteration',
                y='mask_IoU',
                low='IoU_low',
                high='IoU_high',
                quantity='iou',
            ),
        ),
    ),
    'imagenet_transfer': Reference(
        x_label='pruned in the backbone (%)',
        columns=(
            Columns(
                x='backbone_prune_percent',
                y='map',
                sd='sd',
                line='{backbone}, {kind}',
                task='task',
                label='{backbone}, {kind} {backbone_prune_percent}%',
                dense=('kind', 'dense'),
            ),
        ),
    ),
    'task_transfer': Reference(
        x_label='sparsity of the network (%)',
        columns=(
            Columns(
                x='network_sparsity_percent',
                y='map',
                label='ticket of {source_task}',
                task='target_task',
            ),
        ),
    ),
    'modules_voc': Reference(
        x_label='sparsity of the network (%)',
        columns=(
            Columns(
                x='network_sparsity_percent',
                y='map',
                sd='sd',
                flags=('base', 'top', 'rpn', 'heads'),
                dense=('network_sparsity_percent', '0'),
            ),
        ),
    ),
    'prune_percent_across_layers': Reference(
        x_label='layer, from the input',
        columns=(Columns(x='layer', y='prune_pct', quantity='pruned'),),
    ),
    'network_sparsity': Reference(
        x_label='pruned in the scope (%)',
        columns=(
            Columns(
                x='prune_percent',
                y='network_sparsity_percent',
                line='{scope}',
                label='{config}',
                quantity='network',
            ),
        ),
    ),
}
