"""The tools as a person types them: help, errors, exit codes."""
import json
import os
import sys
from pathlib import Path

import pytest
import toys
from conftest import ROOT, run_process, run_tool, tool_main

from mmlth.core.checkpoints import load_checkpoint
from mmlth.core.masks import apply, digest
from mmlth.core.ticket import load_ticket, load_weights
from mmlth.html_report.page import is_installed


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return toys.write_config(tmp_path_factory.mktemp('config'))


@pytest.fixture(scope='module')
def job(config, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('job') / 'imp'
    return work_dir, run_tool('imp_train.py', config, '--work-dir', work_dir).stdout


@pytest.mark.parametrize('tool', [
    'imp_train', 'inspect_ticket', 'test_ticket', 'export_ticket', 'plot_summary',
    'make_digit_scenes', 'network_sparsity', 'transfer_ticket', 'deploy_ticket'])
def test_help_explains(capsys, tool):
    with pytest.raises(SystemExit) as ended:
        tool_main(f'{tool}.py', '--help')
    text = capsys.readouterr().out
    assert ended.value.code == 0 and len(text) > 300 and 'usage:' in text


def test_a_job_prints_its_table_and_leaves_every_file(job):
    work_dir, output = job
    *table, page = output.strip().splitlines()[-7:]
    assert page.startswith('interactive report: ')
    assert table[0].split()[:5] == ['round', 'sparsity', 'network', 'mAP', 'vs']
    assert '75.00%' in output
    names = {p.name for p in work_dir.iterdir()}
    assert names == {
        '.lock', 'imp.json', 'imp.log', 'positions.json', 'preflight.json', 'preflight.txt',
        'rewind.safetensors', 'round_00', 'round_01', 'round_02', 'summary.json', 'summary.csv',
        'report'}
    summary = json.loads((work_dir / 'summary.json').read_text())
    assert {'config', 'settings', 'rounds'} <= set(summary)
    for record in summary['rounds']:
        assert {'round', 'sparsity', 'network_sparsity', 'metrics', 'seconds', 'ticket',
                'checkpoint'} <= set(record)
        assert (work_dir / record['ticket']).exists() and (work_dir / record['checkpoint']).exists()
    assert len((work_dir / 'summary.csv').read_text().splitlines()) == 4
    html = {'index.html'} if is_installed() else set()
    assert {p.name for p in (work_dir / 'report').iterdir()} == html | {
        'table.txt', 'map_vs_sparsity.png', 'map_vs_sparsity.pdf', 'density_per_layer.png',
        'density_per_layer.pdf'}


def test_flags_override_the_imp_block(call_tool, config, tmp_path):
    out = call_tool('imp_train.py', config, '--work-dir', tmp_path / 'w', '--dry-run',
                    '--target-sparsity', '0.5', '--rounds', '1', '--scope', 'backbone',
                    '--allocation', 'layerwise', '--rewind', '3', '--seed', '4',
                    '--schedule', 'linear').stdout
    assert '50.00%' in out
    assert 'scope: 1,368 weights in 2 tensors; model: 1,476 parameters' in out
    plan = json.loads((tmp_path / 'w' / 'preflight.json').read_text())
    assert [r['sparsity'] for r in plan['rounds']] == [0, 0.5]


@pytest.mark.parametrize('args, message', [
    (['--target-sparsity', '1.5'], 'target_sparsity=1.5 must be in (0, 1)'),
    (['--schedule', '0.5', 'x'], "schedule=[0.5, 'x']: allowed are geometric, linear or rising"),
    (['--scope', 'tail'], "scope='tail': allowed are paper, all, backbone"),
    (['--rewind', 'soon'], "rewind='soon': allowed"),
    (['--cfg-options', 'train_dataloader.dataset.ann_file=no.json'],
     "ann_file = 'no.json' does not exist"),
    (['--work-dir', __file__], 'is a file; choose a folder'),
    (['--work-dir', f'{__file__}/below'], 'is a file; choose a folder')])
def test_errors_are_one_line_and_leave_nothing(call_tool, config, tmp_path, args, message):
    error = call_tool('imp_train.py', config, '--work-dir', tmp_path / 'w', *args, code=1).stderr
    assert message in error and 'Traceback' not in error
    assert not (tmp_path / 'w').exists()


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_an_unwritable_work_dir_is_refused(call_tool, config, tmp_path):
    tmp_path.chmod(0o500)
    args = ('imp_train.py', config, '--work-dir', tmp_path / 'w')
    assert 'cannot be written' in call_tool(*args, code=1).stderr


def test_inspect_shows_layers_and_compares_with_chance(call_tool, job):
    rounds = [job[0] / f'round_{i:02d}' / 'ticket.safetensors' for i in (1, 2)]
    args = ('inspect_ticket.py', rounds[1], '--compare', rounds[0], '--json')
    facts = json.loads(call_tool(*args).stdout)
    assert facts['sparsity'] == 0.75 and facts['kept'] == 358 and facts['rewind_file_found']
    assert facts['overlap']['iou'] == pytest.approx(358 / 716)
    assert facts['overlap']['chance_iou'] == pytest.approx(179 / 895)  # 358 * 716 / 1432 = 179
    text = call_tool('inspect_ticket.py', rounds[1]).stdout
    assert 'backbone.conv2.weight' in text and '75.00% of the scope: 358 of 1,432' in text


@pytest.mark.parametrize('given', ['.', 'round_02', 'round_02/ticket.safetensors'])
def test_a_ticket_is_named_by_its_job_its_round_or_itself(call_tool, job, tmp_path, given):
    facts = json.loads(call_tool('inspect_ticket.py', job[0] / given, '--json').stdout)
    assert Path(facts['file']) == job[0] / 'round_02' / 'ticket.safetensors'
    call_tool('export_ticket.py', job[0] / given, tmp_path / 'out.pth')
    trained = load_checkpoint(job[0] / 'round_02' / 'epoch_3.pth')['state_dict']
    assert digest(load_checkpoint(tmp_path / 'out.pth')['state_dict']) == digest(trained)


def test_inspect_lists_the_trainings_of_a_job(call_tool, job):
    text = call_tool('inspect_ticket.py', job[0]).stdout
    assert text.startswith((job[0] / 'report' / 'table.txt').read_text().strip())
    assert 'round_02/ticket.safetensors' in text


@pytest.mark.parametrize('tool, args', [
    ('inspect_ticket.py', []), ('test_ticket.py', []), ('export_ticket.py', ['out.pth'])])
def test_a_checkpoint_is_no_ticket(call_tool, job, tool, args):
    error = call_tool(tool, job[0] / 'round_02' / 'epoch_3.pth', *args, code=1).stderr
    assert 'epoch_3.pth is a checkpoint, the weights of a model, and no ticket' in error
    assert 'mmlth transfer CHECKPOINT CONFIG OUT --sparsity' in error


def test_a_config_of_mmdet_is_found_by_its_name_alone(call_tool):
    error = call_tool('imp_train.py', 'retinanet_r50_fpn_1x_coco', '--dry-run', code=1).stderr
    assert 'did you mean mmdet::retinanet/retinanet_r50_fpn_1x_coco.py?' in error


@pytest.mark.parametrize('tool', ['imp_train.py', 'test_ticket.py'])
def test_a_launcher_that_started_nothing_is_refused_first(call_tool, tmp_path, tool):
    error = call_tool(tool, tmp_path / 'none', '--launcher', 'slurm', code=1).stderr
    assert '--launcher slurm, but SLURM_PROCID is not set' in error


def test_a_config_that_draws_nothing_is_refused(call_tool, job, tmp_path):
    error = call_tool('test_ticket.py', job[0], '--work-dir', tmp_path, '--show-dir', tmp_path,
                      code=1).stderr
    assert 'the config has no hook that draws' in error and 'DetVisualizationHook' in error


@pytest.mark.slow
def test_two_ranks_score_like_one(job, tmp_path):
    run_process(
        sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2',
        ROOT / 'tools' / 'test_ticket.py', job[0], '--launcher', 'pytorch', '--work-dir', tmp_path,
        '--out', tmp_path / 'm.json')
    record = json.loads((job[0] / 'round_02' / 'record.json').read_text())
    assert json.loads((tmp_path / 'm.json').read_text()) == record['metrics']


def test_export_refuses_to_replace_a_file(call_tool, job, tmp_path):
    ticket = job[0] / 'round_02' / 'ticket.safetensors'
    (tmp_path / 'out.pth').write_text('precious')
    error = call_tool('export_ticket.py', ticket, tmp_path / 'out.pth', code=1).stderr
    assert '--overwrite' in error and (tmp_path / 'out.pth').read_text() == 'precious'
    call_tool('export_ticket.py', ticket, tmp_path / 'out.pth', '--overwrite',
              '--weights', 'initial')
    expected = apply(load_ticket(ticket).masks, load_weights(job[0] / 'rewind.safetensors'))
    assert digest(load_checkpoint(tmp_path / 'out.pth')['state_dict']) == digest(expected)


def test_export_refuses_a_checkpoint_of_another_round(call_tool, job, tmp_path):
    dense = job[0] / 'round_00' / 'epoch_3.pth'
    ticket = job[0] / 'round_02' / 'ticket.safetensors'
    error = call_tool('export_ticket.py', ticket, tmp_path / 'out.pth', '--checkpoint', dense,
                      code=1).stderr
    assert 'does not belong to this ticket' in error and not (tmp_path / 'out.pth').exists()


def test_test_ticket_scores_like_the_record(call_tool, job, tmp_path):
    call_tool('test_ticket.py', job[0] / 'round_02' / 'ticket.safetensors',
              '--work-dir', tmp_path / 'e', '--out', tmp_path / 'm.json')
    record = json.loads((job[0] / 'round_02' / 'record.json').read_text())
    assert json.loads((tmp_path / 'm.json').read_text()) == record['metrics']


def test_test_ticket_finds_data_that_was_moved(call_tool, job, tmp_path):
    """MMEngine leaves the config that it ran in the folder of its logs."""
    loader = toys.toy_config()['val_dataloader']
    loader['dataset']['ann_file'] = 'data/toy/a.json'
    config = toys.write_config(tmp_path, data_root='data/toy/', val_dataloader=loader)
    call_tool('test_ticket.py', job[0] / 'round_02' / 'ticket.safetensors', '--config', config,
              '--work-dir', tmp_path / 'e', '--data-root', '/moved')
    assert "ann_file='/moved/a.json'" in (tmp_path / 'e' / 'toy.py').read_text()


def test_test_ticket_says_where_it_cannot_move_data(call_tool, job, config, tmp_path):
    ticket = job[0] / 'round_02' / 'ticket.safetensors'
    error = call_tool('test_ticket.py', ticket, '--config', config, '--work-dir', tmp_path / 'e',
                      '--data-root', '/moved', code=1).stderr
    assert '--data-root /moved' in error and 'has no data_root to replace' in error


def test_a_metric_that_dumps_nothing_is_named_before_the_test(call_tool, job, tmp_path):
    error = call_tool('test_ticket.py', job[0], '--work-dir', tmp_path / 'e', '--dump',
                      code=1).stderr
    assert "ToyAccuracy writes no predictions in COCO's form" in error
    assert not list(job[0].glob('round_02/*predictions*')) and not (tmp_path / 'e').exists()


def test_plot_draws_what_is_asked_for(call_tool, job, tmp_path):
    call_tool('plot_summary.py', job[0], '--out', tmp_path, '--axis', 'network_sparsity',
              '--format', 'svg')
    assert '<svg' in (tmp_path / 'map_vs_network_sparsity.svg').read_text()
    error = call_tool('plot_summary.py', job[0], '--out', tmp_path, '--metric', 'AP', code=1).stderr
    assert "metrics=['AP']: give up to 4 of those that the records hold: toy/mAP" in error


@pytest.mark.parametrize('tool, args', [('inspect_ticket.py', []), ('test_ticket.py', []),
                                        ('export_ticket.py', ['out.pth'])])
def test_a_missing_ticket_is_named(call_tool, tmp_path, tool, args):
    error = call_tool(tool, tmp_path / 'none.safetensors', *args, code=1).stderr
    assert 'none.safetensors does not exist' in error and 'Traceback' not in error
