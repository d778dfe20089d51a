"""Speech to text: faster-whisper on one window at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from moodal import weights
from moodal.core.errors import MissingExtra, ModelError

from .sentences import SHORTEST_S, Word
from .windows import RATE, Window

__all__ = ["Heard", "Recogniser"]

#: Tokens that a second of speech can hold: fast speakers say six words, eight tokens.
_TOKENS_PER_S = 10
#: A window whose last word ends this near its own end has been read: the library would encode the rest, which
#: is the detector's padding, as another window, at the price of a whole one, and now and then hear words in it.
_TAIL_S = 0.5


@dataclass(frozen=True)
class Heard:
    """What was recognised in one window.

    ``language`` is what the model took it for (``en`` for a model that knows no other), ``no_speech`` its
    score that nobody speaks.
    """

    words: tuple[Word, ...]
    language: str
    no_speech: float


class Recogniser:
    """One model; greedy decoding, so that the same sound gives the same words.

    The packaged model is loaded when the first speech is heard: many recordings have none.

    Parameters
    ----------
    folder : a faster-whisper model, or ``None`` for the packaged tiny.en.
    language : what is spoken, where known.

    Raises
    ------
    MissingExtra : faster-whisper is not installed.
    ModelError : the model is not installed, or the one in ``folder`` cannot be loaded.
    """

    def __init__(self, folder: str | None = None, language: str | None = None) -> None:
        try:
            import faster_whisper  # noqa: F401
        except ImportError as error:
            raise MissingExtra("faster-whisper", "asr", "speech to text") from error
        self._path = Path(folder).expanduser() if folder else weights.path("whisper-tiny.en")
        for file in ("model.bin", "tokenizer.json"):
            # Without a tokenizer of its own the library would look for one on the network.
            if not (self._path / file).is_file():
                raise ModelError(
                    f"is no faster-whisper model (no {file})", where=str(self._path), fix="Give its folder."
                )
        # A folder that was given has not been checked by anybody, so it is loaded at once.
        self.multilingual = folder is not None and bool(self._model.model.is_multilingual)
        self._language = language if self.multilingual else "en"

    @cached_property
    def _model(self) -> Any:
        from faster_whisper import WhisperModel

        try:
            # One thread: a second one saves a quarter of the time and takes the picture's core.
            return WhisperModel(
                str(self._path), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1, local_files_only=True
            )
        except Exception as error:  # ctranslate2 and tokenizers raise types of their own
            raise ModelError(
                f"cannot be loaded ({error})", where=str(self._path), fix="Run: moodal models pull"
            ) from error

    def hear(self, window: Window) -> Heard:
        """Recognise one window; words stand on the recording's clock, in order and without overlap.

        Raises
        ------
        ModelError : the model cannot be loaded.
        """
        seconds = len(window.samples) / RATE
        segments, info = self._model.transcribe(
            window.samples,
            language=self._language,
            beam_size=1,
            temperature=0.0,
            word_timestamps=True,
            condition_on_previous_text=False,
            # Doubtful windows come out whole and are judged by the gate, not dropped here.
            no_speech_threshold=None,
            log_prob_threshold=None,
            compression_ratio_threshold=None,
            max_new_tokens=20 + int(_TOKENS_PER_S * seconds),
        )
        words: list[Word] = []
        no_speech: list[float] = []
        for segment in segments:
            no_speech.append(float(segment.no_speech_prob))
            for word in segment.words or ():
                text = word.word.strip()
                start, end = window.span_of(word.start, word.end)
                if words:
                    start = max(start, words[-1].end)
                if text:
                    words.append(Word(start, max(end, start + SHORTEST_S), text, float(word.probability)))
            if segment.words and seconds - segment.words[-1].end < _TAIL_S:
                break
        return Heard(tuple(words), str(info.language), max(no_speech, default=1.0))
