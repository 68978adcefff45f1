"""Numbers for strings, shared by the functions that are built together."""


class StringTable(dict[bytes, int]):
    """The number of each string, in order of first appearance; asking for a new one numbers it. 0 is the empty string.

    A dictionary that fills itself, because every node asks: one that is known costs a plain look-up.
    """

    def __init__(self) -> None:
        super().__init__({b"": 0})
        self.words = [b""]

    def __missing__(self, word: bytes) -> int:
        number = self[word] = len(self.words)
        self.words.append(word)
        return number
