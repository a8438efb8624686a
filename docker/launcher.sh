#!/bin/sh
# Starts the Python that lies beside it, from wherever that is. Made by bundle.sh.
here=$(dirname -- "$(readlink -f -- "$0")")
# This Python's OpenSSL looks for certificates where the machine that built it had them.
if [ -z "${SSL_CERT_FILE-}${SSL_CERT_DIR-}" ]; then
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
        if [ -r "$file" ]; then
            export SSL_CERT_FILE="$file"
            break
        fi
    done
fi
# -I: neither PYTHON* variables nor packages of a user's; -B: the directory may be read-only, and is complete.
exec "$here/../libexec/python@VERSION@" -I -B -m @MODULE@ "$@"
