"""What the checks share: the translations of a2d, and their comparison with those of another program."""

import pathlib
import sys

# The difference of log-probabilities of two tokens that tie.
TIE = 1e-5
# That of two scores: a2d prints 4 decimals, and its own students give start and padding, which no export has, a little
# probability.
SCORES = 1e-3


def texts(path):
    """The lines of a text."""
    return pathlib.Path(path).read_text(encoding="utf-8").splitlines()


def translations(path):
    """Scores and texts, as `a2d translate --n-best 1` writes them."""
    rows = (line.split("\t", 2) for line in texts(path))
    return [(float(score), text.strip()) for _, score, text in rows]


def compare(name, found, expected, least, gap=None):
    """Compares (score, text) of each line: prints how many texts are equal, and how far the scores of these are apart.

    Fails if less than a part `least` of the lines is equal, or a score differs. `gap` says of another line what the
    search lost by a2d's text, in log-probability: a line that lost less than TIE is a tie, and counts as equal.
    """
    pairs = list(enumerate(zip(found, expected, strict=True)))
    lost = {line: gap(line) if gap else None for line, (a, b) in pairs if a[1] != b[1]}
    ties = [line for line, by in lost.items() if by is not None and abs(by) < TIE]
    apart = max((abs(a[0] - b[0]) for line, (a, b) in pairs if line not in lost), default=0.0)
    print(f"{name}: {len(found) - len(lost)} of {len(found)} lines equal, scores to {apart:.1e}, {len(ties)} ties")
    wrong = len(lost) - len(ties) > (1 - least) * len(found) or (gap and apart > SCORES)
    for line, by in lost.items() if gap or wrong else ():
        by = "a tie" if line in ties else f"a2d's text loses {by:.4f}" if gap else ""
        print(f"  line {line + 1}: {found[line][1]!r}, a2d {expected[line][1]!r}: {by}")
    if wrong:
        sys.exit(f"{name}: a2d's translations differ")
