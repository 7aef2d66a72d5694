"""Pruning as pure functions: tensors in, tensors out; needs torch, numpy and safetensors only."""
