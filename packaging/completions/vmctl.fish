# Completion of vmctl(8) for fish: commands, options, files, and the names of virtual machines as vmd knows them now.

# The words in front of the cursor, sorted out: sets $operands and $socket of the caller.
function __vmctl_read --no-scope-shadowing
	set -l words (commandline -opc)[2..]
	set operands
	set socket
	while set -q words[1]
		set -l word $words[1]
		set -e words[1]
		if not string match -q -- '-*' $word
			set -a operands $word
		else if string match -qr '^-[hv]*s$' -- $word
			# In front of the command it is the socket, behind create a size.
			set -q operands[1]; or set socket -s $words[1]
			set -e words[1]
		else if string match -qr '^(--(cmdline|cpus|firmware|initrd)|-[cL]*[Bbdimnrt])$' -- $word
			# Some of these letters are options of other commands too, and take no value there.
			string match -qr '^(star|cr)' -- "$operands[1]"; and set -e words[1]
		end
	end
end

# Whether a command is to come.
function __vmctl_no_command
	__vmctl_read
	not set -q operands[1]
end

# Whether the command is one of these, of which the shortest starts are given.
function __vmctl_command
	__vmctl_read
	for start in $argv
		string match -q -- "$start*" $operands[1]; and return
	end
	false
end

# The same, and its operand is to come.
function __vmctl_operand
	__vmctl_command $argv; or return
	__vmctl_read
	test (count $operands) = 1
end

# The same, and what follows its operand is to come.
function __vmctl_second_operand
	__vmctl_command $argv; or return
	__vmctl_read
	test (count $operands) = 2
end

# Names, also with -r those that run only. Without a daemon there are none, and one that hangs is not waited for.
function __vmctl_names
	__vmctl_read
	timeout 2 (commandline -opc)[1] $socket status -q $argv 2>/dev/null
end

complete -c vmctl -f

complete -c vmctl -n __vmctl_no_command -s h -l help -d 'Show the usage'
complete -c vmctl -n __vmctl_no_command -l json -d 'Print data as JSON'
complete -c vmctl -n __vmctl_no_command -s s -rF -d 'Control socket'
complete -c vmctl -n __vmctl_no_command -s v -d 'Show the messages to and from vmd'
complete -c vmctl -n __vmctl_no_command -l version -d 'Show the version'

complete -c vmctl -n __vmctl_no_command -a cdrom -d 'Show or change the disc in a CD-ROM drive'
complete -c vmctl -n __vmctl_no_command -a console -d 'Attach to the console of a virtual machine'
complete -c vmctl -n __vmctl_no_command -a create -d 'Make a disk image'
complete -c vmctl -n __vmctl_no_command -a events -d 'Print what happens to virtual machines'
complete -c vmctl -n __vmctl_no_command -a help -d 'Show the usage'
complete -c vmctl -n __vmctl_no_command -a load -d 'Add the virtual machines of another file'
complete -c vmctl -n __vmctl_no_command -a log -d 'Change how much is logged'
complete -c vmctl -n __vmctl_no_command -a pause -d 'Have a virtual machine stand still'
complete -c vmctl -n __vmctl_no_command -a reload -d 'Read the configuration again'
complete -c vmctl -n __vmctl_no_command -a reset -d 'Forget virtual machines'
complete -c vmctl -n __vmctl_no_command -a restart-daemon -d 'Replace vmd while all virtual machines run on'
complete -c vmctl -n __vmctl_no_command -a show -d 'List virtual machines'
complete -c vmctl -n __vmctl_no_command -a start -d 'Start a virtual machine'
complete -c vmctl -n __vmctl_no_command -a status -d 'List virtual machines'
complete -c vmctl -n __vmctl_no_command -a stop -d 'Stop a virtual machine'
complete -c vmctl -n __vmctl_no_command -a unpause -d 'Have a virtual machine go on'
complete -c vmctl -n __vmctl_no_command -a wait -d 'Wait until a virtual machine has ended'

complete -c vmctl -n '__vmctl_command cd cr e loa log p re sh st u w' -l json -d 'Print data as JSON'

complete -c vmctl -n '__vmctl_command cd' -s f -d 'Even if the guest has locked the disc in'

complete -c vmctl -n '__vmctl_command cr' -s b -rF -d 'Base image'
complete -c vmctl -n '__vmctl_command cr' -s i -rF -d 'Image to copy'
complete -c vmctl -n '__vmctl_command cr' -s s -x -d 'Size, such as 10G'

complete -c vmctl -n '__vmctl_command rel' -s n -d 'Only print what it would mean'

complete -c vmctl -n '__vmctl_command sh stat' -s q -d 'Names alone'
complete -c vmctl -n '__vmctl_command sh stat' -s r -d 'Only those that have a process'
complete -c vmctl -n '__vmctl_command sh stat' -s v -d 'All that is known'
complete -c vmctl -n '__vmctl_command sh stat' -s w -d 'Go on showing it'

complete -c vmctl -n '__vmctl_command star' -s B -x -a 'cdrom disk net' -d 'Boot device'
complete -c vmctl -n '__vmctl_command star' -s b -rF -d 'Kernel'
complete -c vmctl -n '__vmctl_command star' -s c -d 'Attach to the console'
complete -c vmctl -n '__vmctl_command star' -s d -rF -d 'Disk image'
complete -c vmctl -n '__vmctl_command star' -s i -x -d 'Number of network interfaces'
complete -c vmctl -n '__vmctl_command star' -s L -d 'Local network interface'
complete -c vmctl -n '__vmctl_command star' -s m -x -d 'Memory, such as 512M'
complete -c vmctl -n '__vmctl_command star' -s n -x -d 'Network interface on a switch'
complete -c vmctl -n '__vmctl_command star' -s r -rF -d 'CD-ROM image'
complete -c vmctl -n '__vmctl_command star' -s t -x -a '(__vmctl_names)' -d Template
complete -c vmctl -n '__vmctl_command star' -l cmdline -x -d 'Command line of the kernel'
complete -c vmctl -n '__vmctl_command star' -l cpus -x -d 'Number of processors'
complete -c vmctl -n '__vmctl_command star' -l firmware -rF -a 'bios uefi' -d Firmware
complete -c vmctl -n '__vmctl_command star' -l initrd -rF -d 'Initial RAM disk'

complete -c vmctl -n '__vmctl_command sto' -s a -d 'All of them'
complete -c vmctl -n '__vmctl_command sto' -s f -d 'End it at once'
complete -c vmctl -n '__vmctl_command sto' -s w -d 'Wait until it has ended'

complete -c vmctl -n '__vmctl_operand cr loa' -F
complete -c vmctl -n '__vmctl_operand h' -a 'cdrom console create events help load log pause reload reset restart-daemon'
complete -c vmctl -n '__vmctl_operand h' -a 'show start status stop unpause wait'
complete -c vmctl -n '__vmctl_operand log' -a 'brief verbose'
complete -c vmctl -n '__vmctl_operand rese' -a 'all switches vms'
complete -c vmctl -n '__vmctl_operand sh star stat' -a '(__vmctl_names)'
complete -c vmctl -n '__vmctl_operand cd con p sto u w' -a '(__vmctl_names -r)'
complete -c vmctl -n '__vmctl_second_operand cd' -F -a eject
