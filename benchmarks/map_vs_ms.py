#!/usr/bin/env python
"""mAP of a study's last rounds against the milliseconds that they take as deployed on this CPU.

Takes the finished jobs of a study, such as the experiment `cost` of configs/studies/winning.py,
groups them by what they are (a dense net of some width, a criterion, a sparsity), and prints the
means over seeds. Tickets skip their zeros; dense nets run as torch does them, in the faster of its
two memory formats, with the engine's own pooling. One image of noise of --size pixels, from the
preprocessed image to the detections; all take turns in one process. `layers` is the time in
convolutions and linear layers alone.
"""
import argparse
import copy
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
import torch
from mmengine.config import Config
from pruned_detectors import runner
from torch import nn

from mmlth.analysis.metrics import choose_main
from mmlth.core.checkpoints import load_state
from mmlth.core.records import Summary, load_summary
from mmlth.core.tables import to_markdown_table
from mmlth.deploy.detector import build
from mmlth.deploy.fold import fold
from mmlth.deploy.kernel import is_available
from mmlth.deploy.layers import SparseConv2d, SparseLinear
from mmlth.deploy.plan import follow
from mmlth.deploy.pooling import FastRoIAlign, replace, replace_pooling
from mmlth.deploy.tune import record_shapes, tune
from mmlth.trained.evaluate import config_beside

HEADER = ['kind', 'pruned', 'n', 'mAP', '10⁶ multiply-adds', 'layers, ms', 'whole, ms']
LAYERS = (nn.Conv2d, nn.Linear, SparseConv2d, SparseLinear)


@dataclass(kw_only=True)
class Trained:
    """One training: what it is, what it scores, and what it takes."""

    kind: str
    sparsity: float
    score: float
    multiply_adds: float
    layers_ms: float = 0.0
    whole_ms: float = 0.0


def score_of(record: dict[str, Any]) -> float:
    """Return a record's mAP; 0 where nothing was detected."""
    metrics: dict[str, float] = record['metrics']
    return metrics[choose_main(list(metrics))[0]] if metrics else 0.0


def read(job: Path) -> tuple[Trained, nn.Module] | None:
    """Return the last round of a job and its detector, folded; None for unfinished jobs."""
    summary: Summary = load_summary(job / 'summary.json')
    if len(summary.rounds) <= summary.settings['rounds']:
        return None
    record = summary.rounds[-1]
    cfg = Config.fromfile(config_beside(job / record['ticket']))
    channels = cfg.model.backbone.get('base_channels', 64)
    kind = f'dense, {channels} channels'
    if record['round']:
        kind = summary.settings['criterion']
        kind += f', a={summary.settings["cost_exponent"]}' if kind.endswith('_cost') else ''
    model = build(cfg, load_state(job / record['checkpoint']), {}, str(job))
    fold(model)
    counted = record['multiply_adds']
    found = Trained(
        kind=kind, sparsity=record['sparsity'], score=score_of(record),
        multiply_adds=counted.get('kept', counted.get('dense', float('nan'))) / 1e6)
    return found, model


def fastest(model: nn.Module, size: int) -> Callable[[], Any]:
    """Return what runs a folded detector fastest."""
    if any((layer.weight == 0).sum() * 3 > layer.weight.numel()
           for layer in model.modules() if isinstance(layer, nn.Conv2d)):
        plan = tune(model, record_shapes(model, runner(model, size)), lambda text: None)
        follow(model, plan.layers)
        replace_pooling(model)
        return runner(model, size)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    replace(last, FastRoIAlign)
    replace_pooling(model)
    runs = [runner(model, size), runner(last, size, channels_last=True)]
    return min(runs, key=lambda run: min(milliseconds(run) for _ in range(4)))


def milliseconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def measure(runs: list[Callable[[], Any]], repetitions: int) -> list[tuple[float, float]]:
    """Return the median milliseconds in layers and of the whole, of each run."""
    inside = [0.0]
    started = [0.0]

    def start(module: nn.Module, _: Any) -> None:
        if isinstance(module, LAYERS):
            started[0] = time.perf_counter()

    def stop(module: nn.Module, *_: Any) -> None:
        if isinstance(module, LAYERS):
            inside[0] += 1e3 * (time.perf_counter() - started[0])

    whole: list[list[float]] = [[] for _ in runs]
    layers: list[list[float]] = [[] for _ in runs]
    for _ in range(repetitions):
        for number, run in enumerate(runs):
            whole[number].append(milliseconds(run))
    handles = [nn.modules.module.register_module_forward_pre_hook(start),
               nn.modules.module.register_module_forward_hook(stop)]
    for _ in range(repetitions):
        for number, run in enumerate(runs):
            inside[0] = 0.0
            run()
            layers[number].append(inside[0])
    for handle in handles:
        handle.remove()
    return [(statistics.median(a), statistics.median(b))
            for a, b in zip(layers, whole, strict=True)]


def group(trained: list[Trained]) -> dict[tuple[str, float], list[Trained]]:
    """Return (kind, sparsity) -> seeds, in the order of the table."""
    groups: dict[tuple[str, float], list[Trained]] = defaultdict(list)
    for each in trained:
        groups[each.kind, round(each.sparsity, 3)].append(each)
    return dict(sorted(groups.items()))


def draw(groups: dict[tuple[str, float], list[Trained]], size: int, file: Path) -> None:
    """Draw the mean mAP over the mean milliseconds in layers; seeds are dots."""
    mpl.use('Agg')
    import matplotlib.pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    lines: dict[str, list[list[Trained]]] = defaultdict(list)
    for (kind, _), seeds in groups.items():
        lines['dense, narrower' if kind.startswith('dense') else kind].append(seeds)
    figure, ax = plt.subplots(figsize=(6.4, 4.2), layout='constrained')
    for number, (kind, points) in enumerate(lines.items()):
        colour = f'C{number}'
        points.sort(key=lambda seeds: fmean([each.multiply_adds for each in seeds]))
        ax.plot([fmean([each.layers_ms for each in seeds]) for seeds in points],
                [fmean([each.score for each in seeds]) for seeds in points],
                marker='o', color=colour, label=kind)
        for seeds in points:
            ax.scatter([each.layers_ms for each in seeds], [each.score for each in seeds],
                       s=9, color=colour, alpha=0.6)
    ax.set(xscale='log', xlabel=f'ms in convolutions and linear layers, {size} px, one thread',
           ylabel='bbox mAP')
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(ScalarFormatter())
    figure.legend(loc='outside lower center', ncols=2)
    figure.savefig(file, dpi=150)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('study', type=Path, help='work directory of a study')
    parser.add_argument('--size', type=int, default=512, help='pixels, both ways')
    parser.add_argument('--repetitions', type=int, default=9)
    parser.add_argument('--figure', type=Path, help='file to draw to, as map_vs_ms.png')
    args = parser.parse_args(argv)
    if not is_available():
        parser.error('the kernels need g++ and ninja')
    torch.set_num_threads(1)
    found = [each for path in sorted(args.study.glob('jobs/*/summary.json'))
             if (each := read(path.parent))]
    runs = [fastest(model, args.size) for _, model in found]
    for (trained, _), (layers, whole) in zip(found, measure(runs, args.repetitions), strict=True):
        trained.layers_ms, trained.whole_ms = layers, whole
    groups = group([trained for trained, _ in found])
    print(to_markdown_table(HEADER, [
        [kind, f'{sparsity:.0%}', str(len(seeds)), f'{fmean([s.score for s in seeds]):.3f}',
         f'{fmean([s.multiply_adds for s in seeds]):.1f}',
         f'{fmean([s.layers_ms for s in seeds]):.1f}', f'{fmean([s.whole_ms for s in seeds]):.1f}']
        for (kind, sparsity), seeds in groups.items()]))
    if args.figure:
        draw(groups, args.size, args.figure)


if __name__ == '__main__':
    main()
