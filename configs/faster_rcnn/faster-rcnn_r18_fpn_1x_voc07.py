_base_ = ['./faster-rcnn_r50_fpn_1x_voc07.py', '../_base_/resnet18_fpn.py']
model = _base_.resnet18_fpn
