"""A small page with everything that may stand on one."""

from made_rows import dense_row, experiment, row

from mmlth.core.records import Summary
from mmlth.html_report.page import write_page
from mmlth.html_report.provenance import provenance
from mmlth.html_report.sections import Page, section

EVIL = '<script>alert(1)</script>"\'&'


def curve_rows(line='80%'):
    """Three seeds of a dense net, tickets at two sparsities and one that detected nothing."""
    rows = []
    for seed in range(3):
        shared = dict(seed=seed, job=f'j{seed}')
        rows.append(dense_row(0.5, x=None, label='dense', **shared))
        rows += [row(0.5 + 0.01 * seed, line=line, x=50.0, **shared),
                 row(0.4 + 0.02 * seed, line=line, x=80.0, **shared)]
    return [*rows, row(None, line='other', x=80.0)]


def judged_rows(line='80%'):
    return [row(0.6 + 0.01 * seed - 0.1 * bool(control), line=line, seed=seed, job=str(seed),
                control=control, label=control or 'ticket')
            for seed in range(3) for control in ('', 'dense_budget', 'random')]


def layer_rows():
    return [row(0.5, line='80%', layer_density={'a.weight': 0.25, 'b.conv.weight': 0.5})]


def summary(settings=None):
    record = dict(round=0, control='', sparsity=0.0, network_sparsity=0.0, seconds=61.0,
                  metrics={'coco/bbox_mAP': 0.5}, kept=10, scope_size=10, parameters=12, steps=5,
                  digests={'masks': 'abcdef0123456789'}, policies={'rewind': 'init'},
                  machine={'torch': '2.13.0', 'threads': 1}, layer_density={'a.weight': 1.0},
                  ticket='round_00/ticket.safetensors', checkpoint='round_00/epoch_1.pth')
    later = record | dict(round=1, sparsity=0.5, network_sparsity=0.4,
                          metrics={'coco/bbox_mAP': 0.25}, layer_density={'a.weight': 0.5})
    return Summary(config='c.py', settings=settings or {'seed': 0, 'controls': []},
                   rounds=[record, later], seconds=122.0)


def make_page(text='plain', jobs=1):
    """Return a page whose every text holds ``text``."""
    sections = [
        section(curve_rows(text), experiment(name='curve', title=text, x_label='pruned (%)')),
        section(judged_rows(text), experiment(name='judged', title=text, kind='bars')),
        section(layer_rows(), experiment(name='layers', title=text, kind='layers'))]
    return Page(title=text, facts=[text], sections=sections, command=text, notes=[text],
                jobs=provenance({f'{text} {i}': summary({text: text}) for i in range(jobs)}))


def written(folder, text='plain'):
    """Write the page; returns its path."""
    path = folder / 'index.html'
    write_page(make_page(text), path)
    return path
