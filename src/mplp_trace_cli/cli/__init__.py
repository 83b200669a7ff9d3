"""The command line: parses, calls the service, renders. The only room that knows Typer and Rich."""
