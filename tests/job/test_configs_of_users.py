"""What a training config may bring along: loggers, hooks, checkpoints elsewhere, AMP."""
import json

import pytest
import torch
import toys
from conftest import run_job
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def test_every_round_has_a_visualizer_of_its_own_that_shows_its_sparsity(tmp_path):
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    visualizer = dict(type='Visualizer', name='visualizer', vis_backends=backends)
    cfg = toys.read_config(tmp_path, visualizer=visualizer)
    run_job(cfg, tmp_path / 'job', rounds=2, target_sparsity=0.75)
    for i, sparsity in enumerate((0.0, 0.5, 0.75)):
        (folder, ) = (tmp_path / 'job' / f'round_{i:02d}').glob('*/vis_data')
        lines = (folder / 'scalars.json').read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        assert {r['imp_round'] for r in rows if 'imp_round' in r} == {i}
        assert {round(r['sparsity'], 3) for r in rows if 'sparsity' in r} == {sparsity}
        densities = [value for row in rows for name, value in row.items() if 'density/' in name]
        assert len(densities) == (len(toys.NAMES) if i else 0)
        (events, ) = folder.glob('events*')
        shown = EventAccumulator(str(events)).Reload()
        assert {scalar.value for scalar in shown.Scalars('sparsity')} == {sparsity}
        assert {scalar.value for scalar in shown.Scalars('imp_round')} == {float(i)}


def test_hooks_that_imp_adds_itself_are_refused_in_the_config(toy_cfg, tmp_path):
    for hook in ('TicketHook', 'CaptureHook'):
        toy_cfg.custom_hooks = [dict(type=hook)]
        with pytest.raises(ValueError, match=f'a {hook} among its hooks'):
            run_job(toy_cfg, tmp_path / 'job')


def test_mixed_precision_without_a_gpu_is_refused_up_front(toy_cfg, tmp_path):
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    toy_cfg.optim_wrapper.type = 'AmpOptimWrapper'
    with pytest.raises(ValueError, match='needs a GPU'):
        run_job(toy_cfg, tmp_path / 'job')


def test_masks_come_from_the_last_step_whatever_other_checkpoints_lie_there(toy_cfg, tmp_path):
    toy_cfg.custom_hooks = [dict(type='CheckpointHook', by_epoch=False, interval=10)]
    summary = run_job(toy_cfg, tmp_path / 'job', rounds=1)
    assert (tmp_path / 'job' / 'round_00' / 'iter_10.pth').exists()
    used = [r['checkpoint'] for r in summary.rounds]
    assert used == ['round_00/epoch_3.pth', 'round_01/epoch_3.pth']


def test_checkpoints_stay_in_the_folder_of_their_round(toy_cfg, tmp_path):
    away = tmp_path / 'away'
    saving = dict(type='CheckpointHook', interval=1, out_dir=str(away), save_optimizer=False)
    toy_cfg.default_hooks = dict(checkpoint=saving)
    assert len(run_job(toy_cfg, tmp_path / 'job', rounds=1).rounds) == 2
    assert not away.exists()


def test_a_capture_step_that_was_too_late_can_be_corrected_on_the_same_folder(
        toy_cfg, tmp_path):
    with pytest.raises(ValueError, match='12 steps'):
        run_job(toy_cfg, tmp_path / 'job', rounds=1, rewind=99)
    assert len(run_job(toy_cfg, tmp_path / 'job', rounds=1, rewind=3).rounds) == 2
