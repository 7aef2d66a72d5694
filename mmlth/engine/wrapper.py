"""PrunedModelWrapper: a model plus its masks, the one owner of masks."""
import copy
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from mmlth.core.masks import Masks, check_fits, shared_with
from mmlth.core.storage import shared_names

# Integer type of the same width: AND with all-ones or all-zeros bits keeps a weight bit for bit or
# makes it exactly +0.0, also from NaN or infinity, and is as fast as memory allows.
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@MODEL_WRAPPERS.register_module()
class PrunedModelWrapper(nn.Module):
    """Train and run ``module`` as f(x; m * w).

    Gradients of pruned weights are zeroed when they reach ``.grad``: before gradient clipping,
    before DDP's reduction and before the optimizer sees them. :meth:`guard` zeroes the weights
    again after every step of an optimizer, whatever it does. The module itself is unchanged:
    same class, parameters, names and ``state_dict``.

    Works alone in a plain PyTorch loop::

        model = PrunedModelWrapper(detector, masks)
        optimizer = model.guard(torch.optim.AdamW(model.parameters()))

    and as MMEngine's model: ``train_step``, ``val_step``, ``test_step`` and all other attributes
    are those of the module, so ``mmdet.apis.inference_detector`` takes it.

    Args:
        module: The model; its pruned weights are set to zero in place.
        masks: name of a parameter -> bool tensor of its shape, True = kept. A tied weight is
            masked under all its names, and a copy that follows (a mean teacher) with its owner.

    Raises:
        ValueError: A mask has no parameter or another shape; names it.
    """

    def __init__(self, module: nn.Module, masks: Mapping[str, Tensor]) -> None:
        super().__init__()
        parameters = dict(module.named_parameters(remove_duplicate=False))
        check_fits(masks, parameters, 'the model')
        shared = shared_names(module)
        self.module = module
        # One of a parameter's names stands for all; a copy that follows another net has its own.
        named = {id(parameters[name]): name for name in reversed(shared_with(masks, shared))}
        self._parameters_of = {name: parameters[name] for name in reversed(named.values())}
        self._owner = {name: name if name in masks else shared[name]
                       for name in self._parameters_of}
        self._bits = {name: _bits(mask, parameters[name]) for name, mask in masks.items()}
        self._handles: list[RemovableHandle] = []
        for name, parameter in self._parameters_of.items():
            if parameter.requires_grad:
                hook = self._mask_grad(name)
                self._handles.append(parameter.register_post_accumulate_grad_hook(hook))
        self.apply_masks()

    @property
    def masks(self) -> Masks:
        """Copies of the masks: name -> bool tensor on the CPU, True = kept."""
        return {name: (bits != 0).cpu() for name, bits in self._bits.items()}

    @torch.no_grad()
    def apply_masks(self) -> None:
        """Set every pruned weight to exactly +0.0, in place."""
        for name, parameter in self._parameters_of.items():
            _and(parameter.data, self._bits_on(name, parameter))

    @torch.no_grad()
    def nonzero_pruned(self) -> list[str]:
        """Return the names of tensors in which a pruned weight isn't zero (NaN counts)."""
        return [name for name, parameter in self._parameters_of.items()
                if torch.any(parameter.data.ne(0) & self._bits_on(name, parameter).eq(0))]

    def guard(self, optimizer: Optimizer) -> Optimizer:
        """Zero pruned weights after every step of ``optimizer``; return it.

        A step that an AMP scaler or gradient accumulation skips changes no weight.
        """
        self._handles.append(optimizer.register_step_post_hook(lambda *_: self.apply_masks()))
        return optimizer

    def detach(self) -> nn.Module:
        """Remove all hooks and return the plain module; its weights stay as they are."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        return self.module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module."""
        return self.module(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the module's own state: plain names, no masks."""
        return self.module.state_dict(*args, **kwargs)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False,
    ) -> Any:
        """Load into the module and mask it again.

        Raises:
            ValueError: ``assign``, which would replace the parameters that hooks hang on.
        """
        if assign:
            raise ValueError('load_state_dict(assign=True) would replace masked parameters; use '
                             'False')
        result = self.module.load_state_dict(state_dict, strict=strict)
        self.apply_masks()
        return result

    def __getattr__(self, name: str) -> Any:
        """Find what the wrapper lacks (train_step, cfg, data_preprocessor, ...) on the module."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__('module'), name)

    def __deepcopy__(self, memo: dict[int, Any]) -> 'PrunedModelWrapper':
        """Copy the model with masks and hooks; optimizers must be guarded anew."""
        return type(self)(copy.deepcopy(self.module, memo), self.masks)

    def _mask_grad(self, name: str) -> Any:
        def mask_grad(parameter: Tensor) -> None:
            if parameter.grad is not None:
                _and(parameter.grad, self._bits_on(name, parameter))
        return mask_grad

    def _bits_on(self, name: str, parameter: Tensor) -> Tensor:
        """Return the mask bits beside the parameter, wherever the model was moved meanwhile."""
        owner = self._owner[name]
        bits = self._bits[owner]
        if bits.device != parameter.device or bits.element_size() != parameter.element_size():
            bits = self._bits[owner] = _bits(bits != 0, parameter)
        return bits


def unwrap(model: nn.Module) -> nn.Module:
    """Return the plain model inside any number of registered model wrappers (DDP, this one)."""
    while is_model_wrapper(model):
        model = model.get_submodule('module')
    return model


def _bits(mask: Tensor, like: Tensor) -> Tensor:
    return mask.to(like.device, _BITS[like.element_size()]).neg_()


def _and(values: Tensor, bits: Tensor) -> None:
    values.view(bits.dtype).bitwise_and_(bits)
