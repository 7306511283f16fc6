"""Translation, many to many: a sentence in, the same in other languages out, by an attention encoder-decoder."""

from apps.translation.translator import Translation, Translator

__all__ = ["Translation", "Translator"]
