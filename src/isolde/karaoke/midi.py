"""The sung melody as the bytes of a standard MIDI file with one track; it writes no file."""

import io
from collections.abc import Sequence

from isolde.karaoke.score import ScoreNote

TICKS = 500  # per quarter note; at 120 quarter notes per minute a tick is 1 ms
TEMPO = 500_000  # microseconds per quarter note
VELOCITY = 80
PROGRAM = 53  # "Voice Oohs" of General MIDI, counted from 0


def to_midi(score: Sequence[Sequence[ScoreNote]], track: str) -> bytes:
    """Make a MIDI file from a score: notes to the nearest semitone, words as lyrics.

    Args:
        score: Lines of notes; of notes without a pitch only the words are written.
        track: Name of the song.

    Returns:
        A file of type 0 at 120 quarter notes per minute, times to a millisecond.
    """
    import mido

    events: list[tuple[int, int, mido.Message | mido.MetaMessage]] = []  # tick, rank, event
    for line in score:
        for note in line:
            start, end = round(1000 * note.start), round(1000 * note.end)
            if note.text:
                events.append((start, 1, mido.MetaMessage("lyrics", text=note.text)))
            if note.semitone is not None:
                pitch = {"note": note.semitone, "channel": 0}
                events.append((start, 2, mido.Message("note_on", velocity=VELOCITY, **pitch)))
                end = max(start + 1, end)
                events.append((end, 0, mido.Message("note_off", velocity=0, **pitch)))
    events.sort(key=lambda event: event[:2])
    midi = mido.MidiFile(type=0, ticks_per_beat=TICKS, charset="utf-8")
    name = track.encode("utf-8", "replace").decode("utf-8")
    messages = mido.MidiTrack(
        [
            mido.MetaMessage("track_name", name=name),
            mido.MetaMessage("set_tempo", tempo=TEMPO),
            mido.Message("program_change", program=PROGRAM, channel=0),
        ]
    )
    now = 0
    for tick, _, event in events:
        messages.append(event.copy(time=tick - now))
        now = tick
    midi.tracks.append(messages)
    data = io.BytesIO()
    midi.save(file=data)
    return data.getvalue()
