"""What passed is found again in chunks, wherever they were cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.gateway.chunks import Chunk, payloads
from pytest_dgbudget.gateway.frames import BINARY, TEXT, FrameReader, frame

Sent = tuple[int, bytes]
SENT = st.lists(st.tuples(st.sampled_from([BINARY, TEXT]), st.binary(max_size=300)), max_size=8)


def chunks_of(wire: bytes, cuts: list[int]) -> list[Chunk]:
    """Return what a reader passes on of a stream that comes in pieces."""
    reader = FrameReader(lambda text: None, holding=False)
    chunks = []
    places = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    for number, (begin, end) in enumerate(pairwise(places)):
        rest = reader.remaining
        if passed := reader.feed(wire[begin:end]):
            chunks.append(Chunk(number, passed, rest))
    return chunks


def found_in(chunks: list[Chunk]) -> list[Sent]:
    found: list[Sent] = []
    for payload in payloads(chunks):
        if payload.begins:
            found.append((payload.opcode, payload.data))
        else:
            found[-1] = (payload.opcode, found[-1][1] + payload.data)
    return found


@given(sent=SENT, mask=st.booleans(), cuts=st.lists(st.integers(0, 5000), max_size=10))
def test_every_payload_is_found_whatever_the_pieces(sent: list[Sent], mask: bool, cuts: list[int]) -> None:
    wire = b"".join(frame(opcode, payload, mask=mask) for opcode, payload in sent)
    assert found_in(chunks_of(wire, cuts)) == sent


@given(mask=st.booleans(), cuts=st.lists(st.integers(0, 200_000), max_size=6))
def test_a_long_frame_is_found_in_the_chunks_in_which_it_passed(mask: bool, cuts: list[int]) -> None:
    sent = [(BINARY, bytes(range(256)) * 400), (BINARY, b"after")]
    wire = b"".join(frame(opcode, payload, mask=mask) for opcode, payload in sent)
    assert found_in(chunks_of(wire, cuts)) == sent


def test_without_the_chunk_in_which_it_began_the_rest_of_a_frame_is_left_out() -> None:
    wire = frame(BINARY, b"a" * 100_000, mask=True) + frame(BINARY, b"whole", mask=True)
    first, *later = chunks_of(wire, [70_000])
    assert first.data
    assert [payload.data for payload in payloads(later)] == [b"whole"]


def test_a_payload_has_the_instant_of_its_chunk_and_what_came_after_it() -> None:
    wire = frame(BINARY, b"a", mask=True) + frame(BINARY, b"b" * 10, mask=True)
    found = list(payloads([Chunk(7, wire)]))
    assert [(payload.at_ms, payload.remaining) for payload in found] == [(7, 16), (7, 0)]
