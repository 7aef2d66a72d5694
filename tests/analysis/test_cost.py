"""Bytes against scipy, numpy and the ticket's own file; multiply-adds against sums by head."""
import math

import made_jobs
import numpy as np
import pytest
import torch
from made_jobs import dump
from safetensors.numpy import load_file
from scipy import sparse

from mmlth.analysis.analyse import analyse
from mmlth.analysis.cost import multiply_adds, storage_bytes
from mmlth.core.store import Store
from mmlth.core.ticket import Ticket, save_ticket


@pytest.fixture
def masks():
    return {'conv.weight': torch.rand(8, 5, 3, 3) < 0.2, 'fc.weight': torch.rand(7, 11) < 0.5}


def ticket_of(masks, **fields):
    return Ticket(masks=masks, rewind_file='w.safetensors', rewind_digest='0', **fields)


def test_bytes_are_those_of_scipy_and_numpy(masks, tmp_path):
    sizes = storage_bytes(masks, others=10)
    dense = [mask.float().flatten(1).numpy() for mask in masks.values()]
    rows = [sparse.csr_matrix(matrix) for matrix in dense]
    csr = sum(m.data.nbytes + m.indices.nbytes + m.indptr.nbytes for m in rows)
    coo = sum(m.data.nbytes + m.row.nbytes + m.col.nbytes for m in map(sparse.coo_matrix, dense))
    assert all(m.indices.dtype == np.int32 for m in rows)
    assert (sizes['CSR'], sizes['COO (row, column)']) == (csr + 40, coo + 40)
    assert sizes['float32'] == sum(m.nbytes for m in dense) + 40 == 2 * sizes['float16']
    values = sum(np.count_nonzero(m) for m in dense) * 4 + 40
    bits = sum(np.packbits(m > 0).nbytes for m in dense)
    assert sizes['bitmask + values'] == values + bits
    save_ticket(ticket_of(masks), tmp_path / 't.safetensors')
    stored = sum(array.nbytes for array in load_file(tmp_path / 't.safetensors').values())
    assert sizes['ticket + values'] == values + stored


def test_an_index_beside_each_value_breaks_even_at_half():
    half = {'w': torch.arange(100).reshape(10, 10) % 2 == 0}
    sizes = storage_bytes(half, others=0)
    assert sizes['index + value'] == sizes['float32']


def test_multiply_adds_are_positions_times_kept_weights():
    ticket = ticket_of(
        {'conv.weight': torch.tensor([[True, False, False, False]]),
         'head.weight': torch.tensor([[True, True]])},
        groups={'conv.weight': 'backbone', 'head.weight': 'heads'},
        shared={'again.weight': 'head.weight'})
    positions = {'conv.weight': [100.0, 4], 'head.weight': [10.0, 2], 'again.weight': [5.0, 2],
                 'predictor.weight': [7.0, 3]}
    assert multiply_adds(ticket, positions) == {
        'backbone': 100, 'heads': 2 * 15, 'not pruned': 21, 'all': 151}


def test_a_job_is_priced_with_and_without_a_dump(tmp_path):
    for record, folder in zip(*jobs(tmp_path)):
        keep = record['sparsity']
        save_ticket(ticket_of({'w': torch.arange(4).reshape(2, 2) >= 4 * keep},
                              groups={'w': 'backbone'}), folder / 'ticket.safetensors')
        dump(folder, {}, 'none.json', positions={'w': [1e6, 4]})
    text = analyse([tmp_path], ['cost'])
    rows = [line.split() for line in text.splitlines()]
    assert ['one', 'net', 'float32', '-', '1', '56', '56'] in rows
    assert ['one', 'net', 'all', '-', '1', '4', '2', '(-50%)'] in rows
    assert (tmp_path / 'report' / 'cost.png').exists()
    (tmp_path / 'round_01' / 'predictions.json').unlink()
    assert not math.isnan(float(analyse([tmp_path], ['cost']).splitlines()[2].split()[-1]))


def jobs(work_dir):
    folders = made_jobs.write_job(work_dir)
    for folder in folders:
        folder.mkdir()
    return Store(work_dir).summary().rounds, folders
