# From this classifier detectors start that are trained longer. Its crops are drawn apart from their scenes:
#   mmlth digit-scenes --out data/crops_of_1000 --train 1000 --val 200
_base_ = './resnet18-tiny_digitscenes-crops.py'
data_root = 'data/crops_of_1000/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
epochs = 10
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
param_scheduler = [*_base_.param_scheduler[:1], dict(_base_.param_scheduler[1], end=epochs, T_max=epochs)]
