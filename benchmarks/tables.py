"""Tables on the terminal, in Markdown so that they can be pasted."""

from collections.abc import Iterable, Sequence

__all__ = ["milliseconds", "print_table"]


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print one table."""
    texts = [tuple(map(str, row)) for row in [header, *rows]]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    print(f"\n### {title}\n")
    for number, row in enumerate(texts):
        print("| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |", flush=True)
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def milliseconds(seconds: float) -> str:
    """For instance "12.3 ms"."""
    return f"{seconds * 1e3:.1f} ms"
