"""The making of edge-pose-nano: heads that say what they should cost nothing, and decode to the joints."""

import numpy as np
import pytest
import torch

from edge_pose.models.movenet import Decoder
from edge_pose.models.nano import build_nano
from edge_pose.skeleton import COCO17
from training.augment import MIRROR, SIDE, Augment, cut
from training.compose import composed, person_mask
from training.label import turned
from training.measure import oks
from training.muon import LEAST, Muon, optimizers, orthogonal
from training.nano import folded_state, learner
from training.pool import Pool, rendered, write
from training.ship import BITS, rounded
from training.targets import NARROWEST, STRIDE, WIDEST, WIDTH, losses
from training.train import SHARES, Plan, gradients, rate, train, twin

CELLS = SIDE // STRIDE


def said(joints):
    """Heads that a perfect network gives for one person's joints (17, 2) inside the picture."""
    cells = joints / STRIDE - 0.5
    middle = ((cells.min(0) + cells.max(0)) / 2).round()
    grid = np.arange(CELLS)

    def peak(at, sigma):
        value = np.exp(-((grid[None] - at[0]) ** 2 + (grid[:, None] - at[1]) ** 2) / (2 * sigma**2))
        return np.log(np.clip(value, 1e-6, 1 - 1e-6) / (1 - np.clip(value, 1e-6, 1 - 1e-6)))

    size = np.ptp(cells, axis=0).max()
    centre = peak((cells.min(0) + cells.max(0)) / 2, np.clip(size * 0.12, 0.7, 2))[None]
    scale = np.sqrt(np.ptp(cells, axis=0).prod())
    sigmas = np.clip(2 * WIDTH * scale * np.array(COCO17.sigmas), NARROWEST, WIDEST)
    heatmaps = np.stack([peak(c, sigma) for c, sigma in zip(cells, sigmas, strict=True)])
    here = np.stack(np.meshgrid(grid, grid, indexing="ij"), 0)  # y, x
    regression = np.concatenate([c[::-1, None, None] - here for c in cells])
    offsets = np.concatenate([(j / STRIDE)[::-1, None, None] - here for j in joints])
    assert middle.min() >= 0
    return tuple(torch.tensor(a[None], dtype=torch.float32) for a in (centre, regression, heatmaps, offsets))


@pytest.fixture
def joints():
    return np.random.default_rng(2).uniform(40, 150, (17, 2)).astype(np.float32)


def test_perfect_heads_cost_nothing_and_decode_to_the_joints(joints):
    heads = said(joints)
    cost = losses(heads, torch.tensor(joints)[None], torch.ones(1, 17))
    assert all(float(value) < 2e-2 for value in cost.values()), cost
    yx = Decoder(CELLS, CELLS)(*heads)[0, 0].numpy()
    np.testing.assert_allclose(yx[:, 1::-1] * SIDE, joints, atol=1e-3)


def test_a_peak_is_as_wide_as_its_joint_may_be_off(joints):
    """Of two places that a hip may be at, the map is worth most between them; of an eye's two, at one of them."""
    apart, row = np.array([0, STRIDE]), 12
    for joint, rows in ((11, {row}), (1, {row - 1, row + 1})):
        moved = np.stack([joints, joints])
        moved[:, joint] = (row + 0.5) * STRIDE + np.array([-apart, apart])
        heads = [h.clone().repeat(2, 1, 1, 1) for h in said(joints)]
        logits = torch.zeros(CELLS, CELLS, requires_grad=True)
        optimizer = torch.optim.Adam([logits], lr=0.3)
        for _ in range(200):
            heads[2] = torch.cat([heads[2][:, :joint], logits.expand(2, 1, -1, -1), heads[2][:, joint + 1 :]], 1)
            cost = losses(tuple(heads), torch.tensor(moved, dtype=torch.float32), torch.ones(2, 17))
            optimizer.zero_grad()
            (cost["heatmap"] + cost["where"]).backward(inputs=[logits])
            optimizer.step()
            heads[2] = heads[2].detach()
        assert int(logits.argmax()) // CELLS in rows, joint


def test_a_wrong_head_costs_more(joints):
    heads = said(joints)
    target = torch.tensor(joints)[None], torch.ones(1, 17)
    right = losses(heads, *target)
    for index, name in enumerate(("centre", "regression", "heatmap", "offset")):
        wrong = list(heads)
        wrong[index] = wrong[index].roll(9, dims=-1)
        assert float(losses(tuple(wrong), *target)[name]) > 5 * float(right[name]) + 1e-3


def test_nobody_is_a_lesson_too(joints):
    heads = [h.requires_grad_() for h in said(joints)]
    cost = losses(tuple(heads), torch.zeros(1, 17, 2), torch.zeros(1, 17))
    assert cost["centre"].item() > 0 and cost["regression"].item() == cost["offset"].item() == 0
    sum(cost.values()).backward()
    assert all(torch.isfinite(h.grad).all() for h in heads)


def test_folding_the_normalisations_changes_nothing():
    torch.manual_seed(0)
    net = learner()
    pictures = torch.rand(2, 3, 192, 192) * 255
    for _ in range(3):  # statistics that are not the ones of the start
        net.train()(pictures)
    plain = build_nano(decode="outside", layout="nchw")
    plain.load_state_dict(folded_state(net.eval()))
    with torch.no_grad():
        for ours, theirs in zip(plain(pictures), net(pictures), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    assert sum(p.numel() for p in plain.parameters()) <= 1_500_000


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (20, 20)])
def test_all_directions_are_followed_about_equally_far(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(3)) @ torch.diag(
        torch.logspace(0, -2, shape[1])
    )
    other = torch.randn(*shape, generator=torch.Generator().manual_seed(4))
    even, both = orthogonal([matrix])[0], orthogonal([other, matrix])
    values = torch.linalg.svdvals(even)
    assert values.max() < 1.3 and values.median() > 0.6
    torch.testing.assert_close(both[1], even)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    turned_into = u.T @ even @ vh.T  # its own directions, each about as long
    assert (turned_into - turned_into.diag().diag()).abs().max() < 1e-2 and turned_into.diag().min() > 0
    assert torch.isfinite(orthogonal([torch.zeros(shape)])[0]).all()


def test_every_weight_has_one_optimizer():
    net = learner()
    muon, adam = optimizers(net, 0.01, 0.1)
    theirs = [p for optimizer in (muon, adam) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(map(id, theirs)) == sorted(id(p) for p in net.parameters())
    assert isinstance(muon, Muon) and min(len(p) for group in muon.param_groups for p in group["params"]) >= LEAST
    assert id(net.backbone.stem.conv.weight) not in {id(p) for group in muon.param_groups for p in group["params"]}


def test_muon_finds_the_least():
    torch.manual_seed(0)
    wanted, weight = torch.randn(16, 4, 3, 3), torch.nn.Parameter(torch.zeros(16, 4, 3, 3))
    muon = Muon([weight], lr=0.1, decay=0.0)
    for step in range(200):
        muon.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        muon.zero_grad()
        ((weight - wanted) ** 2).sum().backward()
        muon.step()
    assert float((weight - wanted).abs().mean().detach()) < 0.1


def test_rounded_weights_are_near_and_end_in_zeros():
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    near = rounded(weight)
    torch.testing.assert_close(near, weight, rtol=2.0 ** -(BITS + 1), atol=0)
    assert not (near.numpy().view(np.uint32) & ((1 << 23 - BITS) - 1)).any()
    assert rounded(near).equal(near) and rounded(torch.zeros(2)).equal(torch.zeros(2))


def test_joints_stay_on_what_they_mark():
    image = np.zeros((240, 320, 3), np.uint8)
    rng = np.random.default_rng(1)
    joints = rng.uniform([90, 60], [230, 180], (1, 17, 2)).astype(np.float32)
    for x, y in joints[0].astype(int):
        image[y - 2 : y + 3, x - 2 : x + 3] = 255
    how = Augment(colour=0, hide=0)
    for _ in range(20):
        out, xy, weights = cut(image, joints, np.ones((1, 17), np.float32), rng, how)
        assert out.shape == (SIDE, SIDE, 3)
        for (x, y), weight in zip(xy, weights, strict=True):
            if weight and 3 < x < SIDE - 3 and 3 < y < SIDE - 3:
                assert out[int(y), int(x)].min() > 100
            assert (weight == 0) == (not (0 <= x < SIDE and 0 <= y < SIDE))


def test_one_person_is_shown_whom_the_labels_are_of():
    image = np.zeros((256, 256, 3), np.uint8)
    rng = np.random.default_rng(0)
    people = rng.uniform(20, 90, (3, 17, 2)).astype(np.float32)
    people[1] += [130, 100]
    weights = np.zeros((3, 17), np.float32)
    weights[:2] = 1
    for person, colour in ((0, 100), (1, 200)):
        for x, y in people[person].astype(int):
            image[y - 1 : y + 3, x - 1 : x + 3] = colour
    seen = set()
    for _ in range(40):
        out, xy, known = cut(image, people, weights, rng, Augment(colour=0, hide=0, turned=0, close=0, tilt=0))
        inside = known > 0
        assert inside.sum() > 10
        x, y = np.clip(np.round(xy[inside]).astype(int), 0, SIDE - 1).T
        seen.add(int(np.median(out[y, x])) // 100)
    assert seen == {1, 2}  # mostly the first, sometimes the other


def test_nobody_to_show_is_a_picture_without_labels():
    out, _, weights = cut(
        np.zeros((50, 60, 3), np.uint8),
        np.zeros((3, 17, 2), np.float32),
        np.zeros((3, 17), np.float32),
        np.random.default_rng(0),
        Augment(),
    )
    assert out.shape == (SIDE, SIDE, 3) and not weights.any()


@pytest.fixture(scope="module")
def person():
    """A drawn picture that shows nearly all of somebody."""
    return next(row for row in map(rendered, range(50)) if (row[2][0] == 1).sum() >= 14)


def test_a_person_is_cut_out_along_the_outline(person):
    image, joints, weights = person
    mask, matrix = person_mask(image, joints[0], weights[0])
    x, y = np.clip((joints[0][weights[0] == 1] @ matrix[:, :2].T + matrix[:, 2]).astype(int), 0, len(mask) - 1).T
    assert mask.min() >= 0 and mask.max() <= 1
    assert (mask[y, x] > 0.3).mean() > 0.8
    assert mask[:4].max() < 0.5 or mask[:, :4].max() < 0.5  # the surroundings are not the person


def test_a_person_in_another_room_is_where_the_joints_are(person):
    image, joints, weights = person
    room = np.full((256, 256, 3), 128, np.uint8)
    mask = person_mask(image, joints[0], weights[0])
    out, xy, known = composed(person, mask, room, np.random.default_rng(3))
    again = composed(person, mask, room, np.random.default_rng(3))
    assert all((a == b).all() for a, b in zip((out, xy, known), again, strict=True))
    assert ((known > 0) <= (weights > 0)).all() and (known[0] > 0).sum() > 6
    changed = (out != room).any(2)
    x, y = xy[0][known[0] == 1].astype(int).T
    assert changed[y, x].mean() > 0.8 and changed.mean() < 0.6


def test_who_cannot_be_cut_out_is_left_out():
    image, nowhere = np.zeros((64, 64, 3), np.uint8), np.full((17, 2), 30, np.float32)
    assert person_mask(image, nowhere, np.ones(17, np.float32)) is None
    assert person_mask(image, nowhere, np.zeros(17, np.float32)) is None
    spread = np.random.default_rng(0).uniform(0, 60, (17, 2)).astype(np.float32)
    assert person_mask(image, spread + 1000, np.ones(17, np.float32)) is None  # outside of the picture


def test_kept_pictures_are_the_same(tmp_path):
    write(tmp_path / "pool.npz", (rendered(seed) for seed in range(3)), "test")
    kept, read = Pool(tmp_path / "pool.npz", keep=True), Pool(tmp_path / "pool.npz")
    for _ in range(2):
        for index in (2, 0, 2):
            assert all((a == b).all() for a, b in zip(kept[index], read[index], strict=True))


def test_two_halves_learn_one_network():
    torch.manual_seed(0)
    net = learner().train()
    other = twin(net)
    assert all(a is b for a, b in zip(net.parameters(), other.parameters(), strict=True))
    other(torch.rand(2, 3, 192, 192) * 255)
    assert not torch.equal(net.backbone.stem.norm.running_mean, other.backbone.stem.norm.running_mean)
    batch = torch.rand(2, 3, 96, 96) * 255, torch.rand(2, 17, 2) * 96, torch.ones(2, 17)
    found, parts = gradients(other, batch)
    assert len(found) == len(list(net.parameters())) and set(parts) == set(SHARES)
    assert all(torch.isfinite(g).all() for g in found)


def test_mirroring_swaps_left_and_right():
    assert (MIRROR[MIRROR] == np.arange(17)).all() and MIRROR[5] == 6 and MIRROR[0] == 0


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_turned_pictures_lead_home(quarters):
    image = np.zeros((30, 50), np.uint8)
    image[7, 33] = 1
    y, x = np.argwhere(np.rot90(image, quarters))[0]
    home = turned(np.array([x + 0.5, y + 0.5]), quarters, 30, 50)
    np.testing.assert_allclose(home, [33.5, 7.5])


def test_oks_of_the_same_joints_is_one(joints):
    assert oks(joints, joints, np.ones(17)) == 1
    assert 0 < oks(joints + 5, joints, np.ones(17)) < 0.9


def test_learning_rate_rises_and_ends_at_nothing():
    plan = Plan()
    assert rate(plan, 0) == 0 and rate(plan, 0.03) == pytest.approx(plan.rate) and rate(plan, 1) == pytest.approx(0)


@pytest.mark.slow
def test_training_goes_on_where_it_stopped(tmp_path):
    write(tmp_path / "rendered.npz", (rendered(seed) for seed in range(8)), "test")
    assert len(Pool(tmp_path / "rendered.npz")) == 8
    for steps in (2, 5, 5):
        train(tmp_path, tmp_path / "out", Plan(steps=steps, batch=4), workers=0)
        state = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
        assert state["step"] == steps and state["spent"] > 0


def test_the_first_steps_see_small_pictures():
    plan = Plan(steps=10, small=64, first=0.3)
    assert [plan.side(step) for step in range(5)] == [64, 64, 64, SIDE, SIDE]


def test_the_last_steps_see_more_real_people():
    plan = Plan(steps=5, mixes=((0.1, 0.2), (0.3, 0.4)), late=0.8)
    assert [plan.mix(step) for step in range(5)] == [(0.1, 0.2)] * 4 + [(0.3, 0.4)]


def test_small_pictures_teach_the_same(joints):
    image = np.zeros((240, 320, 3), np.uint8)
    how = Augment(colour=0, hide=0, whole=1)
    large, small = (
        cut(image, joints[None], np.ones((1, 17), np.float32), np.random.default_rng(1), how, side)[1]
        for side in (SIDE, 96)
    )
    np.testing.assert_allclose(small * 2, large, atol=1e-3)
