"""What share of a whole network a sparsity of the scope is, from configs alone."""
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from mmengine.registry import MODELS, init_default_scope

from mmlth.analysis import paper
from mmlth.core import scope
from mmlth.core.tables import format_table
from mmlth.engine.config_files import load_config
from mmlth.job.preflight import Preflight
from mmlth.settings.imp_config import IMPConfig

HEADER = ['model', 'scope', 'parameters', 'in scope', 'sparsity', 'of network']
PAPER_HEADER = ['paper', 'off by']
LEFT = ['model', 'scope']


class PaperRow(TypedDict):
    """A figure of the paper: both sparsities are in (0, 1)."""

    config: str
    scope: str
    sparsity: float
    network_sparsity: float


def read_paper() -> list[PaperRow]:
    """Return every figure of the paper."""
    return [
        PaperRow(
            config=f'mmlth::{point.label}',
            scope=point.line,
            sparsity=point.x / 100,
            network_sparsity=point.y / 100,
        )
        for point in paper.read('network_sparsity')
    ]


@functools.cache
def read_model(config: str) -> tuple[tuple[scope.WeightInfo, ...], int]:
    """Return the weights and the number of parameters of a config's model."""
    cfg = load_config(config)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = MODELS.build(cfg.model)  # without init_weights, which downloads the backbone's
    return tuple(scope.list_weights(model)), scope.count_parameters(model)


def plan(config: str, settings: IMPConfig) -> Preflight:
    """Count weights and parameters as a job of these settings would."""
    weights, parameters = read_model(config)
    return Preflight(
        weights=weights,
        names=scope.choose(weights, settings.scope),
        parameters=parameters,
        densities=settings.densities(),
    )


def network_sparsity(planned: Preflight) -> float:
    """Return the share of the whole network that the last round prunes."""
    return planned.rounds()[-1]['network_sparsity']


def cells(
    config: str, wanted: str | Sequence[str], sparsity: float, planned: Preflight
) -> list[str]:
    """Return a row of the table."""
    return [
        Path(config).stem,
        wanted if isinstance(wanted, str) else '+'.join(wanted),
        f'{planned.parameters:,}',
        f'{planned.scope_size:,}',
        f'{sparsity:.2%}',
        f'{network_sparsity(planned):.2%}',
    ]


def table_of_config(config: str, scopes: Sequence[str], sparsities: Sequence[float]) -> str:
    """Draw a row for each sparsity of a scope."""
    wanted = scopes[0] if len(scopes) == 1 else tuple(scopes)
    rows = []
    for sparsity in sparsities:
        settings = IMPConfig(scope=wanted, target_sparsity=sparsity, rounds=1)
        rows.append(cells(config, wanted, sparsity, plan(config, settings)))
    return format_table(HEADER, rows, left=LEFT)


def table_of_paper() -> str:
    """Draw a row for each figure of the paper, with the points by which ours is off."""
    rows = []
    for row in read_paper():
        published = row['network_sparsity']
        settings = IMPConfig(scope=row['scope'], target_sparsity=row['sparsity'], rounds=1)
        planned = plan(row['config'], settings)
        off_by = 100 * (network_sparsity(planned) - published)
        own = cells(row['config'], row['scope'], row['sparsity'], planned)
        rows.append([*own, f'{published:.2%}', f'{off_by:+.2f}'])
    return format_table([*HEADER, *PAPER_HEADER], rows, left=LEFT)
