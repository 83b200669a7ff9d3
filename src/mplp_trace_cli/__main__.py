"""`python -m mplp_trace_cli` is `mplp-trace`."""

from mplp_trace_cli.cli.main import main

if __name__ == "__main__":
    main()
