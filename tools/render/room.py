"""Rooms of chance: floor, walls and ceiling with their patterns, pictures and windows; furniture as cuboids."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tools.render.raster import Canvas

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Cuboid:
    """A piece of furniture or a part of one: centre and half sizes in metres, turned by yaw, bgr 0..1."""

    centre: F64
    half: F64
    yaw: float
    colour: F64


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """low, high (3,): its corners in metres; floor at y = 0. seed: of the patterns on its walls."""

    low: F64
    high: F64
    colours: F64  # (6, 3): the planes x-, x+, floor, ceiling, z-, z+
    floor_pattern: int = 1
    tile: float = 0.4
    seed: int = 0
    furniture: tuple[Cuboid, ...] = field(default_factory=tuple)


def sample_room(rng: np.random.Generator, around: F64, camera: F64) -> Room:
    """A room that holds the camera and the place where people are, with furniture that stands about."""
    low = np.minimum(around, camera) - rng.uniform(0.5, 2.5, 3)
    high = np.maximum(around, camera) + rng.uniform(0.5, 3.0, 3)
    low[1], high[1] = 0.0, max(float(camera[1]) + 0.2, float(rng.uniform(2.3, 3.5)))
    wall = rng.uniform(0.25, 0.95) + rng.normal(0, 0.08, 3)
    colours = np.clip(wall + rng.normal(0, 0.03, (6, 3)), 0.03, 1)
    wood = np.array([0.25, 0.4, 0.55]) * rng.uniform(0.4, 1.4)
    colours[2] = wood if rng.random() < 0.5 else rng.uniform(0.1, 0.8) + rng.normal(0, 0.06, 3)
    colours[3] = rng.uniform(0.6, 0.95)
    pieces: list[Cuboid] = []
    for _ in range(rng.integers(0, 6)):
        spot = np.array([rng.uniform(low[0], high[0]), 0, rng.uniform(low[2], high[2])])
        if np.linalg.norm((spot - around)[[0, 2]]) > 0.9 and np.linalg.norm((spot - camera)[[0, 2]]) > 1.2:
            pieces += sample_furniture(rng, spot)
    colours = np.clip(colours, 0.02, 1)
    return Room(
        low,
        high,
        colours,
        int(rng.integers(0, 4)),
        float(rng.uniform(0.1, 0.8)),
        int(rng.integers(1 << 30)),
        tuple(pieces),
    )


def sample_furniture(rng: np.random.Generator, spot: F64) -> list[Cuboid]:
    """A table, a chair, a sofa, a bed, a wardrobe or a box at a spot on the floor."""
    yaw = float(rng.uniform(0, 2 * np.pi))
    colour = np.clip(rng.uniform(0.05, 0.9) + rng.normal(0, 0.12, 3), 0.02, 0.98)
    second = np.clip(colour * rng.uniform(0.5, 1.5), 0.02, 0.98)

    def piece(x: float, y: float, z: float, hx: float, hy: float, hz: float, tint: F64 = colour) -> Cuboid:
        c, s = np.cos(yaw), np.sin(yaw)
        at = spot + np.array([c * x + s * z, y, -s * x + c * z])
        return Cuboid(at, np.array([hx, hy, hz]), yaw, tint)

    kind = rng.integers(0, 6)
    if kind == 0:
        w, d = rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.6)
        legs = [piece(x * (w - 0.05), 0.35, z * (d - 0.05), 0.03, 0.35, 0.03, second) for x in (-1, 1) for z in (-1, 1)]
        return [*legs, piece(0, 0.72, 0, w, 0.03, d)]
    if kind == 1:
        return chair(spot, yaw, colour, second)
    if kind == 2:
        w = rng.uniform(0.5, 1.1)
        arms = [piece(x * w, 0.3, 0, 0.1, 0.3, 0.42) for x in (-1, 1)]
        return [*arms, piece(0, 0.21, 0, w, 0.21, 0.4), piece(0, 0.45, -0.36, w, 0.42, 0.1, second)]
    if kind == 3:
        w = rng.uniform(0.45, 0.9)
        return [
            piece(0, 0.2, 0, w, 0.2, 1.0),
            piece(0, 0.45, 0, w, 0.08, 0.98, second),
            piece(0, 0.5, -1, w, 0.5, 0.04),
        ]
    if kind == 4:
        return [piece(0, 0.95, 0, rng.uniform(0.3, 0.8), rng.uniform(0.6, 1.0), 0.3)]
    size = rng.uniform(0.1, 0.4, 3)
    return [piece(0, float(size[1]), 0, *map(float, size))]  # type: ignore[arg-type]


def chair(spot: F64, yaw: float, colour: F64, second: F64, seat: float = 0.45) -> list[Cuboid]:
    """A chair whose back is behind somebody who faces yaw."""
    c, s = np.cos(yaw), np.sin(yaw)

    def piece(x: float, y: float, z: float, hx: float, hy: float, hz: float, tint: F64) -> Cuboid:
        return Cuboid(spot + np.array([c * x + s * z, y, -s * x + c * z]), np.array([hx, hy, hz]), yaw, tint)

    legs = [piece(x * 0.18, seat / 2, z * 0.18, 0.02, seat / 2, 0.02, second) for x in (-1, 1) for z in (-1, 1)]
    return [
        *legs,
        piece(0, seat - 0.03, 0, 0.21, 0.03, 0.21, colour),
        piece(0, seat + 0.25, -0.2, 0.2, 0.25, 0.02, colour),
    ]


def draw_room(canvas: Canvas, room: Room) -> None:
    """Fill the whole canvas: every ray ends on a wall, the floor or the ceiling; then the furniture."""
    eye, rays = canvas.camera.eye.astype(np.float32), canvas.rays
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (room.low.astype(np.float32) - eye) / rays, (room.high.astype(np.float32) - eye) / rays
    far = np.maximum(one, two)
    axis = far.argmin(axis=2)
    depth = np.take_along_axis(far, axis[..., None], 2)[..., 0]
    plane = axis * 2 + (np.take_along_axis(rays, axis[..., None], 2)[..., 0] > 0)
    hit = eye + rays * depth[..., None]
    light = canvas.light
    away = (light.at - hit).astype(np.float32)
    distance = np.sqrt((away * away).sum(2))
    facing = np.abs(np.take_along_axis(away, axis[..., None], 2)[..., 0]) / np.maximum(distance, 0.1)
    lit = light.everywhere + light.lamp * facing * np.minimum(6 / (2 + distance * distance) + 0.25, 1.3)
    colour = room.colours.astype(np.float32)[plane] * np.array(light.colour, np.float32)
    rng = np.random.default_rng(room.seed)
    floor = plane == 2
    u, v = hit[..., 0] / room.tile, hit[..., 2] / (room.tile * (1 if room.floor_pattern != 2 else 5))
    if room.floor_pattern:
        cell = (np.floor(u) * 7 + np.floor(v) * 13).astype(np.int64) % 31
        tone = rng.uniform(0.8, 1.15, 31).astype(np.float32)[cell]
        seam = (np.minimum(u % 1, v % 1) < 0.04) if room.floor_pattern != 3 else np.zeros_like(floor)
        lit = np.where(floor, lit * tone * np.where(seam, np.float32(0.7), np.float32(1)), lit)
    for side in (0, 1, 4, 5):
        on = plane == side
        if not on.any():
            continue
        across = hit[..., 2 if side < 2 else 0]
        if rng.random() < 0.3:
            lit = np.where(on, lit * (1 + rng.uniform(0.02, 0.12) * np.sign(np.sin(across * rng.uniform(8, 40)))), lit)
        for _ in range(rng.integers(0, 5)):  # pictures, doors, windows
            span = (room.low[2 if side < 2 else 0], room.high[2 if side < 2 else 0])
            x, y = rng.uniform(*span), rng.uniform(0.3, room.high[1])
            w, h = rng.uniform(0.1, 0.7), rng.uniform(0.1, 1.0)
            inside = on & (np.abs(across - x) < w) & (np.abs(hit[..., 1] - y) < h)
            tint = (rng.uniform(0.02, 1.1) + rng.normal(0, 0.15, 3)).clip(0.02, 1.2).astype(np.float32)
            wave = np.sin(across[inside, None] * rng.uniform(1, 30)) * np.sin(
                hit[..., 1][inside, None] * rng.uniform(0, 30)
            )
            colour[inside] = tint * (1 + rng.uniform(0, 0.5) * wave)
    canvas.colour[:] = colour * lit[..., None]
    canvas.depth[:] = depth
    canvas.what[:] = 0
    for piece in room.furniture:
        canvas.box(piece.centre, piece.half, piece.yaw, piece.colour)
