"""The expert of faces: its crop, its bundle on pictures and films, the analysis with it, and what it must doubt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moodal.core import registry
from moodal.core.bundle import Bundle
from moodal.core.errors import InputError, ModelError
from moodal.core.runner import Example, open_runner
from moodal.core.scheme import EKMAN8
from moodal.extract.face.classifier import NET_SIDE, ExpressionNet, grey, standardised, tight, whole
from moodal.extract.face.scorer import EVERY_S, FaceScorer, combined
from moodal.extract.face.tracker import Seen


def made_up(path: Path, most: float = 50.0, **told: object) -> Bundle:
    """A bundle of one linear layer: what it says depends on every pixel."""
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    side = NET_SIDE * NET_SIDE
    constants = {
        "weight": (rng.normal(size=(side, 8)) / 20).astype(np.float32),
        "pool": (rng.normal(size=(side, 6)) / 48).astype(np.float32),
        "flat": np.array([1, side], np.int64),
    }
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Reshape", ["x", "flat"], ["row"]),
            node("MatMul", ["row", "weight"], ["logits"]),
            node("LogSoftmax", ["logits"], ["log_probabilities"], axis=1),
            node("MatMul", ["row", "pool"], ["state"]),
        ],
        "face",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, NET_SIDE, NET_SIDE])],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, k])
            for n, k in (("log_probabilities", 8), ("state", 6))
        ],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    manifest = {
        "name": "face", "version": "1", "kind": "expert", "licence": "-", "commercial": False, "data_terms": "none",
        "inputs": ["picture"], "scheme": "ekman8", "runner": "face",
        "calibration": {"temperature": 1.3, "out_of_domain": {"most": most}},
        "prior_shift": {"natural": [0.4, 0.25, 0.1, 0.1, 0.1, 0.01, 0.03, 0.01], "added": [0.2] + [0.0] * 7},
        "with_blendshapes": {"net": 0.8, "rule": 0.3}, **told,
    }  # fmt: skip
    arrays = {"state_mean": np.zeros(6, np.float32), "state_whitening": np.eye(6, dtype=np.float32)}
    Bundle.write(path, manifest, "", arrays, {"face": model.SerializeToString()})
    return Bundle.open(path)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return made_up(tmp_path / "face.bundle")


def saved(path: Path, pixels: np.ndarray) -> Path:
    from PIL import Image

    Image.fromarray(pixels).save(path)
    return path


def seen(angle: float = 0.0, side: float = 256.0) -> Seen:
    """A face whose points span 100 x 140 px of the square's own pixels, in a square of a picture that rises in x."""
    rng = np.random.default_rng(1)
    flat = np.concatenate([[[-50, -70], [50, 70]], rng.uniform([-50, -70], [50, 70], (476, 2))]) * side / 256
    cos, sin = np.cos(angle), np.sin(angle)
    points = np.zeros((478, 3), np.float32)
    points[:, 0] = 300 + flat[:, 0] * cos - flat[:, 1] * sin
    points[:, 1] = 200 + flat[:, 0] * sin + flat[:, 1] * cos
    crop = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, 0).repeat(3, 2)
    return Seen(points, 20.0, crop, np.array([300.0, 200.0, side, angle]))


@pytest.mark.parametrize("angle", [0.0, 0.4])
@pytest.mark.parametrize("side", [80.0, 256.0, 700.0])
def test_the_tight_square_holds_the_face_as_the_training_pictures_do(angle: float, side: float) -> None:
    one = seen(angle, side)
    face = tight(one.crop, one.square, one.points)
    assert face.shape == (48, 48)
    assert face.dtype == np.float32
    # 1.057 × 140 px around the middle: the ramp from 128 - 74 to 128 + 74, whatever the frame's scale and turn.
    assert face[10, 0] * 255 == pytest.approx(128 - 74 + 1.5, abs=2)
    assert face[10, -1] * 255 == pytest.approx(128 + 74 - 1.5, abs=2)
    looser = tight(one.crop, one.square, one.points, margin=1.5)
    assert looser[10, 0] < face[10, 0]
    tall = one.points.copy()
    tall[:, 1] = (tall[:, 1] - 200) * 3 + 200
    assert tight(one.crop, one.square, tall).shape == (48, 48)  # more than was read: what is there


def test_light_and_contrast_do_not_matter_and_a_flat_picture_says_nothing() -> None:
    rng = np.random.default_rng(0)
    face = rng.uniform(0.3, 0.9, (48, 48)).astype(np.float32)
    np.testing.assert_allclose(standardised(face), standardised(face * 0.4 + 0.05), atol=1e-4)
    assert np.abs(standardised(np.full((48, 48), 0.3, np.float32))).max() < 1e-3
    wide = rng.integers(0, 256, (40, 90, 3), np.uint8)
    np.testing.assert_array_equal(whole(wide), whole(wide[:, 25:65]))
    assert grey(np.full((2, 2, 3), 255, np.uint8)).max() == 255


def test_a_small_picture_is_the_face_and_a_large_one_without_a_face_too(
    bundle: Bundle, tmp_path: Path, models: None
) -> None:
    runner = open_runner(bundle)
    rng = np.random.default_rng(0)
    small = np.kron(rng.integers(0, 256, (4, 4), np.uint8), np.ones((12, 12), np.uint8))
    read = runner.read(Example(saved(tmp_path / "small.png", small)))
    assert isinstance(read, np.ndarray)
    assert read.shape == (1, 9)
    told = runner.tell(read)
    assert told.scores.sum() == pytest.approx(1)
    assert not told.withheld
    large = np.kron(small, np.ones((5, 5), np.uint8))
    again = runner.read(Example(saved(tmp_path / "large.png", large)))
    assert isinstance(again, np.ndarray)
    np.testing.assert_allclose(again[0, :8], read[0, :8], atol=0.6)
    with pytest.raises(InputError, match="file"):
        runner.read(Example(text="hello"))


def test_more_frames_are_their_mean_and_what_is_unlike_faces_is_withheld(bundle: Bundle, tmp_path: Path) -> None:
    runner = open_runner(bundle)
    rng = np.random.default_rng(0)
    rows = np.log(rng.dirichlet(np.ones(8), 5)).astype(np.float32)
    frames = np.concatenate([rows, np.ones((5, 1), np.float32)], axis=1)
    z = rows.astype(float).mean(0) / 1.3 + np.array([0.2 / 1.3, *[0] * 7])
    np.testing.assert_allclose(runner.tell(frames).scores, np.exp(z) / np.exp(z).sum(), atol=1e-6)
    frames[:3, 8] = 99.0
    assert runner.tell(frames).withheld == "out_of_domain"
    frames[2, 8] = 1.0
    assert not runner.tell(frames).withheld


def test_a_damaged_bundle_says_so_in_one_line(bundle: Bundle, tmp_path: Path) -> None:
    broken = tmp_path / "broken.bundle"
    Bundle.write(broken, bundle.manifest, "", {}, {"face": bundle.graph("face")})
    with pytest.raises(ModelError, match="state_mean"):
        open_runner(Bundle.open(broken))


# ---- in the analysis ------------------------------------------------------------


def test_the_net_looks_ten_times_a_second_and_holds_what_it_saw(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, rule = FaceScorer(bundle), np.full(8, 1 / 8)
    looks: list[float] = []
    look = ExpressionNet.__call__

    def counted(net: ExpressionNet, face: np.ndarray) -> tuple[np.ndarray, float]:
        looks.append(1.0)
        return look(net, face)

    monkeypatch.setattr(ExpressionNet, "__call__", counted)
    one = seen()
    first = scorer("p1", 0.0, one, rule)
    assert first.sum() == pytest.approx(1)
    for k in range(1, 31):
        np.testing.assert_array_equal(scorer("p1", k / 30, one, rule), first)
    assert len(looks) == 11
    scorer("p2", 0.01, one, rule)
    assert len(looks) == 12
    assert EVERY_S == 0.1


def test_both_sides_weigh_and_a_strange_face_tells_only_how_common_classes_are(tmp_path: Path) -> None:
    bundle = made_up(tmp_path / "face.bundle", most=0.0)
    strange = FaceScorer(bundle)("p1", 0.0, seen(), np.eye(8)[1])
    np.testing.assert_allclose(strange, bundle.manifest["prior_shift"]["natural"])
    net = np.log(np.full(8, 1 / 8))
    assert combined(net, np.eye(8)[3], bundle).argmax() == 3
    flat = Bundle(bundle.path, {**bundle.manifest, "with_blendshapes": {"net": 1.0, "rule": 0.0}})
    assert combined(np.log(np.eye(8)[5] + 1e-3), np.eye(8)[3], flat).argmax() == 5


def test_chunks_leave_no_trace_with_the_expert(bundle: Bundle, clips: Path, models: None) -> None:
    import moodal
    from moodal.core.clock import Span
    from moodal.core.extractor import MeasureContext
    from moodal.core.stream import PictureChunk
    from moodal.core.track import Piece

    recording = moodal.read(clips / "single_face.mp4")
    frames = [
        (t, e, f) for c in recording.chunks("picture", end=1.2) if isinstance(c, PictureChunk)
        for t, e, f in zip(c.times, c.ends, c.frames, strict=True)
    ]  # fmt: skip

    def measured(size: int, **options: object) -> np.ndarray:
        spec = registry.load("extractors", "face").SPEC
        context = MeasureContext(Span(0.0, 1.2), want=frozenset({"face.expression"}), options=options)
        extractor, pieces = spec.make(context), []
        for i in range(0, len(frames), size):
            times, ends, pictures = zip(*frames[i : i + size], strict=True)
            pieces += extractor.push(PictureChunk("picture", np.array(times), np.array(ends), list(pictures)))
        pieces += extractor.close()
        told: list[Piece] = [p for p in pieces if p.track == "face.expression" and len(p.times)]
        return np.concatenate([p.values for p in told])

    chosen = {"experts": {"face": str(bundle.path)}}
    together, apart, rule = measured(100, **chosen), measured(7, **chosen), measured(100)
    np.testing.assert_array_equal(together, apart)
    np.testing.assert_array_equal(together[:, 8], rule[:, 8])  # intensity stays the rule's
    assert np.abs(together[:, :8] - rule[:, :8]).max() > 0.01
    np.testing.assert_allclose(together[:, :8].sum(1), 1, atol=1e-5)


def test_a_film_is_read_five_times_a_second(bundle: Bundle, clips: Path, models: None) -> None:
    runner = open_runner(bundle)
    read = runner.read(Example(clips / "single_face.mp4", start_s=0.5, end_s=1.6))
    assert isinstance(read, np.ndarray)
    assert 4 <= len(read) <= 6
    assert runner.read(Example(clips / "no_face.mp4", end_s=1.0)) == "no_face"


# ---- how it is made ------------------------------------------------------------


def test_points_go_where_their_pixels_go() -> None:
    torch = pytest.importorskip("torch")
    from moodal.lab.experts.face_augment import MIRRORED, POINTS, augment

    assert [MIRRORED[MIRRORED[i]] for i in range(len(POINTS))] == list(range(len(POINTS)))
    rng = np.random.default_rng(3)
    place = rng.uniform(0.3, 0.7, (64, 2)).astype(np.float32)
    y, x = np.mgrid[0:48, 0:48]
    spot = np.exp(
        -((x[None] - place[:, :1, None] * 48 + 0.5) ** 2 + (y[None] - place[:, 1:, None] * 48 + 0.5) ** 2) / 4
    )
    points = torch.from_numpy(np.repeat(place[:, None], len(POINTS), 1))
    out = augment(torch.from_numpy(spot.astype(np.float32))[:, None], points, rng, 48, 1.0)
    assert 15 < int(out.mirrored.sum()) < 49
    brightest = out.faces[:, 0].flatten(1).argmax(1).numpy()
    found = np.stack([brightest % 48, brightest // 48], 1) + 0.5
    expected = ((out.points[:, 0] + 1) * 24).numpy()
    assert np.median(np.abs(found - expected)) < 1.0


def test_the_exported_net_says_what_the_trained_one_said() -> None:
    torch = pytest.importorskip("torch")
    from moodal.lab.experts.face_train import Plan, answers, net_of
    from moodal.lab.nn.face import exported

    torch.manual_seed(0)
    nets = [net_of(Plan(channels=(8, 8, 16, 16)), 8).eval() for _ in range(2)]
    faces = torch.rand(5, 1, 48, 48)
    wanted = (answers(nets[0], faces) + answers(nets[1], faces, mirrored=True)) / 2
    run = ExpressionNet(exported(nets), np.zeros(32), np.eye(32))
    for face, shares in zip(faces[:, 0].numpy(), wanted, strict=True):
        told, state = run.looked(face)
        np.testing.assert_allclose(np.exp(told), shares, atol=5e-3)
        assert state.shape == (32,)


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes(data: Path, models: None, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from dataclasses import replace

    from moodal.lab.experts.make import make
    from moodal.lab.experts.recipe import load

    recipe = load("face")
    small = replace(
        recipe, settings={**recipe.settings, "first": 1, "second": 1, "rows": 128, "width": 8, "checks": False}
    )
    one, two = (make(small, tmp_path / name)[0] for name in ("one", "two"))
    assert one.sha256() == two.sha256()
    assert one.manifest["with_blendshapes"]["found"] > 0.5


def test_the_stand_in_shares_its_folds_with_the_voice(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from moodal.lab.bench.protocols import protocol
    from moodal.lab.experts import Work
    from moodal.lab.experts.standin import FOLDS, stand_in

    work = Work(tmp_path)
    told = stand_in(work)
    voices = work.data("ravdess")
    fold_of = dict(zip(told.subject, told.fold, strict=True))
    for k, fold in enumerate(protocol(**FOLDS).split(voices)):
        assert {fold_of[s] for s in voices.index["subject"][fold.test]} == {k}
    assert (told.log_p.argmax(1) == told.truth).mean() > 0.55
    np.testing.assert_allclose(np.exp(told.log_p).sum(1), 1, atol=1e-6)


# ---- the trained bundle, where it is installed ------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> Bundle:
    bundle = registry.bundles().get("face")
    if bundle is None:
        pytest.skip("the bundle face is not installed")
    return bundle


def test_it_is_small_and_quick(trained: Bundle) -> None:
    from time import perf_counter

    assert trained.path.stat().st_size <= 2_000_000
    net, face, spent = ExpressionNet.of(trained), np.random.default_rng(0).random((48, 48), np.float32), []
    for _ in range(200):
        began = perf_counter()
        net(face)
        spent.append(perf_counter() - began)
    assert min(spent) < 2e-3  # a millisecond on a quiet machine; benchmarks say it exactly


def test_it_is_not_sure_of_what_is_no_face(trained: Bundle) -> None:
    told = trained.manifest["not_faces"]
    assert told["black"]["withheld"] == told["one grey"]["withheld"] == 1.0
    assert all(row["confident"] <= 0.2 for row in told.values())
    spoilt = trained.manifest["robustness"]
    plain = spoilt["as they are"]
    for covered in ("dark glasses", "mask", "half in the dark"):
        assert spoilt[covered]["mean_set_size"] + spoilt[covered]["withheld"] > plain["mean_set_size"]
        assert spoilt[covered]["confident"] < plain["confident"]
    assert len(EKMAN8) == 8
