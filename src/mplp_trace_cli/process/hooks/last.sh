
# A trace that is known already: begun here, so that subshells share it.
if [ -n "${MPLP_TRACE_ID-}" ]; then
  __mplp_open || :
fi
