# Functions of mplp-trace, for: eval "$(mplp-trace hook SHELL)"
#   mplp_record TYPE [--level L] [--message M] [--source S] [--duration-ms N] [--data JSON] [K=V...]
#   mplp_step NAME COMMAND...
#   mplp_flush

__mplp_dir='' __mplp_owner='' __mplp_off='' __mplp_used='' __mplp_at='' __mplp_name=''

mplp_record() {
  if [ "$#" -eq 0 ]; then
    printf '%s\n' 'usage: mplp_record TYPE [--level L] [--message M] [K=V...]' >&2
    return 2
  fi
  if __mplp_ready; then
    __mplp_now
    __mplp_send event "$MPLP_TRACE_ID" "$__mplp_at" "${MPLP_PARENT_EVENT_ID-}" "$@"
  fi
  return 0
}

mplp_flush() {
  __mplp_self
  __mplp_close
}

# Whether there is somewhere to record to; the first time it is made.
__mplp_ready() {
  if [ -z "${MPLP_TRACE_ID-}" ]; then
    __mplp_say_once 'MPLP_TRACE_ID is not set'
    return 1
  fi
  [ -n "$__mplp_dir" ] || __mplp_open || return 1
  if [ -z "$__mplp_used" ]; then
    __mplp_used=yes
    __mplp_at_exit # again: a script sets its own trap after it has these functions
  fi
  [ -p "$__mplp_dir/events" ]
}

__mplp_say_once() {
  if [ "$__mplp_off" != "$1" ]; then
    __mplp_off=$1
    printf '%s\n' "warning: not recorded: $1" >&2
  fi
}

# One background `record -` for this shell, which is nobody's job, so that `wait` does not wait for it.
__mplp_open() {
  if ! __mplp_dir=$(mktemp -d "${TMPDIR:-/tmp}/mplp-trace.XXXXXXXX" 2>/dev/null) ||
    ! mkfifo -m 600 "$__mplp_dir/events" "$__mplp_dir/ended" 2>/dev/null; then
    __mplp_dir=/dev/null
    __mplp_say_once "no folder can be made in ${TMPDIR:-/tmp}"
    return 1
  fi
  __mplp_self
  __mplp_owner=$__mplp_pid
  (
    exec 9<>"$__mplp_dir/events"
    trap '' HUP INT QUIT TERM
    @COMMAND@ record - --from-shell "$__mplp_pid $__mplp_dir" <&9 9>&- >/dev/null &
  )
  __mplp_at_exit
  return 0
}

# Sends one frame; one that a pipe would not take in one piece goes by way of a file.
__mplp_send() {
  if __mplp_fits "$@"; then
    printf '%s\0' "$#" "$@" 1<>"$__mplp_dir/events"
  else
    __mplp_new_id
    printf '%s\0' "$#" "$@" 2>/dev/null >|"$__mplp_dir/$__mplp_new" || :
    printf '%s\0' 2 file "$__mplp_new" 1<>"$__mplp_dir/events"
  fi
}

__mplp_fits() {
  local LC_ALL=C
  local all="$*"
  case $all in
  *'
'*) false ;;
  *) [ "$((${#all} + $# + 8))" -le "$__mplp_most" ] ;;
  esac
}

# Waits until all is recorded; what comes later is recorded by another one. It calls no function, because
# where zsh ends, the end of a function is the end of everything.
__mplp_close() {
  local left=100 said='' pid=''
  if [ -p "$__mplp_dir/events" ] && [ "$__mplp_owner" = "$__mplp_pid" ]; then
    {
      printf '%s\0' 1 end 1<>"$__mplp_dir/events"
      until [ "$left" -eq 0 ] || IFS= read -r -t 0.2 -u 8 said; do
        left=$((left - 1))
        { IFS= read -r pid <"$__mplp_dir/pid"; } 2>/dev/null || :
        if [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null; then
          left=0
        fi
      done
    } 8<>"$__mplp_dir/ended"
    if [ "$left" -eq 0 ] && [ -d "$__mplp_dir" ]; then
      printf '%s\n' 'warning: the last events may not be recorded' >&2
      rm -rf "$__mplp_dir"
    fi
    __mplp_dir=''
  fi
}

# The W3C context of a step: its own span in the trace that is there.
__mplp_traceparent() {
  __mplp_parent=${TRACEPARENT-}
  case $__mplp_parent in
  00-????????????????????????????????-????????????????-??)
    __mplp_parent=${__mplp_parent%-*-*}-$1-${__mplp_parent##*-}
    ;;
  esac
}

mplp_step() {
  if [ "$#" -lt 2 ]; then
    printf '%s\n' 'usage: mplp_step NAME COMMAND...' >&2
    return 2
  fi
  if ! __mplp_ready; then
    shift
    "$@"
    return
  fi
  __mplp_begin "$@"
  local __mplp_step=$__mplp_new __mplp_name=$1
  shift
  __mplp_traceparent "$__mplp_step"
  local -x MPLP_PARENT_EVENT_ID=$__mplp_step
  if [ -n "$__mplp_parent" ]; then
    local -x TRACEPARENT=$__mplp_parent
  fi
  "$@"
  set -- "$?"
  __mplp_end "$1"
  return "$1"
}

__mplp_begin() {
  __mplp_at_exit
  __mplp_new_id
  __mplp_now
  __mplp_push "$__mplp_new" "$__mplp_at" "$MPLP_TRACE_ID" "$1"
  __mplp_send started "$MPLP_TRACE_ID" "$__mplp_at" "${MPLP_PARENT_EVENT_ID-}" "$__mplp_new" "$PWD" "$@"
}

# Ends the step that began last.
__mplp_end() {
  __mplp_pop
  __mplp_now
  if [ -p "$__mplp_dir/events" ]; then
    __mplp_send completed "$__mplp_of" "$__mplp_at" "$__mplp_began" "$__mplp_popped" "$1" "$__mplp_name"
  fi
}
