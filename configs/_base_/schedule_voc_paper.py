# The paper on VOC: 12 epochs, late reset at step 600.
# 12 epochs of VOC07 are about 3,770 steps of 16 images: too few for a warm-up of 2000, so rate and steps are
# those of MMDet's VOC configs. The paper's batch must be smaller: its curves go past step 9600.
_base_ = './schedule_1x_paper.py'

optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[9], gamma=0.1)]
imp = dict(rewind=600)
