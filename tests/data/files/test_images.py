import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ae_jax import InvalidInput

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
RAMP = np.add.outer(4 * np.arange(16), 2 * np.arange(24)).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)


def write(path, pixels=GREY, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


def test_a_flat_folder_has_images_by_name_and_no_labels(read, tmp_path):
    write(tmp_path / "b.PNG", GREY)
    write(tmp_path / "a.bmp", GREY + 1)
    write(tmp_path / "c.pgm", GREY + 2)
    (tmp_path / "notes.txt").write_text("other files are passed over")
    (tmp_path / ".hidden.png").write_text("and so are hidden ones")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    contents = read(tmp_path)["all"]
    np.testing.assert_array_equal(contents.x, np.stack([GREY + 1, GREY, GREY + 2]))
    assert contents.x.dtype == np.uint8
    assert contents.labels is None


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "ppm"])
def test_colours_are_read_as_they_were_written(read, suffix, tmp_path):
    write(tmp_path / f"a.{suffix}", COLOUR, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read(tmp_path)["all"].x, COLOUR[None])


def test_folders_of_images_are_classes(read, tmp_path):
    for place, name in enumerate(["cat/2.png", "cat/1.png", "ape/9.png"]):
        write(tmp_path / name, GREY + place)
    contents = read(tmp_path)["all"]
    assert contents.labels.tolist() == ["ape", "cat", "cat"]
    np.testing.assert_array_equal(contents.x[:, 0, 0], [2, 1, 0])


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (["train", "test"], ["test", "train"]),
        (["train", "val", "test"], ["test", "train", "validation"]),
        (["train"], ["train"]),
    ],
)
@pytest.mark.parametrize("classes", [[""], ["cat", "dog"]], ids=["flat", "classes"])
def test_folders_named_as_splits_are_splits(read, folders, splits, classes, tmp_path):
    for place, folder in enumerate(folders):
        for name in classes:
            write(tmp_path / folder / name / "a.png", GREY + place)
    contents = read(tmp_path)
    assert sorted(contents) == splits
    np.testing.assert_array_equal(contents["train"].x[:, 0, 0], [0] * len(classes))
    for split in contents.values():
        assert (None if split.labels is None else split.labels.tolist()) == (None if classes == [""] else classes)


@pytest.mark.parametrize("names", [["train", "bus"], ["test", "val"]])
def test_classes_may_be_named_as_splits(read, names, tmp_path):
    for name in names:
        write(tmp_path / name / "a.png")
    assert read(tmp_path)["all"].labels.tolist() == sorted(names)


@pytest.mark.parametrize(("suffix", "loss"), [("jpg", 8), ("png", 0), ("tif", 0), ("webp", 8)])
def test_images_are_turned_upright(read, suffix, loss, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright (EXIF 2.3, Orientation)
    write(tmp_path / f"a.{suffix}", RAMP, exif=exif)
    x = read(tmp_path)["all"].x[0].astype(float)
    np.testing.assert_allclose(x if x.ndim == 2 else x.mean(-1), np.rot90(RAMP, -1), atol=loss)


def transparent(mode: str, alpha: int = 255) -> Image.Image:
    image = Image.fromarray(COLOUR).convert(mode)
    if mode == "RGBA":
        image.putalpha(alpha)
    return image


def test_opaque_and_palette_images_are_converted(read, tmp_path):
    write(tmp_path / "a.png", transparent("RGBA"))
    write(tmp_path / "b.png", Image.fromarray(COLOUR).quantize(256))
    contents = read(tmp_path)["all"]
    np.testing.assert_array_equal(contents.x[0], COLOUR)
    np.testing.assert_allclose(contents.x[1], COLOUR, atol=8)
    assert contents.ids.tolist() == ["a.png", "b.png"]


def test_images_of_several_modes_become_one(read, tmp_path):
    for name, image in {"c/a.png": GREY, "c/b.png": COLOUR, "d/a.png": transparent("RGBA")}.items():
        write(tmp_path / name, image)
    grey, rgb = (read(tmp_path, color=color)["all"] for color in ("grey", "rgb"))
    np.testing.assert_array_equal(grey.x[0], GREY)
    np.testing.assert_array_equal(grey.x[1], np.asarray(Image.fromarray(COLOUR).convert("L")))
    np.testing.assert_array_equal(rgb.x[0], np.stack([GREY] * 3, -1))
    np.testing.assert_array_equal(rgb.x[1], rgb.x[2])
    assert rgb.ids.tolist() == ["c/a.png", "c/b.png", "d/a.png"]


@pytest.mark.parametrize(
    ("name", "image", "options", "sentence"),
    [
        ("a.png", transparent("RGBA", 254), {}, "a.png is transparent: expected grey or RGB; flatten it"),
        (
            "a.gif",
            Image.fromarray(COLOUR).quantize(4),
            {"transparency": 0},
            "a.gif is transparent: expected grey or RGB; flatten it",
        ),
        ("a.png", Image.fromarray(GREY.astype(np.uint16)), {}, "a.png has more than 8 bits in a channel: expected 8"),
        ("a.tif", Image.fromarray(GREY.astype(np.uint16)), {}, "a.tif has more than 8 bits in a channel: expected 8"),
        ("a.tif", transparent("CMYK"), {}, "a.tif has the mode CMYK: expected grey or RGB; convert it to RGB"),
        (
            "a.gif",
            transparent("L"),
            {"save_all": True, "append_images": [Image.fromarray(255 - GREY)]},
            "a.gif holds 2 frames: expected a single picture",
        ),
    ],
)
def test_images_that_would_lose_something_are_refused(read, name, image, options, sentence, tmp_path):
    write(tmp_path / name, image, **options)
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path)


# A PNG of 1 x 1 pixels with 16 bits in each of three channels, of which Pillow keeps 8 unasked; Pillow writes none.
def test_colours_of_16_bits_are_refused(read, tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + b"\x12\x34" * 3)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"a\.png has more than 8 bits in a channel: expected 8; convert it"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (
            {"a.png": GREY, "b.png": GREY[:3]},
            "a.png is 6 x 8 and .*b.png is 3 x 8 .*: expected images of one size",
        ),
        (
            {"a.png": GREY, "b.png": COLOUR},
            "a.png is grey and .*b.png has colours: expected images of the same",
        ),
        (
            {"a.png": COLOUR, "b.png": GREY},
            "b.png is grey and .*a.png has colours: expected images of the same",
        ),
        (
            {"a.png": GREY, "cat/b.png": GREY},
            "holds images, such as a.png, beside folders, such as cat: expected",
        ),
        ({"cat/a.png": GREY, "cat/more/b.png": GREY}, "cat holds folders, such as more, beside its images"),
        (
            {"train/a.png": GREY, "test/a.png": GREY, "new/a.png": GREY},
            "holds the folders new, test, train: expected",
        ),
        (
            {"train/a.png": GREY, "val/a.png": GREY, "valid/a.png": GREY},
            "holds the folders train, val, valid: exp",
        ),
        (
            {"train/a.png": GREY, "train/cat/a.png": GREY},
            "train holds images, such as a.png, beside folders",
        ),
    ],
)
def test_images_that_do_not_fit_together_are_refused(read, images, sentence, tmp_path):
    for name, pixels in images.items():
        write(tmp_path / name, pixels)
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path)


@pytest.mark.parametrize("inside", ["", "cat/notes.txt", "cat/more/a.png", ".a.png"])
def test_a_folder_without_images_is_refused(read, inside, tmp_path):
    if inside.endswith("png"):
        write(tmp_path / inside)
    elif inside:
        (tmp_path / inside).parent.mkdir(exist_ok=True)
        (tmp_path / inside).write_text("no image")
    with pytest.raises(InvalidInput, match=r"the folder .* holds no images: expected some \(.png, .*MNIST's idx files"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("kept", [9, -40])
def test_a_damaged_image_is_refused(read, suffix, kept, tmp_path):
    write(tmp_path / f"a.{suffix}", np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8))
    (tmp_path / f"a.{suffix}").write_bytes((tmp_path / f"a.{suffix}").read_bytes()[:kept])
    with pytest.raises(InvalidInput, match=rf"a.{suffix} cannot be read \(.+\): expected an undamaged image"):
        read(tmp_path)


@pytest.mark.parametrize("times", [1.5, 3.0], ids=["of which Pillow warns", "that Pillow refuses"])
def test_a_decompression_bomb_is_refused(read, times, tmp_path, monkeypatch):
    write(tmp_path / "a.png", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(GREY.size / times))
    with pytest.raises(InvalidInput, match=r"a.png cannot be read \(.*decompression bomb.*\): .* moderate size"):
        read(tmp_path)


def test_resizing_is_lanczos(read, tmp_path):
    write(tmp_path / "a.png", GREY)
    expected = np.asarray(Image.fromarray(GREY).resize((4, 3), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(read(tmp_path, image_size=(3, 4))["all"].x[0], expected)
