# VOC07+12 trainval, VOC07 test. An epoch is one pass: MMDet's own repeats the data three times.
_base_ = 'mmdet::_base_/datasets/voc0712.py'

train_dataloader = dict(dataset=dict(times=1))
