"""The ten convolutional networks of the study, layer by layer in the order in which torchvision makes them.

Published descriptions: AlexNet (Krizhevsky 2014, one tower), VGG (Simonyan and Zisserman 2015), ResNet (He et al.
2016), SqueezeNet 1.1 (Iandola et al. 2016), Inception v3 (Szegedy et al. 2016, without the auxiliary head),
ShuffleNet v2 (Ma et al. 2018), MobileNet v2 (Sandler et al. 2018), MNASNet (Tan et al. 2019), EfficientNet (Tan and
Le 2019). Each function takes a network and a picture and returns the scores of 1000 classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx_dnn_inference.zoo.network import NeuralNetwork, Picture, Window

CLASSES = 1000


def alexnet(net: NeuralNetwork, picture: Picture) -> Picture:
    """Five convolutions and three dense layers, which hold most of its 61 million parameters."""
    x = net.pooled(net.rectified(net.convolved(picture, 64, 11, 4, 2, bias=True)), 3, 2)
    x = net.pooled(net.rectified(net.convolved(x, 192, 5, bias=True)), 3, 2)
    for channels in (384, 256, 256):
        x = net.rectified(net.convolved(x, channels, 3, bias=True))
    return _dense_head(net, net.pooled(x, 3, 2))


def vgg16(net: NeuralNetwork, picture: Picture) -> Picture:
    """Thirteen convolutions of 3 x 3 and three dense layers."""
    x = picture
    for count, channels in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            x = net.rectified(net.convolved(x, channels, 3, bias=True))
        x = net.pooled(x, 2, 2)
    return _dense_head(net, x)


def resnet18(net: NeuralNetwork, picture: Picture) -> Picture:
    """Eight residual blocks of two convolutions."""
    return _resnet(net, picture, _basic_block, (2, 2, 2, 2))


def resnet50(net: NeuralNetwork, picture: Picture) -> Picture:
    """Sixteen residual blocks of three convolutions, the middle one narrower."""
    return _resnet(net, picture, _bottleneck, (3, 4, 6, 3))


def squeezenet(net: NeuralNetwork, picture: Picture) -> Picture:
    """Fire modules: few channels squeezed by 1 x 1, then expanded by 1 x 1 and 3 x 3."""
    x = net.pooled(net.rectified(net.convolved(picture, 64, 3, 2, 0, bias=True)), 3, 2, ceil=True)
    for stage in (((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256))):
        for squeezed, expanded in stage:
            x = _fire(net, x, squeezed, expanded)
        if expanded != 256:
            x = net.pooled(x, 3, 2, ceil=True)
    return net.averaged(net.rectified(net.convolved(x, CLASSES, bias=True)))


def mobilenet_v2(net: NeuralNetwork, picture: Picture) -> Picture:
    """Inverted residuals with linear bottlenecks."""
    x = net.clipped(net.normalised(net.convolved(picture, 32, 3, 2)))
    for expansion, channels, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for index in range(count):
            x = _inverted(net, x, channels, 3, stride if index == 0 else 1, expansion, net.clipped)
    return net.connected(net.averaged(net.clipped(net.normalised(net.convolved(x, 1280)))), CLASSES)


def mnasnet(net: NeuralNetwork, picture: Picture) -> Picture:
    """Inverted residuals as a search for quick networks chose them."""
    x = net.rectified(net.normalised(net.convolved(picture, 32, 3, 2)))
    x = net.rectified(net.normalised(net.convolved(x, 32, 3, groups=32)))
    x = net.normalised(net.convolved(x, 16))
    for channels, kernel, stride, expansion, count in (
        (24, 3, 2, 3, 3), (40, 5, 2, 3, 3), (80, 5, 2, 6, 3), (96, 3, 1, 6, 2), (192, 5, 2, 6, 4), (320, 3, 1, 6, 1),
    ):  # fmt: skip
        for index in range(count):
            x = _inverted(net, x, channels, kernel, stride if index == 0 else 1, expansion, net.rectified)
    return net.connected(net.averaged(net.rectified(net.normalised(net.convolved(x, 1280)))), CLASSES)


def efficientnet_b0(net: NeuralNetwork, picture: Picture) -> Picture:
    """Inverted residuals with squeeze and excitation."""
    x = net.gated(net.normalised(net.convolved(picture, 32, 3, 2)))
    for expansion, kernel, stride, channels, count in (
        (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
    ):  # fmt: skip
        for index in range(count):
            step = stride if index == 0 else 1
            x = _inverted(net, x, channels, kernel, step, expansion, net.gated, squeezed=max(1, x.channels // 4))
    return net.connected(net.averaged(net.gated(net.normalised(net.convolved(x, 1280)))), CLASSES)


def shufflenet(net: NeuralNetwork, picture: Picture) -> Picture:
    """Half of the channels pass each block untouched, and both halves are shuffled behind it."""
    x = net.pooled(net.rectified(net.normalised(net.convolved(picture, 24, 3, 2))), 3, 2, 1)
    for channels, count in ((116, 4), (232, 8), (464, 4)):
        x = _shuffled(net, net.joined(_shrunk(net, x, channels // 2), _half(net, x, channels // 2, 2)))
        for _ in range(count - 1):
            kept, worked = _split(net, x)
            x = _shuffled(net, net.joined(kept, _half(net, worked, channels // 2, 1)))
    return net.connected(net.averaged(net.rectified(net.normalised(net.convolved(x, 1024)))), CLASSES)


def inception_v3(net: NeuralNetwork, picture: Picture) -> Picture:
    """Parallel branches of factorised convolutions; pictures of 299 x 299."""
    x = _basic(net, _basic(net, _basic(net, picture, 32, 3, 2, 0), 32, 3, 1, 0), 64, 3)
    x = _basic(net, _basic(net, net.pooled(x, 3, 2), 80, 1), 192, 3, 1, 0)
    x = net.pooled(x, 3, 2)
    for features in (32, 64, 64):
        x = _inception_a(net, x, features)
    x = _inception_b(net, x)
    for channels in (128, 160, 160, 192):
        x = _inception_c(net, x, channels)
    x = _inception_d(net, x)
    for _ in range(2):
        x = _inception_e(net, x)
    return net.connected(net.averaged(x), CLASSES)


def _dense_head(net: NeuralNetwork, x: Picture) -> Picture:
    for _ in range(2):
        x = net.rectified(net.connected(x, 4096))
    return net.connected(x, CLASSES)


def _resnet(
    net: NeuralNetwork,
    picture: Picture,
    block: Callable[[NeuralNetwork, Picture, int, int], Picture],
    counts: tuple[int, int, int, int],
) -> Picture:
    x = net.pooled(net.rectified(net.normalised(net.convolved(picture, 64, 7, 2))), 3, 2, 1)
    for stage, count in enumerate(counts):
        for index in range(count):
            x = block(net, x, 64 << stage, 2 if stage and index == 0 else 1)
    return net.connected(net.averaged(x), CLASSES)


def _basic_block(net: NeuralNetwork, x: Picture, channels: int, stride: int) -> Picture:
    y = net.rectified(net.normalised(net.convolved(x, channels, 3, stride)))
    y = net.normalised(net.convolved(y, channels, 3), damped=True)
    return net.rectified(net.added(y, _shortcut(net, x, channels, stride)))


def _bottleneck(net: NeuralNetwork, x: Picture, channels: int, stride: int) -> Picture:
    y = net.rectified(net.normalised(net.convolved(x, channels)))
    y = net.rectified(net.normalised(net.convolved(y, channels, 3, stride)))
    y = net.normalised(net.convolved(y, 4 * channels), damped=True)
    return net.rectified(net.added(y, _shortcut(net, x, 4 * channels, stride)))


def _shortcut(net: NeuralNetwork, x: Picture, channels: int, stride: int) -> Picture:
    if stride == 1 and x.channels == channels:
        return x
    return net.normalised(net.convolved(x, channels, 1, stride))


def _fire(net: NeuralNetwork, x: Picture, squeezed: int, expanded: int) -> Picture:
    x = net.rectified(net.convolved(x, squeezed, bias=True))
    return net.joined(
        net.rectified(net.convolved(x, expanded, bias=True)), net.rectified(net.convolved(x, expanded, 3, bias=True))
    )


def _inverted(
    net: NeuralNetwork,
    x: Picture,
    channels: int,
    kernel: int,
    stride: int,
    expansion: int,
    activated: Callable[[Picture], Picture],
    squeezed: int = 0,
) -> Picture:
    y, wide = x, x.channels * expansion
    if expansion != 1:
        y = activated(net.normalised(net.convolved(y, wide)))
    y = activated(net.normalised(net.convolved(y, wide, kernel, stride, groups=wide)))
    if squeezed:
        scale = net.gated(net.convolved(net.averaged(y), squeezed, bias=True))
        scale = net.convolved(scale, wide, bias=True)
        y = replace(y, name=net.node("Mul", [y.name, net.node("Sigmoid", [scale.name])]))
    stays = stride == 1 and x.channels == channels
    y = net.normalised(net.convolved(y, channels), damped=stays)
    return net.added(x, y) if stays else y


def _shrunk(net: NeuralNetwork, x: Picture, channels: int) -> Picture:
    x = net.normalised(net.convolved(x, x.channels, 3, 2, groups=x.channels))
    return net.rectified(net.normalised(net.convolved(x, channels)))


def _half(net: NeuralNetwork, x: Picture, channels: int, stride: int) -> Picture:
    x = net.rectified(net.normalised(net.convolved(x, channels)))
    x = net.normalised(net.convolved(x, channels, 3, stride, groups=channels))
    return net.rectified(net.normalised(net.convolved(x, channels)))


def _split(net: NeuralNetwork, x: Picture) -> tuple[Picture, Picture]:
    half, parts = x.channels // 2, []
    for begin in (0, half):
        bounds = [net.constant(name, [value], np.int64) for name, value in (("begin", begin), ("end", begin + half))]
        name = net.node("Slice", [x.name, *bounds, net.constant("axis", [1], np.int64)])
        parts.append(replace(x, name=name, channels=half))
    return parts[0], parts[1]


def _shuffled(net: NeuralNetwork, x: Picture) -> Picture:
    apart = net.constant("shape", [0, 2, x.channels // 2, x.height * x.width], np.int64)
    again = net.constant("shape", [0, x.channels, x.height, x.width], np.int64)
    turned = net.node("Transpose", [net.node("Reshape", [x.name, apart])], perm=[0, 2, 1, 3])
    return replace(x, name=net.node("Reshape", [turned, again]))


def _basic(
    net: NeuralNetwork, x: Picture, channels: int, kernel: Window, stride: int = 1, padding: Window | None = None
) -> Picture:
    return net.rectified(net.normalised(net.convolved(x, channels, kernel, stride, padding), 1e-3))


def _inception_a(net: NeuralNetwork, x: Picture, features: int) -> Picture:
    one = _basic(net, x, 64, 1)
    five = _basic(net, _basic(net, x, 48, 1), 64, 5)
    three = _basic(net, _basic(net, _basic(net, x, 64, 1), 96, 3), 96, 3)
    return net.joined(one, five, three, _basic(net, net.pooled(x, 3, 1, 1, average=True), features, 1))


def _inception_b(net: NeuralNetwork, x: Picture) -> Picture:
    three = _basic(net, x, 384, 3, 2, 0)
    double = _basic(net, _basic(net, _basic(net, x, 64, 1), 96, 3), 96, 3, 2, 0)
    return net.joined(three, double, net.pooled(x, 3, 2))


def _inception_c(net: NeuralNetwork, x: Picture, channels: int) -> Picture:
    one = _basic(net, x, 192, 1)
    seven = _basic(net, _basic(net, _basic(net, x, channels, 1), channels, (1, 7)), 192, (7, 1))
    double = _basic(net, x, channels, 1)
    for out, kernel in ((channels, (7, 1)), (channels, (1, 7)), (channels, (7, 1)), (192, (1, 7))):
        double = _basic(net, double, out, kernel)
    return net.joined(one, seven, double, _basic(net, net.pooled(x, 3, 1, 1, average=True), 192, 1))


def _inception_d(net: NeuralNetwork, x: Picture) -> Picture:
    three = _basic(net, _basic(net, x, 192, 1), 320, 3, 2, 0)
    seven = _basic(net, _basic(net, _basic(net, x, 192, 1), 192, (1, 7)), 192, (7, 1))
    return net.joined(three, _basic(net, seven, 192, 3, 2, 0), net.pooled(x, 3, 2))


def _inception_e(net: NeuralNetwork, x: Picture) -> Picture:
    one = _basic(net, x, 320, 1)
    three = _basic(net, x, 384, 1)
    three = net.joined(_basic(net, three, 384, (1, 3)), _basic(net, three, 384, (3, 1)))
    double = _basic(net, _basic(net, x, 448, 1), 384, 3)
    double = net.joined(_basic(net, double, 384, (1, 3)), _basic(net, double, 384, (3, 1)))
    return net.joined(one, three, double, _basic(net, net.pooled(x, 3, 1, 1, average=True), 192, 1))
