"""Runs a program of docs/pytorch/ without PyTorch: modules and parameters have names and shapes, but no numbers.

    python3 torch_stub.py PROGRAM [ARGUMENT ...]
"""

import runpy
import sys
import types
from pathlib import Path


class Tensor:
    def __init__(self, *shape):
        self.shape = shape

    @property
    def data(self):
        return self

    def mul_(self, _):
        return self

    def __setitem__(self, index, value):
        pass


class Module:
    def register_buffer(self, name, tensor, persistent):
        assert not persistent, f"{name} would be in the state dict"

    def state_dict(self, prefix=""):
        state = {}
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                state[prefix + name] = value
            elif isinstance(value, Module):
                state.update(value.state_dict(f"{prefix}{name}."))
        return state


class ModuleList(Module):
    def __init__(self, modules):
        vars(self).update({str(index): module for index, module in enumerate(modules)})


class Conv2d(Module):
    def __init__(self, inputs, outputs, kernel, padding=0, bias=True):
        self.weight = Tensor(outputs, inputs, *kernel)
        self.bias = Tensor(outputs) if bias else None


def module(name, **contents):
    sys.modules[name] = made = types.ModuleType(name)
    vars(made).update(contents)
    return made


functional = module("torch.nn.functional")
nn = module("torch.nn", Module=Module, ModuleList=ModuleList, Conv2d=Conv2d, functional=functional)
module("torch", nn=nn, ones=lambda shape: Tensor(*shape), no_grad=lambda: lambda run: run, manual_seed=lambda seed: None)
module("numpy")
module("safetensors", torch=module("safetensors.torch", save_file=None))

sys.argv = sys.argv[1:]
sys.path[0] = str(Path(sys.argv[0]).parent)
runpy.run_path(sys.argv[0], run_name="__main__")
