# What makes MMDet's ResNet-50 FPN detectors ResNet-18 ones: `model = _base_.resnet18_fpn`.
resnet18_fpn = dict(
    backbone=dict(depth=18, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    neck=dict(in_channels=[64, 128, 256, 512]))
