# Starts from a classifier of crops that were drawn apart from the scenes, as the paper starts from ImageNet:
#   mmlth digit-scenes --out data/crops_of_1000 --train 1000 --val 200
#   mmlth train mmlth::classification/resnet18-tiny_10e_digitscenes-crops.py --rounds 0 --work-dir work_dirs/crops
_base_ = './faster-rcnn_r18-tiny_fpn_48e_digitscenes-half.py'
model = dict(
    backbone=dict(
        init_cfg=dict(
            _delete_=True, type='Pretrained', prefix='backbone.', checkpoint='work_dirs/crops/round_00/epoch_10.pth')))
