# Completion of vmctl(8) for bash: commands, options, files, and the names of virtual machines as vmd knows them now.
# It stands alone; the package bash-completion only loads it.

# The words up to the cursor. What bash takes apart at ":" and "=" is one word again.
_vmctl_words() {
	local word
	words=()
	for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
		if ((${#words[@]} > 1)) && [[ $word == [:=]* || ${words[-1]} == *[:=] ]]; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
	done
}

# The command that the start of its name stands for.
_vmctl_command() {
	case $1 in
	cd*) echo cdrom ;;
	con*) echo console ;;
	cr*) echo create ;;
	e*) echo events ;;
	h*) echo help ;;
	loa*) echo load ;;
	log*) echo log ;;
	p*) echo pause ;;
	rel*) echo reload ;;
	rest*) echo restart-daemon ;;
	res*) echo reset ;;
	sh* | stat*) echo status ;;
	star*) echo start ;;
	sto*) echo stop ;;
	u*) echo unpause ;;
	w*) echo wait ;;
	esac
}

# The options of a command, those in front of the command if there is none.
_vmctl_options() {
	case $1 in
	'') echo '-h -s -v --help --json --version' ;;
	cdrom) echo '-f --json' ;;
	console | help) ;;
	create) echo '-b -i -s --json' ;;
	reload) echo '-n --json' ;;
	start) echo '-B -b -c -d -i -L -m -n -r -t --cmdline --cpus --firmware --initrd --json' ;;
	status) echo '-q -r -v -w --json' ;;
	stop) echo '-a -f -w --json' ;;
	*) echo '--json' ;;
	esac
}

# Whether the next word is the value of this one.
_vmctl_takes_value() {
	case $1 in
	'') [[ $2 =~ ^-[hv]*s$ ]] ;;
	create) [[ $2 == -[bis] ]] ;;
	start) [[ $2 =~ ^-[cL]*[Bbdimnrt]$ || $2 =~ ^--(cmdline|cpus|firmware|initrd)$ ]] ;;
	*) false ;;
	esac
}

# Names, also with -r those that run only. Without a daemon there are none, and one that hangs is not waited for.
_vmctl_names() {
	timeout 2 "${words[0]}" "${socket[@]}" status -q "$@" 2>/dev/null
}

# Answers with those of some words that begin as the last one does.
_vmctl_reply() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

# Answers with files. bash keeps what is in front of a ":" or "=" if it takes words apart there.
_vmctl_files() {
	local kept=${cur%"${cur##*[:=]}"}
	mapfile -t COMPREPLY < <(compgen -f -- "${cur#"$kept"}")
	[[ $kept && $COMP_WORDBREAKS != *"${kept: -1}"* ]] && COMPREPLY=("${COMPREPLY[@]/#/$kept}")
	compopt -o filenames 2>/dev/null
}

_vmctl_value() {
	case $1 in
	-B) _vmctl_reply 'cdrom disk net' ;;
	--firmware) _vmctl_reply 'bios uefi' ;;
	-t) _vmctl_reply "$(_vmctl_names)" ;;
	-[bdrs] | --initrd) [[ $command != create || $1 == -b ]] && _vmctl_files ;;
	-i) [[ $command == create ]] && _vmctl_files ;;
	esac
}

_vmctl_operand() {
	case $command in
	'') _vmctl_reply 'cdrom console create events help load log pause reload reset restart-daemon show start status stop
		unpause wait' ;;
	cdrom | console | pause | stop | unpause | wait) _vmctl_reply "$(_vmctl_names -r)" ;;
	create | load) _vmctl_files ;;
	help) command='' _vmctl_operand ;;
	log) _vmctl_reply 'brief verbose' ;;
	reset) _vmctl_reply 'all switches vms' ;;
	start | status) _vmctl_reply "$(_vmctl_names)" ;;
	esac
}

_vmctl() {
	local words cur word command='' option='' operands=0 socket=()
	COMPREPLY=()
	_vmctl_words
	cur=${words[-1]}
	for word in "${words[@]:1:${#words[@]}-2}"; do
		if [[ $option ]]; then
			[[ $command$option == -*s ]] && socket=(-s "$word")
			option=''
		elif [[ $word == -* ]]; then
			_vmctl_takes_value "$command" "$word" && option=$word
		elif [[ ! $command ]]; then
			command=$(_vmctl_command "$word")
			[[ $command ]] || return
		else
			((operands += 1))
		fi
	done
	if [[ $option == --* ]]; then
		_vmctl_value "$option"
	elif [[ $option ]]; then
		_vmctl_value "-${option: -1}"
	elif [[ $cur == --*=* ]]; then
		_vmctl_value "${cur%%=*}"
	elif [[ $cur == -* ]]; then
		_vmctl_reply "$(_vmctl_options "$command")"
	elif ((operands == 0)); then
		_vmctl_operand
	elif [[ $command == cdrom ]] && ((operands == 1)); then
		_vmctl_files
		[[ eject == "$cur"* ]] && COMPREPLY+=(eject)
	fi
}

complete -F _vmctl vmctl
