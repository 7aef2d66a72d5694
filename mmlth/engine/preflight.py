"""What can be known before training: the table of tensors, both denominators, every mistake."""
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Iterator

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope

from mmlth.core import criteria, scope, selection
from mmlth.core.files import free_bytes
from mmlth.core.masks import dense_masks, kept
from mmlth.core.patterns import check_pattern, parse
from mmlth.engine.config import IMPConfig
from mmlth.engine.initial import build_model, init_quietly
from mmlth.engine.sharing import check_ticket


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """The plan of a job.

    Attributes:
        weights: Every weight tensor of the model.
        names: Tensors in the scope, in order.
        parameters: All parameters of the model.
        densities: Planned density of every round.
        magnitudes: name -> median |w_0|, or None if the model could not be initialised here.
        previews: name -> kept share if w_0 were ranked to the target now, or None.
        note: Why the two above are None, or ''.
    """

    weights: list[scope.WeightInfo]
    names: tuple[str, ...]
    parameters: int
    densities: tuple[float, ...]
    magnitudes: dict[str, float] | None
    previews: dict[str, float] | None
    note: str

    @property
    def scope_size(self) -> int:
        """Weights in the scope."""
        chosen = set(self.names)
        return sum(w.size for w in self.weights if w.name in chosen)

    def rounds(self) -> list[dict[str, Any]]:
        """Return round, kept weights, sparsity and network sparsity of every planned round."""
        counts = [round(d * self.scope_size) for d in self.densities]
        return [dict(round=i, kept=count, sparsity=1 - count / self.scope_size,
                     network_sparsity=scope.network_sparsity(self.scope_size - count, self.parameters))
                for i, count in enumerate(counts)]

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as ``preflight.json`` holds it."""
        chosen = set(self.names)
        tensors = [dict(asdict(w), size=w.size, pruned=w.name in chosen,
                        median_magnitude=(self.magnitudes or {}).get(w.name),
                        kept_if_ranked_now=(self.previews or {}).get(w.name)) for w in self.weights]
        return dict(version=1, parameters=self.parameters, scope_size=self.scope_size,
                    tensors=tensors, rounds=self.rounds(), note=self.note)

    def format(self) -> str:
        """Draw the tables: every tensor, then every planned round."""
        lines = [scope.format_weights(self.weights, self.names, self.magnitudes, self.previews), '']
        lines += [f'scope: {self.scope_size:,} weights in {len(self.names)} tensors; '
                  f'model: {self.parameters:,} parameters', '',
                  f'{"round":>5} {"kept":>12} {"sparsity of scope":>18} {"of network":>11}']
        lines += [f'{r["round"]:>5} {r["kept"]:>12,} {100 * r["sparsity"]:>17.2f}% '
                  f'{100 * r["network_sparsity"]:>10.2f}%' for r in self.rounds()]
        return '\n'.join(lines + (['', f'note: {self.note}'] if self.note else []))


def plan(cfg: Config, settings: IMPConfig, *, need_weights: bool) -> Preflight:
    """Build the model on the CPU and plan every round.

    Args:
        cfg: Config with a ``model``.
        settings: Of the job.
        need_weights: Whether failing to initialise the model (pretrained weights that can't be
            had) is an error; otherwise it becomes a note.

    Raises:
        ValueError: The scope is empty or unknown, or a minimum can't be met.
        OSError: Pretrained weights can't be had and ``need_weights``.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = build_model(cfg, settings.seed)
    weights = scope.list_weights(model)
    names = scope.choose(weights, settings.scope, include=settings.include,
                         exclude=settings.exclude, frozen=settings.frozen)
    chosen = set(names)
    check_pattern(settings.allocation, settings.densities(), {w.name: w.shape for w in weights if w.name in chosen},
                  settings.min_kept)
    if settings.ticket:
        check_ticket(settings, names, {w.name: w.shape for w in weights})
    magnitudes, previews, note = _initial(model, settings, weights, names, need_weights)
    standardised = set(scope.standardised_weights(model)) & set(names)
    if standardised:
        note += (f'{len(standardised)} weights of the scope are standardised in every forward pass, so '
                 'that their zeros do not act as zeros; leave them out with exclude')
    transposed = set(scope.transposed_weights(model)) & set(names) if parse(settings.allocation) else set()
    if transposed:
        note += (f'{sorted(transposed)} belong to transposed convolutions: their groups of {settings.allocation} run '
                 'along outputs, which is of no use to sparse hardware; leave them out with exclude')
    return Preflight(weights=weights, names=names, parameters=scope.count_parameters(model),
                     densities=settings.densities(), magnitudes=magnitudes, previews=previews, note=note)


def _initial(model: Any, settings: IMPConfig, weights: list[scope.WeightInfo], names: tuple[str, ...],
             need_weights: bool) -> tuple[dict[str, float] | None, dict[str, float] | None, str]:
    """Measure w_0: fresh heads look small beside pretrained convolutions and may be emptied."""
    try:
        init_quietly(model)
    except (OSError, ImportError) as error:  # torchvision:// needs that package
        if need_weights:
            raise OSError(f'the initial weights of the config cannot be loaded: {error}. Check '
                          'init_cfg, the network and, for torchvision://, that torchvision is installed, or '
                          'set init_cfg=None') from error
        return None, None, f'w_0 not shown, its pretrained weights cannot be loaded here ({error})'
    state = {w.name: p.detach() for w in weights for p in [model.get_parameter(w.name)]}
    magnitudes = {name: float(value.float().abs().median()) for name, value in state.items()}
    inside = scope.weights_of(state, names)
    scores = criteria.score(settings.criterion, inside, inside, settings.seed)
    if not any(score.any() for score in scores.values()):
        return magnitudes, None, ''  # a criterion of changes, of which there are none yet
    masks = selection.select(scores, dense_masks(inside), settings.densities()[-1],
                             allocation=settings.allocation, min_kept=settings.min_kept)
    return magnitudes, {name: kept({name: m}) / m.numel() for name, m in masks.items()}, ''


def check_config(cfg: Config) -> None:
    """Raise for what a training would find missing only later.

    Raises:
        ValueError: No training or validation part.
        FileNotFoundError: An annotation file, image folder or checkpoint of the config is
            missing; names the config's key, the path, and how to change it.
    """
    for part in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'val_dataloader',
                 'val_cfg', 'val_evaluator'):
        if cfg.get(part) is None:
            raise ValueError(f'the config has no {part!r}: IMP trains and evaluates every round, so '
                             'the training and validation parts of an MMDet config are needed')
    hooks = [h.get('type') for h in cfg.get('custom_hooks') or []]
    for hook in ('TicketHook', 'CaptureHook'):
        if hook in hooks:
            raise ValueError(f'custom_hooks holds a {hook}, which IMP adds itself; remove it from the config')
    if cfg.optim_wrapper.get('type') == 'AmpOptimWrapper' and get_device() == 'cpu':
        raise ValueError('mixed precision (--amp, AmpOptimWrapper) needs a GPU, and none is visible')
    if cfg.get('auto_scale_lr', {}).get('enable') and 'base_batch_size' not in cfg.auto_scale_lr:
        raise ValueError('--auto-scale-lr needs auto_scale_lr.base_batch_size in the config')
    for key, path in _files(cfg):
        if not os.path.exists(path):
            raise FileNotFoundError(f'{key} = {path!r} does not exist. Lay the data out there, or point '
                                    'to it: all of it with --data-root DIR, or this one with '
                                    f'--cfg-options {key}=PATH')


def _files(cfg: Config) -> Iterator[tuple[str, str]]:
    """Yield (config key, path) of every local file or folder that the config reads."""
    for loader in ('train_dataloader', 'val_dataloader'):
        yield from _dataset_files(cfg[loader].dataset, f'{loader}.dataset')
    evaluators = cfg.val_evaluator if isinstance(cfg.val_evaluator, (list, tuple)) else [cfg.val_evaluator]
    for evaluator in evaluators:
        if evaluator.get('ann_file') and '://' not in evaluator['ann_file'] and _is_local(evaluator):
            yield 'val_evaluator.ann_file', evaluator['ann_file']
    if cfg.get('load_from') and '://' not in cfg.load_from:
        yield 'load_from', cfg.load_from


def _dataset_files(dataset: Any, key: str) -> Iterator[tuple[str, str]]:
    if 'dataset' in dataset:  # RepeatDataset, ClassBalancedDataset, MultiImageMixDataset
        yield from _dataset_files(dataset['dataset'], f'{key}.dataset')
    for i, part in enumerate(dataset.get('datasets') or []):  # ConcatDataset
        yield from _dataset_files(part, f'{key}.datasets.{i}')
    if not _is_local(dataset):
        return
    root = dataset.get('data_root') or ''
    prefixes = {f'data_prefix.{k}': v for k, v in (dataset.get('data_prefix') or {}).items()}
    for name, path in dict(prefixes, ann_file=dataset.get('ann_file')).items():
        if isinstance(path, str) and path and '://' not in path + root:
            yield f'{key}.{name}', os.path.join(root, path)


def _is_local(reader: Any) -> bool:
    return (reader.get('backend_args') or {}).get('backend', 'local') == 'local'


def check_disk(work_dir: Path, parameters: int, settings: IMPConfig, cfg: Config) -> None:
    """Raise OSError if the disk of ``work_dir`` is too small for every checkpoint of the job."""
    copies = 2 if cfg.optim_wrapper.get('optimizer', {}).get('type') == 'SGD' else 3  # + state
    keep = (cfg.get('default_hooks', {}).get('checkpoint') or {}).get('max_keep_ckpts', -1)
    keep = keep if keep > 0 else settings.max_keep_ckpts
    trainings = len(settings.trainings())
    start = trainings if settings.ticket or settings.rewind in ('lr', 'none', 'reinit') else 0  # start.safetensors
    start += len(settings.capture)
    needed = 4 * parameters * (copies * (keep * trainings + 1) + start)  # + 1: rewind.safetensors and .pth
    free = free_bytes(work_dir)
    if free < needed:
        raise OSError(f'the disk of {work_dir} has {free / 2**30:.1f} GiB free, but the job needs about '
                      f'{needed / 2**30:.1f} GiB ({trainings} trainings, {keep} checkpoints '
                      'each). Free some, choose another --work-dir, or lower '
                      'default_hooks.checkpoint.max_keep_ckpts (2 at least)')
