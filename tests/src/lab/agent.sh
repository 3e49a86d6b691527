#!/bin/sh
# Process 1 of a lab host, or a service of one with systemd: runs the commands that arrive on virtio ports, one after the other on each port.
#
#   run LENGTH<newline>COMMAND         is answered with
#   done STATUS OUT ERR<newline>       and OUT bytes of standard output, ERR bytes of standard error
#
#   pty LENGTH TOKEN<newline>COMMAND   connects the port to a terminal on which the command runs; at its end
#   <NUL>TOKEN STATUS<newline>         follows
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=vt100
cd /root

serve() {
    exec 3<>"$1"
    out=/run/lab/${1##*/}.out
    err=/run/lab/${1##*/}.err
    echo ready >&3
    while read -r verb length token <&3; do
        case $verb in
        run)
            command=$(head -c "$length" <&3)
            sh -c "$command" </dev/null >"$out" 2>"$err" 3>&-
            status=$?
            echo "done $status $(stat -c %s "$out") $(stat -c %s "$err")" >&3
            cat "$out" "$err" >&3
            ;;
        pty)
            command=$(head -c "$length" <&3)
            script --quiet --return --flush --command "$command" /dev/null <&3 >&3 3>&-
            printf '\0%s %d\n' "$token" $? >&3
            ;;
        esac
    done
}

# The first port is the lifeline: when the other side closes it, for whatever reason, the lab goes away. An end of
# cat that is part of the host's own way down is none of that.
for port in /dev/vport*p*; do
    case $port in
    *p1) lifeline=$port ;;
    *) serve "$port" & ;;
    esac
done
cat "$lifeline" >/dev/null && echo o >/proc/sysrq-trigger
sleep 60
