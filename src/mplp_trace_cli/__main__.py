"""`python -m mplp_trace_cli` is `mplp-trace`."""

from mplp_trace_cli.cli.main import run

if __name__ == "__main__":
    run()
