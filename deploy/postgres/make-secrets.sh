#!/bin/sh
# make-secrets.sh FOLDER
# Makes a random password for each role, in a file of its own, unless there is one.
set -eu
for name in postgres_password sink_password grafana_reader_password grafana_admin_password; do
    file=$1/$name
    if [ ! -s "$file" ]; then
        # 24 bytes are 32 characters of base64, which need no quoting anywhere
        head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' > "$file.new"
        # each is read by a user of another container: only they mount the folder
        chmod 444 "$file.new"
        mv "$file.new" "$file"
    fi
done
