"""Write what a person looks at after a job: CSV, figures, and the table as text."""

from pathlib import Path

from mmlth.analysis import figures, tables
from mmlth.analysis.early_bird import MOST_CURVES, plot_final_iou
from mmlth.core.files import write_text
from mmlth.core.mask_history import has_final
from mmlth.core.store import Store

FORMATS = ('png', 'pdf')  # to look at, and for a paper


def write_report(work_dir: str | Path) -> str:
    """Write ``summary.csv`` and ``report/`` from ``summary.json``; return the table as text.

    Raises:
        FileNotFoundError: There is no summary in ``work_dir``.
    """
    store = Store(work_dir)
    summary = store.summary()
    layout = store.layout
    write_text(layout.summary_csv, tables.to_csv(summary))
    layout.report.mkdir(exist_ok=True)
    text = tables.to_text(summary)
    write_text(layout.report / 'table.txt', text + '\n')
    if summary.rounds:
        for form in FORMATS:
            figures.plot_metric(summary, layout.report / f'map_vs_sparsity.{form}')
            figures.plot_layers(summary, layout.report / f'density_per_layer.{form}')
    rounds = [record['round'] for record in summary.rounds]
    watched = [number for number in rounds if has_final(layout.early_bird(number))]
    if watched:  # the first rounds, where there are many: their masks have the most to find
        shown = {f'round {n}': layout.early_bird(n) for n in watched[:MOST_CURVES]}
        plot_final_iou(shown, layout.report / 'early_bird.png')
    return text
