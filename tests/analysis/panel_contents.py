"""What the panels of an experiment's figure hold."""

from made_rows import experiment
from test_figures import assert_drawn

from mmlth.analysis import style
from mmlth.analysis.experiment_figures import plot


def place(spec):
    return spec.rowspan.start, spec.colspan.start


def label_of(line):
    return '' if line.get_label().startswith('_') else line.get_label()


def contents(axes):
    """Return what a panel holds.

    Dashed lines are given by their place, open curves by True.
    """
    lines = [line for line in axes.lines if line.get_linestyle() != '--']
    dashed = [line.get_data() for line in axes.lines if line.get_linestyle() == '--']
    curves, values, seeds = {}, [], []
    for line in lines:
        if line.get_marker() == 's' and not label_of(line):
            values.append((line.get_xdata()[0], line.get_markerfacecolor() == 'white'))
        elif line.get_marker() == '.':
            seeds += zip(*line.get_data(), strict=True)
        elif line.get_marker() not in '_|':
            is_open = line.get_markerfacecolor() == 'white'
            points = [tuple(point) for point in zip(*line.get_data(), strict=True)]
            curves[label_of(line), is_open] = points
    listed = axes.get_legend()
    segments = [c.get_segments() for c in axes.collections if hasattr(c, 'get_segments')]
    return {
        'title': axes.get_title(),
        'x': axes.get_xlabel(),
        'y': axes.get_ylabel(),
        'place': place(axes.get_subplotspec()),
        'names': [text.get_text() for text in axes.get_xticklabels()],
        'ticks': [text.get_text() for text in axes.get_yticklabels()],
        'texts': [text.get_text() for text in axes.texts],
        'colours': {label_of(line): line.get_color() for line in axes.lines},
        'curves': curves,
        'dense': sorted(x[0] if tuple(y) == (0, 1) else y[0] for x, y in dashed),
        'legend': [text.get_text() for text in listed.get_texts()] if listed else [],
        'values': values,
        'seeds': seeds,
        'errors': [segment.tolist() for several in segments for segment in several],
        'bands': len(axes.collections),
    }


def recorder(folder, monkeypatch):
    """Return a function that plots, checks the file, and returns its panels and its legend."""
    panels, legend = [], []
    save = style.save_figure

    def keep(figure, path):
        panels.extend(contents(axes) for axes in figure.axes if axes.axison)
        legend.extend(text.get_text() for text in figure.legends[0].get_texts())
        return save(figure, path)

    def call(rows, **changes):
        panels.clear()
        legend.clear()
        path = folder / 'a.png'
        assert plot(rows, experiment(**changes), path) == path
        assert_drawn(path)
        return panels, legend

    monkeypatch.setattr(style, 'save_figure', keep)
    return call
