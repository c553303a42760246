"""A table of Markdown: rows of (what, goal, figure, beside it)."""
import sys


class Table:
    def __init__(self, name):
        self.name, self.rows, self.notes = name, [], []

    def row(self, what, figure, goal="", peer=""):
        self.rows.append((what, figure, goal, peer))
        print(f"  {what}: {figure}  {f'(goal {goal})' if goal else ''} {peer}", file=sys.stderr, flush=True)

    def note(self, text):
        self.notes.append(text)

    def text(self):
        lines = [f"### {self.name}", "", "| what | kiseki | goal | beside it, same run |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in self.rows]
        return "\n".join(lines + [""] + self.notes)
