"""Headers of FLAC's frames, and whether a file ends where it states; decodes nothing.

Source: RFC 9639, sections 8.2 (STREAMINFO) and 9.1 (frame header).
"""

from pathlib import Path

_TAIL_BYTES = 1 << 17  # frames of 4608 samples have 28 kB at most in 24 bit stereo
_CRC_POLYNOMIAL = 0x07
_CRC = [0] * 256
for _byte in range(256):
    _crc = _byte
    for _ in range(8):
        _crc = (_crc << 1) ^ (_CRC_POLYNOMIAL if _crc & 0x80 else 0)
    _CRC[_byte] = _crc & 0xFF


def first_sample(frame: bytes, block_samples: int) -> int | None:
    """Return the number of the first sample of a frame; None where no frame begins.

    Args:
        frame: Bytes of it, at least its header, which has 16 at most.
        block_samples: Samples in each frame of the file but the last.
    """
    header = _parse_header(frame)
    return None if header is None else header[0] * (1 if frame[1] & 1 else block_samples)


def block_samples(stream_info: bytes) -> int:
    """Return the number of samples in each frame but the last, from the body of STREAMINFO."""
    return int.from_bytes(stream_info[2:4])


def ends_as_stated(path: Path) -> bool:
    """Return whether the last frame of a file ends at the length that the file states.

    False also where the frames have more bytes than the largest of them would together: then
    something follows, another song perhaps.
    """
    with path.open("rb") as file:
        info = file.read(42)[8:]
        n_samples = int.from_bytes(info[13:18]) & 0xFFFFFFFFF
        block, largest = block_samples(info), int.from_bytes(info[7:10])
        size = file.seek(0, 2)
        file.seek(max(42, size - _TAIL_BYTES))
        tail = file.read()
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        header = _parse_header(tail[at : at + 16])
        if header is not None:
            start = header[0] * (1 if tail[at + 1] & 1 else block)
            behind = (
                size > 2 * _TAIL_BYTES
                and largest
                and block
                and (size - 2 * _TAIL_BYTES > largest * -(-n_samples // block) + (1 << 24))
            )
            return start + header[1] == n_samples and not behind
    return True  # frames of more than the tail: nothing speaks against the header


def _parse_header(data: bytes) -> tuple[int, int] | None:
    """Read a frame's header: its coded number and its samples; None where there is none."""
    if len(data) < 6 or data[0] != 0xFF or data[1] & 0xFE != 0xF8 or data[3] & 1:
        return None
    ones = 8 - (data[4] ^ 0xFF).bit_length()  # of the number, which is coded like UTF-8
    if ones == 1 or ones > 7:
        return None
    at = 4 + max(1, ones)
    number = data[4] & (0x7F >> ones)
    for byte in data[5:at]:
        number = number << 6 | byte & 0x3F
    size, rate = data[2] >> 4, data[2] & 15
    n_extra = {6: 1, 7: 2}.get(size, 0)
    extra = int.from_bytes(data[at : at + n_extra]) + 1
    end = at + n_extra + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if size == 0 or rate == 15 or len(data) <= end:
        return None
    crc = 0
    for byte in data[:end]:
        crc = _CRC[crc ^ byte]
    if crc != data[end]:
        return None
    if n_extra:
        return number, extra
    return number, 192 if size == 1 else 576 << (size - 2) if size < 6 else 256 << (size - 8)
