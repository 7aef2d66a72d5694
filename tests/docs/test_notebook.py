"""The notebook of the docs is published as it was run, and can be run."""
import os
import sys
from pathlib import Path

import pytest
from conftest import ROOT, tool_env

nbformat = pytest.importorskip('nbformat')
FILE = ROOT / 'docs' / 'first_ticket.ipynb'
QUICK = 'TRAIN, VAL = 16, 8'


@pytest.fixture
def notebook():
    return nbformat.read(FILE, as_version=4)


def text_of(cell):
    """What a cell printed, or the kinds of what it showed."""
    return ''.join(output.get('text', '') or ' '.join(output.get('data', {}))
                   for output in cell.outputs)


def test_it_is_published_as_it_was_run_from_top_to_bottom(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == 'code']
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs and all(output.output_type != 'error' for output in outputs)
    text = FILE.read_text()
    assert not any(f'{folder}/' in text for folder in ('/home', '/root', '/tmp', '/work', '/usr'))
    assert len(text) < 1_000_000


@pytest.mark.slow
def test_it_finds_inspects_deploys_and_shows_a_ticket(notebook, tmp_path, monkeypatch):
    nbclient = pytest.importorskip('nbclient')
    pytest.importorskip('ipykernel')
    for name, value in tool_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('PATH', f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}')
    (parameters, ) = [cell for cell in notebook.cells
                      if 'parameters' in cell.metadata.get('tags', ())]
    parameters.source = QUICK

    nbclient.NotebookClient(
        notebook, timeout=600, resources={'metadata': {'path': str(tmp_path)}}).execute()

    shown = {cell.id: text_of(cell) for cell in notebook.cells if cell.cell_type == 'code'}
    assert 'train: 16 images' in shown['draw']
    assert 'round 1 done: sparsity 80.00%' in shown['train']
    assert '80.00% of the scope' in shown['look']
    assert 'image/png' in shown['layers'] and 'image/jpeg' in shown['show']
    assert 'wrote work_dirs/deployed' in shown['plan']
