
__mplp_ids=() __mplp_times=() __mplp_traces=() __mplp_names=() __mplp_trapped=''

case $OSTYPE in linux*) __mplp_most=4096 ;; *) __mplp_most=512 ;; esac

__mplp_self() {
  __mplp_pid=${BASHPID:-$$}
}

__mplp_now() {
  __mplp_at=${EPOCHREALTIME-}
}

__mplp_new_id() {
  if [ -n "${SRANDOM-}" ]; then
    printf -v __mplp_new '%08x%08x' "$SRANDOM" "$SRANDOM"
  else
    __mplp_self
    printf -v __mplp_new '%08x%04x%04x' "$((((RANDOM << 17) ^ (RANDOM << 3) ^ __mplp_pid) & 0xffffffff))" "$RANDOM" "$RANDOM"
  fi
}

__mplp_push() {
  local at=${#__mplp_ids[@]}
  __mplp_ids[at]=$1 __mplp_times[at]=$2 __mplp_traces[at]=$3 __mplp_names[at]=$4
}

__mplp_pop() {
  local at=$((${#__mplp_ids[@]} - 1))
  __mplp_popped=${__mplp_ids[at]} __mplp_began=${__mplp_times[at]}
  __mplp_of=${__mplp_traces[at]} __mplp_name=${__mplp_names[at]}
  unset "__mplp_ids[$at]" "__mplp_times[$at]" "__mplp_traces[$at]" "__mplp_names[$at]"
}

# Has the end of this shell, or subshell, end its steps; a trap that is there already runs after that.
__mplp_at_exit() {
  __mplp_self
  if [ "$__mplp_trapped" != "$__mplp_pid" ]; then
    __mplp_ids=() __mplp_times=() __mplp_traces=() __mplp_names=()
    __mplp_trapped=$__mplp_pid
  fi
  eval "set -- $(trap -p EXIT)"
  case ${3-} in
  *__mplp_exit*) [ "$BASH_SUBSHELL" -gt 0 ] || return 0 && set -- ;;
  ?*) [ "$BASH_SUBSHELL" -eq 0 ] || return 0 ;; # a subshell shows the trap of its parent
  esac
  trap "__mplp_exit \$? && :
${3-}
__mplp_close" EXIT
}

# Gives the exit code back, for the trap that comes after it.
__mplp_exit() {
  while [ "${#__mplp_ids[@]}" -gt 0 ]; do
    __mplp_end "$1"
  done
  __mplp_self
  __mplp_close
  return "$1"
}
