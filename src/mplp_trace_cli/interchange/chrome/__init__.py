"""Chrome's trace-event JSON, which Perfetto, chrome://tracing and speedscope open: out and in."""
