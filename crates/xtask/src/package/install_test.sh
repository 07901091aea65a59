#!/bin/bash
# Installs packages in the system below $1, starts the server there, talks to it, and removes everything again.
set -euo pipefail

# A network of its own: the server has its default ports.
if [ -z "${IN_OWN_NETWORK-}" ]; then
    exec env IN_OWN_NETWORK=1 unshare --net --fork --kill-child bash "$0" "$@"
fi
ip link set lo up
root=$(realpath "$1")
shift
run() { chroot "$root" "$@"; }
run_as_server() { chroot --userspec=switchboard:switchboard "$root" "$@"; }
fail() {
    echo "install test: $1" >&2
    exit 1
}

echo "== install =="
mkdir --parents "$root/packages"
cp "$@" "$root/packages"
run sh -c 'dpkg --install /packages/*.deb'
run getent passwd switchboard
test "$(run stat --format '%U %a' /var/lib/switchboard)" = 'switchboard 700' || fail 'wrong data directory'
for file in /usr/share/man/man1/{switchboard-server,switchboard,encap}.1.gz \
    /usr/share/bash-completion/completions/{switchboard-server,switchboard,encap} \
    /usr/share/doc/switchboard-{server,client,encap}/{copyright,changelog.gz,third-party-licenses.gz}; do
    test -s "$root$file" || fail "$file is missing"
done
for program in switchboard-server switchboard encap; do
    run "$program" --version
done

echo "== run =="
run_as_server switchboard-server --config /etc/switchboard/server.toml > "$root/log" &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for _ in {1..200}; do
    if run switchboard who > /dev/null 2>&1; then break; fi
    kill -0 $server || { cat "$root/log"; fail 'the server has ended'; }
    sleep 0.05
done
exec 3<> /dev/tcp/127.0.0.1/12345
hear() {
    read -r -t 20 -u 3 line || fail "no line instead of $1"
    [[ $line == "$1"* ]] || fail "$line instead of $1"
}
hear WELCOME
for exchange in 'HELLO 2|HELLO_OK 2' 'REGISTER Noy|REGISTER_OK Noy' 'JOIN #lab|JOIN_OK #lab 0' 'SAY #lab hello|SAID #lab'; do
    echo "${exchange%|*}" >&3
    hear "${exchange#*|}"
done
exec 3>&-
# The settings name the data directory, for root and for the user of the server.
run switchboard-server ctl status | grep --quiet 'connections' || fail 'no status for root'
run_as_server switchboard-server ctl reload || fail 'no reload'
kill -TERM $server
wait $server || { cat "$root/log"; fail 'the server did not stop well'; }
trap - EXIT
run switchboard-server account list || fail 'no accounts of the stopped server'
test "$(run stat --format %U /var/lib/switchboard/* | sort --unique)" = switchboard || fail 'root took files of the server'

echo "== remove =="
run dpkg --remove switchboard-server switchboard-client switchboard-encap
test ! -e "$root/usr/bin/switchboard-server" || fail 'the program is still there'
test -e "$root/etc/switchboard/server.toml" || fail 'the settings are gone'
test -e "$root/var/lib/switchboard/switchboard.sqlite" || fail 'the data is gone'
run dpkg --purge switchboard-server
test ! -e "$root/etc/switchboard" || fail 'the settings are still there'
test ! -e "$root/var/lib/switchboard" || fail 'the data is still there'
left=$(run sh -c "find / -xdev -name '*switchboard*' -not -path '/proc/*' -not -path '/packages/*'")
test -z "$left" || fail "left over: $left"
echo 'installed, used and removed'
