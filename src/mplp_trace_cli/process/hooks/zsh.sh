
zmodload zsh/datetime zsh/system
typeset -ga __mplp_ids __mplp_times __mplp_traces __mplp_names
__mplp_ids=() __mplp_times=() __mplp_traces=() __mplp_names=() __mplp_inside=''

case $OSTYPE in linux*) __mplp_most=4096 ;; *) __mplp_most=512 ;; esac

__mplp_self() {
  __mplp_pid=${sysparams[pid]}
}

__mplp_now() {
  __mplp_at=$EPOCHREALTIME
}

# A subshell makes the same random numbers as its parent, but not at the same time.
__mplp_new_id() {
  __mplp_self
  local nano=${EPOCHREALTIME#*.}
  printf -v __mplp_new '%08x%08x' $(((10#${nano[1,9]} ^ (__mplp_pid << 12)) & 16#ffffffff)) \
    $((((RANDOM << 17) ^ (RANDOM << 2) ^ __mplp_pid) & 16#ffffffff))
}

__mplp_push() {
  __mplp_ids+=("$1") __mplp_times+=("$2") __mplp_traces+=("$3") __mplp_names+=("$4")
}

__mplp_pop() {
  __mplp_popped=${__mplp_ids[-1]} __mplp_began=${__mplp_times[-1]}
  __mplp_of=${__mplp_traces[-1]} __mplp_name=${__mplp_names[-1]}
  __mplp_ids[-1]=() __mplp_times[-1]=() __mplp_traces[-1]=() __mplp_names[-1]=()
}

# Has the end of the shell end its steps; a subshell has no such end. A function that fails under `set -e`
# ends the shell without a word to anybody, so that end is told by the trap of what fails.
__mplp_at_exit() {
  __mplp_self
  if [ "$__mplp_inside" != "$__mplp_pid" ]; then
    __mplp_ids=() __mplp_times=() __mplp_traces=() __mplp_names=()
    __mplp_inside=$__mplp_pid
    typeset -ga zshexit_functions
    [ "${zshexit_functions[(Ie)__mplp_exit]}" -gt 0 ] || zshexit_functions+=(__mplp_exit)
    case "$(trap) ${functions[TRAPZERR]-}" in
    *ZERR*) ;;
    *) trap '__mplp_failed $?' ZERR ;;
    esac
  fi
}

__mplp_failed() {
  [[ ! -o errexit ]] || __mplp_exit "$1"
  return "$1"
}

# After an `exit` in a function the end of any function is the end of everything, so none is called here.
__mplp_exit() {
  local code=${1:-$?}
  while [ -p "$__mplp_dir/events" ] && [ "${#__mplp_ids}" -gt 0 ]; do
    printf '%s\0' 7 completed "${__mplp_traces[-1]}" "$EPOCHREALTIME" "${__mplp_times[-1]}" \
      "${__mplp_ids[-1]}" "$code" "${__mplp_names[-1]}" 1<>"$__mplp_dir/events"
    __mplp_ids[-1]=() __mplp_times[-1]=() __mplp_traces[-1]=() __mplp_names[-1]=()
  done
  __mplp_pid=${sysparams[pid]}
  eval "${functions[__mplp_close]}"
}
