"""ResNet18 (He et al. 2016) for small images: a 3×3 stem without max pool, torchvision's own blocks."""

from torch import nn

from seqmatch import config
from seqmatch.networks.layers import norm_layer, smallest_map

BLOCKS_PER_STAGE = 2


def resnet18(spec: config.Network, channels: int, size: int, classes: int) -> nn.Sequential:
    """Four stages of two basic blocks; each stage but the first halves the map while there is something to halve."""
    from torchvision.models.resnet import BasicBlock  # here, because torchvision takes seconds to import

    norm = norm_layer(spec.norm)
    width = spec.width
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False), norm(width), nn.ReLU(inplace=True)]
    for stage in range(4):
        planes = spec.width * 2**stage
        halved = (size + 1) // 2
        stride = 2 if stage and halved < size and halved >= smallest_map(spec.norm) else 1
        size = halved if stride == 2 else size
        shortcut = None
        if stride == 2 or width != planes:
            shortcut = nn.Sequential(nn.Conv2d(width, planes, 1, stride, bias=False), norm(planes))
        layers.append(BasicBlock(width, planes, stride, shortcut, norm_layer=norm))
        layers += [BasicBlock(planes, planes, norm_layer=norm) for _ in range(BLOCKS_PER_STAGE - 1)]
        width = planes
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
