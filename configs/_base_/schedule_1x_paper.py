# The paper on COCO: 12 epochs of 16 images a batch (8 GPUs x 2), a longer warm-up than MMDet's 1x.
_base_ = 'mmdet::_base_/schedules/schedule_1x.py'

param_scheduler = [
    dict(type='LinearLR', start_factor=5e-4, by_epoch=False, begin=0, end=2000),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[8, 11], gamma=0.1),
]
# One round: the released COCO code prunes once, whatever its number of rounds says.
# Late reset: step 7329 ends the first epoch of COCO's boxes and masks.
imp = dict(target_sparsity=0.8, rounds=1, scope='paper', rewind=7329)
