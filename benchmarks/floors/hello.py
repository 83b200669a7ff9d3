"""The least that a Typer command can do."""

import typer

app = typer.Typer()


@app.command()
def main(name: str = "world") -> None:
    """Say hello."""
    print("hello", name)


app()
