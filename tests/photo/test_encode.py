"""Encoding: what each format keeps, what it loses, and that every loss is said."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesr_cli.errors import WriteFailedError
from facesr_cli.photo import FileFormat, Photo, decode, encode, fit_to_format


def _photo(pixels: np.ndarray, **fields: object) -> Photo:
    return Photo(pixels=pixels, format="PNG", **fields)  # type: ignore[arg-type]


def _flat(value: int = 100, size: int = 16) -> np.ndarray:
    return np.full((size, size, 3), value, dtype=np.uint8)


def test_jpeg_defaults_to_quality_95_without_chroma_subsampling(colours: np.ndarray) -> None:
    data = encode(_photo(colours), file_format=FileFormat.JPEG)
    reference = io.BytesIO()
    Image.fromarray(colours).save(reference, "JPEG", quality=95, subsampling="4:4:4")
    assert data == reference.getvalue()
    assert len(encode(_photo(colours), file_format=FileFormat.JPEG, quality=20)) < len(data)


def test_alpha_is_composed_on_white_for_jpeg_and_said() -> None:
    photo = _photo(_flat(0), alpha=np.zeros((16, 16), dtype=np.uint8))
    fitted = fit_to_format(photo, FileFormat.JPEG)
    assert fitted.notes == ("transparency is composed on white for jpeg",)
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.JPEG))) as image:
        assert np.asarray(image).min() == 255


def test_opaque_alpha_loses_nothing_so_nothing_is_said() -> None:
    photo = _photo(_flat(), alpha=np.full((16, 16), 255, dtype=np.uint8))
    fitted = fit_to_format(photo, FileFormat.JPEG)
    assert fitted.notes == () and fitted.alpha is None
    assert np.array_equal(fitted.pixels, photo.pixels)


@pytest.mark.parametrize("file_format", [FileFormat.PNG, FileFormat.WEBP, FileFormat.TIFF, FileFormat.AVIF])
def test_alpha_is_kept_elsewhere(file_format: FileFormat) -> None:
    alpha = np.tile(np.arange(16, dtype=np.uint8) * 17, (16, 1))
    data = encode(_photo(_flat(), alpha=alpha), file_format=file_format)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGBA"
        assert np.abs(np.asarray(image.getchannel("A")).astype(int) - alpha).max() <= 2


@pytest.mark.parametrize("file_format", list(FileFormat))
def test_exif_xmp_and_profile_travel_and_strip_removes_the_first_two(
    tmp_path: Path, display_p3: bytes, file_format: FileFormat
) -> None:
    exif = Image.Exif()
    exif[271], exif[315] = "A camera", "A photographer"
    exif.get_ifd(34665)[40962] = 24
    exif.get_ifd(34853)[1] = "N"
    Image.new("RGB", (24, 24), (90, 80, 70)).save(
        tmp_path / "a.webp",
        exif=exif,
        xmp=b"<x:xmpmeta>hello</x:xmpmeta>",
        icc_profile=display_p3,
        lossless=True,
    )
    photo = decode(tmp_path / "a.webp")
    larger = replace(photo, pixels=np.repeat(np.repeat(photo.pixels, 2, 0), 2, 1), residual=None)

    with Image.open(io.BytesIO(encode(larger, file_format=file_format))) as image:
        image.load()
        kept = image.getexif()
        assert (kept[271], kept[315]) == ("A camera", "A photographer")
        assert kept.get_ifd(34665)[40962] == 48, "EXIF states the new width"
        assert kept.get_ifd(34853)[1] == "N"
        assert b"hello" in bytes(image.info["xmp"])
        assert image.info["icc_profile"] == display_p3

    stripped = encode(larger, file_format=file_format, metadata="strip")
    with Image.open(io.BytesIO(stripped)) as image:
        image.load()
        assert 271 not in image.getexif()
        assert image.info["icc_profile"] == display_p3
    assert b"hello" not in stripped and b"photographer" not in stripped


def test_tags_that_describe_the_storage_of_a_tiff_stay_behind(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.tiff", compression="tiff_lzw", artist="A photographer")
    photo = decode(tmp_path / "a.tiff")
    with Image.open(io.BytesIO(encode(photo, file_format=FileFormat.JPEG))) as image:
        assert set(image.getexif()) <= {274, 282, 283, 296, 305, 315}
        assert image.getexif()[315] == "A photographer"


@pytest.mark.parametrize("file_format", [FileFormat.JPEG, FileFormat.WEBP])
def test_sixteen_bit_grey_to_eight_bit_formats_is_said(file_format: FileFormat) -> None:
    photo = _photo(np.full((8, 8, 3), 65535, dtype=np.uint16), grey=True)
    assert fit_to_format(photo, file_format).notes == (f"16 bits are reduced to 8 for {file_format}",)
    with Image.open(io.BytesIO(encode(photo, file_format=file_format))) as image:
        assert np.asarray(image).min() == 255


def test_grey_is_written_with_one_channel_even_when_the_network_tinted_it() -> None:
    photo = _photo(np.full((8, 8, 3), (100, 101, 100), dtype=np.uint8), grey=True)
    for file_format in (FileFormat.PNG, FileFormat.JPEG, FileFormat.TIFF):
        with Image.open(io.BytesIO(encode(photo, file_format=file_format))) as image:
            assert image.mode == "L"


def test_sides_beyond_the_format_are_refused_with_a_remedy() -> None:
    photo = _photo(np.zeros((1, 16_384, 3), dtype=np.uint8))
    with pytest.raises(WriteFailedError, match="--format png") as caught:
        encode(photo, file_format=FileFormat.WEBP)
    assert caught.value.reason == "format-limit"


def test_an_encoder_that_raises_is_a_typed_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise ValueError("EXIF data is too long")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(WriteFailedError, match="too long") as caught:
        encode(_photo(_flat()), file_format=FileFormat.JPEG)
    assert caught.value.reason == "encode-failed"


def test_photo_refuses_arrays_that_do_not_belong_together() -> None:
    with pytest.raises(ValueError, match="alpha"):
        _photo(_flat(), alpha=np.zeros((3, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="alpha"):
        _photo(_flat(), alpha=np.zeros((16, 16), dtype=np.uint16))
    with pytest.raises(ValueError, match="float32"):
        _photo(np.zeros((4, 4, 3), dtype=np.float32))
