"""The paper's network sparsities come out of the configs alone."""

from pathlib import Path

import pytest
from conftest import ROOT
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmlth.engine.config_files import load_config
from mmlth.settings.imp_config import IMPConfig
from mmlth.study import accounting

TINY = ROOT / 'configs' / 'digit_scenes' / 'faster-rcnn_r18-tiny_fpn_digitscenes.py'
ROWS = accounting.read_paper()
STEM = 64 * 3 * 7 * 7


def basic_blocks(width, inside):
    """Count a ResNet-18 stage: four 3x3 convolutions, the first of ``inside`` channels."""
    return 9 * width * (inside + 3 * width)


def bottlenecks(width, inside, blocks):
    """Count those of a ResNet-50 stage: 1x1, 3x3 and 1x1 to 4 * width, in each block."""
    return width * inside + (blocks - 1) * 4 * width * width + blocks * 13 * width * width


BACKBONES = dict(
    r18=STEM + sum(basic_blocks(*s) for s in ((64, 64), (128, 64), (256, 128), (512, 256))),
    r50=STEM
    + sum(bottlenecks(*s) for s in ((64, 64, 3), (128, 256, 4), (256, 512, 6), (512, 1024, 3))),
)


def row_id(row):
    return f'{Path(row["config"]).stem}-{row["scope"]}-{row["sparsity"]:.0%}'


def settings(row):
    return IMPConfig(scope=row['scope'], target_sparsity=row['sparsity'], rounds=1)


@pytest.mark.parametrize('row', ROWS, ids=row_id)
def test_the_papers_figure_is_met_to_a_tenth_of_a_point(row):
    found = accounting.plan(row['config'], settings(row)).rounds()[-1]['network_sparsity']
    assert 100 * found == pytest.approx(100 * row['network_sparsity'], abs=0.1)


def normalisation(config):
    """Count the parameters of the normalisation layers, by their modules."""
    cfg = load_config(config)
    init_default_scope('mmdet')
    norms = [
        m
        for m in MODELS.build(cfg.model).modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm)
    ]
    return sum(p.numel() for m in norms for p in m.parameters())


@pytest.mark.parametrize(
    'config', sorted({row['config'] for row in ROWS}), ids=lambda c: Path(c).stem
)
def test_without_normalisation_in_the_denominator_all_figures_are_met_to_two_hundredths(config):
    """The paper's detectors hold their frozen normalisation in buffers, which aren't parameters."""
    left_out = normalisation(config)
    assert left_out == (9_600 if '_r18_' in config else 53_120)
    for row in (r for r in ROWS if r['config'] == config and r['scope'] == 'backbone'):
        planned = accounting.plan(config, settings(row))
        found = row['sparsity'] * planned.scope_size / (planned.parameters - left_out)
        assert 100 * found == pytest.approx(100 * row['network_sparsity'], abs=0.02)


def test_the_papers_figures_are_those_we_mean():
    assert len(ROWS) == 12 and {row['sparsity'] for row in ROWS} == {0.5, 0.8, 0.9}
    assert ROWS[0]['network_sparsity'] == pytest.approx(0.784)


@pytest.mark.parametrize('depth, size', BACKBONES.items())
@pytest.mark.parametrize('detector', ['mask-rcnn', 'keypoint-rcnn'])
def test_the_backbones_scope_is_its_stem_and_its_convolutions_without_shortcuts(
    detector, depth, size
):
    path = next((ROOT / 'configs').glob(f'*/{detector}_{depth}_fpn_1x_coco.py'))
    planned = accounting.plan(str(path), IMPConfig(scope='backbone'))
    assert planned.scope_size == size
    assert 'backbone.conv1.weight' in planned.names and not [
        n for n in planned.names if 'downsample' in n
    ]


def test_resnet18_has_the_papers_sixteen_convolutions():
    assert BACKBONES['r18'] - STEM == 10_985_472


def test_keypoint_rcnn_has_the_papers_size():
    config = ROOT / 'configs' / 'keypoint_rcnn' / 'keypoint-rcnn_r18_fpn_1x_coco.py'
    planned = accounting.plan(str(config), IMPConfig())
    assert planned.parameters == pytest.approx(46.07e6, rel=2e-3)


def test_the_command_prints_every_row_beside_the_papers(call_tool):
    lines = call_tool('network_sparsity.py').stdout.splitlines()
    assert len(lines) == 1 + len(ROWS) and lines[0].split()[-3:] == ['paper', 'off', 'by']
    assert lines[1].split() == [
        'mask-rcnn_r18_fpn_1x_coco',
        'paper',
        '31,327,536',
        '30,704,832',
        '80.00%',
        '78.41%',
        '78.40%',
        '+0.01',
    ]


def test_any_config_can_be_asked_for(call_tool):
    out = call_tool(
        'network_sparsity.py', TINY, '--scope', 'backbone', 'neck', '--target-sparsity', '0.5'
    ).stdout
    head, line = out.splitlines()
    assert (
        'paper' not in head and line.split()[1] == 'backbone+neck' and line.split()[4] == '50.00%'
    )


@pytest.mark.parametrize(
    'args, message',
    [
        (['no.py'], "config 'no.py' does not exist"),
        ([TINY, '--target-sparsity', '2'], 'must be in (0, 1)'),
        ([TINY, '--scope', 'tail'], "scope='tail': allowed are"),
    ],
)
def test_errors_are_one_line(call_tool, args, message):
    error = call_tool('network_sparsity.py', *args, code=1).stderr
    assert message in error and 'Traceback' not in error


def test_options_that_the_papers_rows_would_ignore_are_refused(call_tool):
    with pytest.raises(SystemExit):
        call_tool('network_sparsity.py', '--scope', 'all')
