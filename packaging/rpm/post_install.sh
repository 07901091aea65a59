# Makes the user of the server and its data directory. $1 is 1 at the first installation.
systemd-sysusers switchboard-server.conf
install --directory --mode=700 --owner=switchboard --group=switchboard /var/lib/switchboard
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if [ "$1" -eq 1 ]; then
        systemctl preset switchboard-server.service
    else
        systemctl try-restart switchboard-server.service
    fi
fi
