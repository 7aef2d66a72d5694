# Mask R-CNN, trained as long as the detector beside.
_base_ = ['./mask-rcnn_r18-tiny_fpn_digitscenes.py', '../_base_/digit_scenes_half_48e.py']

train_pipeline = _base_.train_pipeline
train_pipeline.insert(2, _base_.half)
test_pipeline = _base_.test_pipeline
test_pipeline[1] = _base_.half
train_dataloader = dict(batch_size=_base_.half_batch_size, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = _base_.half_model
epochs = _base_.half_epochs
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
optim_wrapper = _base_.half_optim_wrapper
param_scheduler = [_base_.half_warmup, dict(**_base_.half_decay, end=epochs, T_max=epochs)]
