"""Pretrained weights without torchvision, and files that were fetched by hand."""
import hashlib
import json
from pathlib import Path

import mmengine
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from mmlth.engine import pretrained

URL = 'https://download.pytorch.org/models/resnet18-f37072fd.pth'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    return tmp_path / 'hub' / 'checkpoints'


def config(name='torchvision://resnet18'):
    return Config(dict(model=dict(backbone=dict(init_cfg=dict(checkpoint=name)))))


@pytest.mark.parametrize('name, url', [
    ('torchvision://resnet18', URL), ('modelzoo://resnet18', URL), (URL, URL),
    ('torchvision://ResNet18_Weights.IMAGENET1K_V1', URL),
    ('open-mmlab://detectron/resnet50_caffe',
     '/pretrain/third_party/resnet50_caffe-788b5fa3.pth')])  # OneDL's host is another
def test_addresses(name, url):
    assert pretrained.address(name).endswith(url)


def test_an_unknown_model_is_named_with_those_there_are():
    with pytest.raises(ValueError, match='torchvision://resnet19: .*resnet18, resnet34'):
        pretrained.address('torchvision://resnet19')


def test_every_model_of_mmengines_table_has_an_address():
    table = json.loads(
        (Path(mmengine.__file__).parent / 'hub' / 'torchvision_0.12.json').read_text())
    assert {name: pretrained.address(f'torchvision://{name}') for name in table} == table


@pytest.mark.parametrize('name', [URL, 'torchvision://resnet18', 'modelzoo://resnet18'])
def test_mmengine_reads_them_from_the_cache(cache, name):
    cache.mkdir(parents=True)
    torch.save({'conv1.weight': torch.ones(2)}, cache / 'resnet18-f37072fd.pth')
    found = CheckpointLoader.load_checkpoint(name, map_location='cpu')
    assert found['conv1.weight'].tolist() == [1, 1] and not pretrained.missing(config())


def test_a_file_with_code_is_not_run(cache, tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / 'ran', )
    cache.mkdir(parents=True)
    torch.save({'w': Bomb()}, cache / 'resnet18-f37072fd.pth')
    with pytest.raises(ValueError, match=r'cannot read checkpoint .*resnet18-f37072fd.pth'):
        CheckpointLoader.load_checkpoint('torchvision://resnet18', map_location='cpu')
    assert not (tmp_path / 'ran').exists()


def test_what_is_missing_is_named_with_its_place(cache):
    text = pretrained.how_to_get(config())
    assert f'fetch {URL} to {cache}/resnet18-f37072fd.pth' in text and '--init-from FILE' in text


def fetched(folder, content=b'weights'):
    """Write a file that is named by its hash; returns it and its URL."""
    name = f'net-{hashlib.sha256(b"weights").hexdigest()[:8]}.pth'
    (folder / name).write_bytes(content)
    return folder / name, f'https://example.org/{name}'


def test_a_fetched_file_is_laid_where_torch_looks(cache, tmp_path):
    file, url = fetched(tmp_path)
    pretrained.place([str(file)], config(url))
    assert (cache / file.name).read_bytes() == b'weights' and not pretrained.missing(config(url))


def test_other_and_damaged_files_are_refused(cache, tmp_path):
    file, url = fetched(tmp_path, b'other')
    with pytest.raises(ValueError, match='its SHA-256 begins with .* damaged'):
        pretrained.place([str(file)], config(url))
    with pytest.raises(ValueError, match='no file of that name, but resnet18-f37072fd.pth'):
        pretrained.place([str(file)], config())
    with pytest.raises(FileNotFoundError, match='there is no such file'):
        pretrained.place([str(tmp_path / 'none.pth')], config())
    assert not cache.exists()
