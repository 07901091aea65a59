# Stops the server before its files go. $1 is 0 unless an upgrade follows.
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
    for unit in commands.socket line.socket tls.socket web.socket; do
        systemctl --no-reload disable --now "switchboard-server-$unit"
    done
    systemctl --no-reload disable --now switchboard-server.service
fi
