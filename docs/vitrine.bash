# bash completion for vitrine. Verbs and options are asked of vitrine itself, VMs of `vitrine ls`.

# Words that fit what is being typed; VM names have no blanks.
_vitrine_words() {
	local w
	while IFS= read -r w; do
		[[ $w == "$cur"* ]] && COMPREPLY+=("$w")
	done
}

_vitrine() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} vitrine=${COMP_WORDS[0]} verb= i n=0
	COMPREPLY=()
	# The verb is the first word that is no option and no option's value.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-l|-t|-c|-s|--layout|--theme|--config|--select) [[ -z $verb ]] && ((i++)) ;;
		-*) ;;
		*) if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; else ((n++)); fi ;;
		esac
	done
	if [[ $cur == -* ]]; then
		_vitrine_words < <("$vitrine" --list-options $verb 2>/dev/null | sed 's/=$//'; echo --help)
		[[ -z $verb ]] && _vitrine_words < <(printf '%s\n' --version --list-verbs --list-commands)
		return
	fi
	case $verb:$prev in
	*:--config|*:--kernel|*:--initrd|*:--disk|*:--root|*:--modules|run:-D|run:-f|run:-k|run:-i|:-c) compopt -o filenames 2>/dev/null
		_vitrine_words < <(compgen -f -- "$cur"); return ;;
	*:--stream) _vitrine_words <<<$'hvc0\nttyS0'; return ;;
	*:--sandbox|*:--rng|*:--balloon) _vitrine_words <<<$'yes\nno'; return ;;
	*:--on-panic) _vitrine_words <<<$'go-on\npause'; return ;;
	run:--cpu) _vitrine_words <<<$'host\nbaseline'; return ;;
	*:--on-shutdown) _vitrine_words <<<$'stop\nexit'; return ;;
	*:--net|run:-N) _vitrine_words <<<$'user\ntap,ifname='; return ;;
	:--select|:-s) _vitrine_words < <("$vitrine" ls --quiet 2>/dev/null); return ;;
	*:--memory|*:--vcpus|*:--name|*:--append|*:--size|*:--history|*:--timeout|*:--expect|*:--cpu|*:--prefix|*:--dirty-ring|*:--rng-rate|*:--vsock|*:--load) return ;;
	esac
	case $verb in
	'') _vitrine_words < <("$vitrine" --list-verbs 2>/dev/null | cut -f1; echo help) ;;
	help) _vitrine_words < <("$vitrine" --list-verbs 2>/dev/null | cut -f1) ;;
	run) compopt -o filenames 2>/dev/null
		_vitrine_words < <(printf '%s\n' shell pager clock smp; compgen -f -- "$cur") ;;
	snapshot)
		if ((n == 0)); then _vitrine_words <<<$'take\nlist\ndelete'
		elif ((n == 1)); then _vitrine_words < <("$vitrine" ls --quiet 2>/dev/null)
		elif ((n == 2)) && [[ ${COMP_WORDS[*]} == *' delete '* ]]; then
			_vitrine_words < <("$vitrine" snapshot list "$prev" 2>/dev/null | sed '1d; s/^..//' | awk '{print $2}')
		fi ;;
	load)
		if ((n == 0)); then _vitrine_words < <("$vitrine" ls --quiet 2>/dev/null)
		else _vitrine_words < <("$vitrine" snapshot list "$prev" 2>/dev/null | sed '1d; s/^..//' | awk '{print $2}')
		fi ;;
	demo)
		if ((n == 0)); then _vitrine_words <<<linux
		elif ((n == 1)); then compopt -o filenames 2>/dev/null
			_vitrine_words < <(ls /boot 2>/dev/null | sed -n 's/^vmlinuz-//p'; compgen -f -- "$cur")
		fi ;;
	link)
		if ((n == 0)); then _vitrine_words < <("$vitrine" ls --quiet 2>/dev/null)
		elif ((n == 1)); then _vitrine_words < <("$vitrine" devices "$prev" 2>/dev/null | sed -n 's/^\(net[0-9]\) .*/\1/p')
		else _vitrine_words <<<$'up\ndown'
		fi ;;
	balloon) if ((n == 0)); then _vitrine_words < <("$vitrine" ls --quiet 2>/dev/null); fi ;;
	ls|check) ;;
	*) _vitrine_words < <("$vitrine" ls --quiet 2>/dev/null) ;;
	esac
}
complete -F _vitrine vitrine
