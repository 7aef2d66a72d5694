# VOC07 trainval alone, VOC07 test.
_base_ = './voc0712.py'

train_dataloader = dict(dataset=dict(dataset=dict(
    datasets=_base_.train_dataloader.dataset.dataset.datasets[:1])))
