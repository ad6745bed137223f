"""What the vocabulary refuses."""

from rucio_dafab.errors import DafabError


class VocabularyError(DafabError):
    """A key, value, area or class that the vocabulary does not know or does not accept, in one line."""
