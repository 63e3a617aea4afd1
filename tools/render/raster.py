"""Drawing with a depth buffer: tapered capsules, boxes and the walls of a room, lit by one lamp and the sky."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.render.body import Part
from tools.render.camera import Camera

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Light:
    """Where the lamp is (world metres), how bright it and the light from everywhere are, and their colour."""

    at: F64
    lamp: float = 0.7
    everywhere: float = 0.45
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(slots=True)
class Canvas:
    """colour (H, W, 3) linear 0..1, depth (H, W) metres, what (H, W): 0 room, 1 furniture, 2 and more the people."""

    camera: Camera
    light: Light
    colour: F32 = field(init=False)
    depth: F32 = field(init=False)
    what: NDArray[np.uint8] = field(init=False)
    rays: F32 = field(init=False)

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        self.colour = np.zeros((*size, 3), np.float32)
        self.depth = np.full(size, 1e9, np.float32)
        self.what = np.zeros(size, np.uint8)
        self.rays = self.camera.rays()

    def capsule(self, part: Part, identity: int) -> None:
        """Draw one part of a body: a rounded cone in perspective, shaded as the solid that it is."""
        camera = self.camera
        (a, b), (za, zb) = camera.project(np.stack([part.a, part.b]))
        if za < 0.15 or zb < 0.15:
            return
        ra, rb = part.ra * camera.focal / za, part.rb * camera.focal / zb
        x0, y0 = int(max(min(a[0] - ra, b[0] - rb) - 1, 0)), int(max(min(a[1] - ra, b[1] - rb) - 1, 0))
        x1 = int(min(max(a[0] + ra, b[0] + rb) + 2, camera.width))
        y1 = int(min(max(a[1] + ra, b[1] + rb) + 2, camera.height))
        if x0 >= x1 or y0 >= y1:
            return
        px = (np.arange(x0, x1, dtype=np.float32) + np.float32(0.5 - a[0]))[None]
        py = (np.arange(y0, y1, dtype=np.float32) + np.float32(0.5 - a[1]))[:, None]
        dx, dy = np.float32(b[0] - a[0]), np.float32(b[1] - a[1])
        along = (px * dx + py * dy) / np.float32(max(dx * dx + dy * dy, 1e-6))
        np.clip(along, 0, 1, out=along)
        ox, oy = px - along * dx, py - along * dy
        radius = np.float32(ra) + along * np.float32(rb - ra)
        off = (ox * ox + oy * oy) / (radius * radius)
        front = np.sqrt(np.maximum(1 - off, 0))
        depth = np.float32(za) + along * np.float32(zb - za)
        depth -= (np.float32(part.ra) + along * np.float32(part.rb - part.ra)) * front
        old = self.depth[y0:y1, x0:x1]
        edge = np.clip((1 - np.sqrt(off)) * radius + 0.5, 0, 1)  # how much of the pixel is covered
        hit = (edge > 0) & (depth < old)
        if not hit.any():
            return
        mid = (part.a + part.b) / 2
        lamp = camera.turn @ (self.light.at - mid)
        lx, ly, lz = (lamp / np.linalg.norm(lamp)).astype(np.float32)
        inv = 1 / radius
        lit = np.maximum((ox * lx + oy * ly) * inv - front * lz, 0) * np.float32(self.light.lamp)
        sky = -(ox * np.float32(camera.turn[0, 1]) + oy * np.float32(camera.turn[1, 1])) * inv
        lit += np.float32(self.light.everywhere) * (1 + 0.25 * -sky)
        if part.pattern:
            lit *= _pattern(part, along, ox, oy, inv, float(np.hypot(dx, dy)))
        shade = lit[..., None] * (np.array(part.colour, np.float32) * np.array(self.light.colour, np.float32))
        cover = (edge * hit)[..., None]
        view = self.colour[y0:y1, x0:x1]
        view += (shade - view) * cover
        solid = hit & (edge > 0.5)
        np.copyto(old, depth, where=solid)
        self.what[y0:y1, x0:x1][solid] = identity

    def box(self, centre: F64, half: F64, yaw: float, colour: F64, identity: int = 1) -> None:
        """Draw a cuboid that stands upright, turned by yaw: tables, beds, wardrobes."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * half @ turn + centre
        xy, depth = self.camera.project(corners)
        if depth.max() < 0.2:
            return
        if depth.min() < 0.2:  # partly behind the camera: its picture may be anywhere
            x0, y0, x1, y1 = 0, 0, self.camera.width, self.camera.height
        else:
            x0, y0 = np.clip(np.floor(xy.min(0)), 0, [self.camera.width, self.camera.height]).astype(int)
            x1, y1 = np.clip(np.ceil(xy.max(0)), 0, [self.camera.width, self.camera.height]).astype(int)
        if x0 >= x1 or y0 >= y1:
            return
        rays = self.rays[y0:y1, x0:x1] @ turn.T.astype(np.float32)
        eye = (turn @ (self.camera.eye - centre)).astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            one, two = (-half.astype(np.float32) - eye) / rays, (half.astype(np.float32) - eye) / rays
        near, far = np.minimum(one, two), np.maximum(one, two)
        enter, leave = near.max(axis=2), far.min(axis=2)
        old = self.depth[y0:y1, x0:x1]
        hit = (enter < leave) & (enter > 0.1) & (enter < old)
        if not hit.any():
            return
        face = near.argmax(axis=2)
        lamp = turn @ (self.light.at - centre)
        lamp = lamp / np.linalg.norm(lamp)
        bright = self.light.everywhere + self.light.lamp * np.maximum(lamp * np.sign(eye), 0)
        shade = bright[face][..., None] * colour.astype(np.float32) * np.array(self.light.colour, np.float32)
        np.copyto(self.colour[y0:y1, x0:x1], shade.astype(np.float32), where=hit[..., None])
        np.copyto(old, enter, where=hit)
        self.what[y0:y1, x0:x1][hit] = identity

    def shadows(self, parts: list[Part], strength: float) -> None:
        """Darken the floor where bodies stand between it and the lamp, and softly below them."""
        height, width = self.what.shape
        hard, soft = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
        lamp = self.light.at
        ends = np.array([[p.a, p.b] for p in parts]).reshape(-1, 3)
        radii = np.array([[p.ra, p.rb] for p in parts]).reshape(-1)
        share = ends[:, 1] / np.maximum(lamp[1] - ends[:, 1], 0.3)
        cast = ends + (ends - lamp) * share[:, None]
        cast[:, 1] = 0
        below = ends * np.array([1, 0, 1])
        for where, mask in ((cast, hard), (below, soft)):
            xy, depth = self.camera.project(where)
            size = radii * self.camera.focal / np.maximum(depth, 0.2)
            for i in range(0, len(where), 2):
                if min(depth[i], depth[i + 1]) < 0.3:
                    continue
                p, q = np.clip(xy[i : i + 2], -999, 1999).astype(int).tolist()
                cv2.line(mask, p, q, 255, max(1, int(size[i] + size[i + 1])))
        blur = max(3, width // 40) | 1
        dark = cv2.blur(hard, (blur, blur)).astype(np.float32) * (strength / 255)
        dark = np.maximum(dark, cv2.blur(soft, (3 * blur, 3 * blur)).astype(np.float32) * (0.5 / 255))
        floor = (self.what == 0) & (np.abs(self.camera.eye[1] + self.rays[..., 1] * self.depth) < 0.02)
        self.colour *= 1 - (dark * floor)[..., None]


def _pattern(part: Part, along: F32, ox: F32, oy: F32, inv: F32, length: float) -> F32:
    """Stripes across, stripes along, or checks, as factors of brightness."""
    across = np.sin(along * np.float32(part.scale * np.linalg.norm(part.b - part.a) * 6))
    side = np.sin((ox + oy) * inv * np.float32(part.scale / 3))
    wave = {1: across, 2: side}.get(part.pattern, across * side)
    return np.asarray(1 + 0.35 * np.sign(wave), np.float32)
