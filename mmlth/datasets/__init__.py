"""Data sets: DigitScenes, made without MMDet, and COCO keypoints (see ``mmlth.keypoints``)."""
