_base_ = ['./mask-rcnn_r50_fpn_1x_coco.py', '../_base_/resnet18_fpn.py']
model = _base_.resnet18_fpn
