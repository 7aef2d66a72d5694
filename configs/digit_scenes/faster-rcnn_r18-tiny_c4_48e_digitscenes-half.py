# The C4 detector, trained as long as the detectors with FPN beside.
_base_ = ['./faster-rcnn_r18-tiny_c4_digitscenes.py', '../_base_/digit_scenes_half_48e.py']

train_pipeline = _base_.train_pipeline
train_pipeline.insert(2, _base_.half)
test_pipeline = _base_.test_pipeline
test_pipeline[1] = _base_.half
train_dataloader = dict(batch_size=_base_.half_batch_size, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = _base_.half_model
model.rpn_head.anchor_generator.scales = [1.5, 3, 6, 12]  # of stride 8: 12 to 96 px
model.train_cfg.rpn_proposal.nms_pre = model.test_cfg.rpn.nms_pre = 400  # one level gives them all
epochs = _base_.half_epochs
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
optim_wrapper = _base_.half_optim_wrapper
param_scheduler = [_base_.half_warmup, dict(**_base_.half_decay, end=epochs, T_max=epochs)]
